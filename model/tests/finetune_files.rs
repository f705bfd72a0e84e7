//! Fine-tune files: what is found out about them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod finetune;

use finetune::{REPLY, USER, read, talk, told};
use glassbox_model::finetune::{Format, PairKeys, Sample, Severity};

fn faults(text: &str) -> Vec<String> {
    told(&read(text, Format::ChatGlm3).findings, Severity::Fault)
}

fn notes(text: &str) -> Vec<String> {
    let reading = read(text, Format::ChatGlm3);
    assert_eq!(reading.faulty, 0, "{:?}", reading.findings);
    told(&reading.findings, Severity::Note)
}

#[test]
fn every_fault_is_told_with_its_line_and_what_to_do() {
    for (text, expected) in [
        (
            "{",
            "1: it is no JSON: EOF while parsing an object (column 1); a file is a JSON list of samples, or has one sample a line",
        ),
        ("7", "1: it is no object"),
        (
            "{}",
            "1: it is no sample; a sample has `conversations`, or `prompt` and `response`; `--prompt-key` and `--response-key` name others",
        ),
        (
            r#"{"messages": []}"#,
            "1: it is no sample; it looks like OpenAI's form: `glassbox data convert --from openai --to glm3`",
        ),
        (
            r#"{"Instances": []}"#,
            "1: it is no sample; it looks like ToolAlpaca: `glassbox data convert --from toolalpaca --to glm3`",
        ),
        (r#"{"prompt": "p"}"#, "1: response: it is missing; write the text, \"\" for none"),
        (r#"{"prompt": 1, "response": "r"}"#, "1: prompt: it is a number; it must be text, in quotes"),
        (r#"{"conversations": {}}"#, "1: conversations: it is no list"),
        (
            r#"{"conversations": []}"#,
            "1: conversations: it is empty; a sample needs at least a user's and an assistant's entry",
        ),
        (
            r#"{"tools": "f", "conversations": [{"role": "user", "content": ""}]}"#,
            "1: tools: it is text; it must be a list of tools",
        ),
        (r#"{"conversations": [1]}"#, "1: conversations[0]: it is no object"),
        (&talk(r#"{"content": "x"}"#), "1: conversations[0].role: it is missing; write the text, \"\" for none"),
        (
            &talk(r#"{"from": "human", "value": "x"}"#),
            "1: conversations[0].role: it is missing; write `role` (user, assistant) and `content` in place of `from` and `value`",
        ),
        (
            &talk(r#"{"role": "human", "content": "x"}"#),
            "1: conversations[0].role: there is no role `human`; write `user`",
        ),
        (&talk(r#"{"role": "user"}"#), "1: conversations[0].content: it is missing; write the text, \"\" for none"),
        (
            &talk(r#"{"role": "assistant", "content": null}"#),
            "1: conversations[0].content: it is null; it must be text, in quotes",
        ),
        (
            &talk(r#"{"role": "assistant", "content": "x", "loss": 1}"#),
            "1: conversations[0].loss: it is not true or false; write true or false",
        ),
        (
            &talk(r#"{"role": "tool", "name": "f", "content": "x"}"#),
            "1: conversations[0].content: a `tool` entry has none; a `tool` entry is the call and its answer: `name`, `parameters`, `observation`",
        ),
        (
            &talk(r#"{"role": "tool", "parameters": {}, "observation": ""}"#),
            "1: conversations[0].name: it is missing; write the text, \"\" for none",
        ),
        (
            &talk(r#"{"role": "tool", "name": "f\ng", "parameters": {}, "observation": ""}"#),
            "1: conversations[0].name: a tool's name is one line of text; write the name as the model shall write it",
        ),
        (
            &talk(r#"{"role": "tool", "name": "f", "parameters": [1], "observation": ""}"#),
            "1: conversations[0].parameters: it is no object",
        ),
        (
            &talk(r#"{"role": "tool", "name": "f", "parameters": {"x": 123456789012345678901}, "observation": ""}"#),
            "1: conversations[0].parameters: 123456789012345678901 is a whole number of more than 64 bits; write it as text",
        ),
        (
            &talk(r#"{"role": "tool", "name": "f", "parameters": {"x": {"y": 1, "y": 2}}, "observation": ""}"#),
            "1: conversations[0].parameters: `y` stands twice in one object",
        ),
        (
            &talk(&[USER, USER].join(",")),
            "1: conversations[1]: two user entries follow each other; make them one, or put the reply between them",
        ),
        (
            &talk(&[USER, REPLY, r#"{"role": "system", "content": ""}"#].join(",")),
            "1: conversations[2]: a system entry may only come first; move it to the front, or make it one with the first",
        ),
        (
            &talk(r#"{"role": "observation", "content": ""}"#),
            "1: conversations[0]: an observation may only follow an assistant's entry; the answer to a call is the `observation` of its `tool` entry",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
}

#[test]
fn a_fault_costs_one_sample_and_all_faults_of_it_are_told() {
    let bad = talk(r#"{"role": "human", "content": "x"}, {"role": "assistant"}"#);
    let good = talk(&[USER, REPLY].join(","));
    let reading = read(&format!("{good}\n\n{bad}\nnonsense\n{good}\n"), Format::ChatGlm3);
    assert_eq!((reading.samples.len(), reading.faulty), (2, 2));
    assert_eq!(reading.samples.iter().map(|sample| sample.line).collect::<Vec<_>>(), [1, 5]);
    let lines: Vec<usize> = reading.findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [3, 3, 4]);
}

#[test]
fn in_a_list_over_many_lines_each_entry_has_its_own_line() {
    let text = "[\n  {\n    \"conversations\": [\n      {\"role\": \"user\", \"content\": \"x\"},\n      {\"role\": \"robot\"}\n    ]\n  },\n  {\"prompt\": \"a\",\n   \"response\": 5}\n]\n";
    assert_eq!(
        faults(text),
        [
            "5: conversations[1].role: there is no role `robot`; the roles are system, user, assistant, tool and observation",
            "9: response: it is a number; it must be text, in quotes",
        ]
    );
    assert_eq!(
        faults("[{},\n{]"),
        [
            "2: it is no JSON: key must be a string (column 2); a file is a JSON list of samples, or has one sample a line"
        ]
    );
}

#[test]
fn what_is_worth_knowing_is_noted_and_the_sample_kept() {
    let one = |entry: &str| talk(&format!("{USER}, {entry}"));
    for (text, expected) in [
        (
            one(r#"{"role": "assistant", "content": "x", "loss": false}"#),
            "1: no token of it is learnt; it needs an `assistant` or `tool` entry without `\"loss\": false`",
        ),
        (
            one(r#"{"role": "assistant", "content": "x", "mood": "gay"}"#),
            "1: conversations[1].mood: nothing reads this",
        ),
        (
            one(r#"{"role": "tool", "name": "f", "parameters": {}}"#),
            "1: conversations[1].observation: it is missing, and rendered as `null`; write what the tool answered",
        ),
        (
            one(r#"{"role": "tool", "name": "f", "parameters": {"a b": 1}, "observation": ""}"#),
            "1: conversations[1].parameters: `a b` cannot stand before an equals sign, and is written in `**{…}`; rename it, so that other readers of calls take it too",
        ),
        (
            one(r#"{"role": "assistant", "metadata": "interpreter", "content": "x"}"#),
            "1: conversations[1].metadata: the preprocessing published with ChatGLM3 does not know metadata, and leaves it out; render with `glassbox data render`",
        ),
        (
            format!(r#"{{"tools": [], "conversations": [{USER}, {REPLY}]}}"#),
            "1: tools: it is empty, and rendered as if it were not there",
        ),
        (
            format!(
                r#"{{"tools": [{{"name": "g"}}], "conversations": [{USER}, {{"role": "tool", "name": "f", "parameters": {{}}, "observation": ""}}]}}"#
            ),
            "1: conversations[1].name: `f` is none of the sample's tools; add it to `tools`, or leave `tools` out",
        ),
        (
            format!(
                r#"{{"tools": [{{"type": "function", "function": {{"name": "g"}}}}], "conversations": [{USER}, {REPLY}]}}"#
            ),
            "1: tools[0]: it is wrapped as OpenAI has it, and the model is shown the wrapping; leave `{\"name\", \"description\", \"parameters\"}`, which is what `glassbox` shows it",
        ),
        (
            talk(&format!(r#"{{"role": "user", "content": "u", "loss": true}}, {REPLY}"#)),
            "1: conversations[0].loss: a user's entry is never learnt, whatever `loss` says; leave it out",
        ),
        (r#"{"prompt": "p", "response": ""}"#.to_owned(), "1: response: it is empty: only the end is learnt"),
    ] {
        assert_eq!(notes(&text), [expected], "{text}");
    }
    // Tools in words have no names that a call could be held against.
    assert_eq!(
        notes(&format!(
            r#"{{"tools": ["f: does"], "conversations": [{USER}, {{"role": "tool", "name": "f", "parameters": {{}}, "observation": ""}}]}}"#
        )),
        [""; 0]
    );
}

#[test]
fn pairs_may_have_other_keys() {
    let keys = PairKeys { prompt: "content".to_owned(), response: "summary".to_owned() };
    let reading =
        glassbox_model::finetune::read(r#"{"content": "c", "summary": "s", "id": 3}"#, Format::ChatGlm3, &keys);
    assert!(matches!(&reading.samples[0].value, Sample::Pair(pair) if pair.prompt == "c" && pair.response == "s"));
    assert_eq!(told(&reading.findings, Severity::Note), ["1: id: nothing reads this"]);
}
