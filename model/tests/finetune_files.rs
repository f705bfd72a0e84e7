//! Fine-tune files: what is found out about them, and what becomes of them in another format.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use glassbox_model::finetune::{
    self, Conversation, Entry, Finding, Format, PairKeys, Placed, Reading, Sample, Severity, Written, recorded,
};
use glassbox_model::{AssistantMessage, AssistantPart, Message, Observation};
use glassbox_tools::{ToolCall, ToolSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str, format: Format) -> Reading {
    finetune::read(text, format, &PairKeys::default())
}

/// `LINE: PLACE: …` of each finding with this weight.
fn told(findings: &[Finding], severity: Severity) -> Vec<String> {
    findings.iter().filter(|f| f.severity == severity).map(|f| format!("{}: {f}", f.line)).collect()
}

fn faults(text: &str) -> Vec<String> {
    told(&read(text, Format::ChatGlm3).findings, Severity::Fault)
}

fn notes(text: &str) -> Vec<String> {
    let reading = read(text, Format::ChatGlm3);
    assert_eq!(reading.faulty, 0, "{:?}", reading.findings);
    told(&reading.findings, Severity::Note)
}

/// A sample of these entries, on one line.
fn talk(entries: &str) -> String {
    format!(r#"{{"conversations": [{entries}]}}"#)
}

const USER: &str = r#"{"role": "user", "content": "u"}"#;
const REPLY: &str = r#"{"role": "assistant", "content": "a"}"#;

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
    let reading = finetune::read(r#"{"content": "c", "summary": "s", "id": 3}"#, Format::ChatGlm3, &keys);
    assert!(matches!(&reading.samples[0].value, Sample::Pair(pair) if pair.prompt == "c" && pair.response == "s"));
    assert_eq!(told(&reading.findings, Severity::Note), ["1: id: nothing reads this"]);
}

fn conversations(reading: &Reading) -> Vec<Value> {
    assert_eq!(reading.faulty, 0, "{:?}", reading.findings);
    reading.samples.iter().map(|sample| sample.value.to_json()).collect()
}

fn convert(text: &str, from: Format, to: Format) -> (Written, Reading) {
    let reading = read(text, from);
    (finetune::write(&reading.samples, to), reading)
}

fn lines(written: &Written) -> Vec<Value> {
    written.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn openai_s_form_becomes_this_one_and_comes_back() {
    let call = |id: &str, weight: Value| {
        let function = json!({"name": "get_weather", "arguments": "{\"城市\": \"北京\", \"days\": 2, \"share\": 0.1}"});
        let mut message =
            json!({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]});
        if !weight.is_null() {
            message["weight"] = weight;
        }
        message
    };
    let mut prose = call("call_1", json!(1));
    prose["content"] = json!("I look.");
    let sample = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "天气?"},
            {"role": "assistant", "content": "I look.", "tool_calls": prose["tool_calls"], "weight": 1},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"t\": 22}"},
            call("call_2", json!(0)),
            {"role": "tool", "tool_call_id": "call_2", "content": "晴"},
            {"role": "assistant", "content": "22", "weight": 0},
            {"role": "user", "content": "Once more"},
            call("call_3", Value::Null),
        ],
        "tools": [{"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}}}],
    });
    let (written, reading) = convert(&sample.to_string(), Format::OpenAi, Format::ChatGlm3);
    assert_eq!(told(&reading.findings, Severity::Note), ["1: the call `call_3` is not answered"]);
    assert_eq!(told(&reading.findings, Severity::Loss), [""; 0]);
    let parameters = json!({"城市": "北京", "days": 2, "share": 0.1});
    assert_eq!(
        lines(&written),
        [json!({
            "tools": [{"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}}],
            "conversations": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "天气?"},
                {"role": "assistant", "content": "I look.", "loss": true},
                {"role": "tool", "name": "get_weather", "parameters": parameters, "observation": "{\"t\": 22}", "loss": true},
                {"role": "tool", "name": "get_weather", "parameters": parameters, "observation": "晴", "loss": false},
                {"role": "assistant", "content": "22", "loss": false},
                {"role": "user", "content": "Once more"},
                {"role": "tool", "name": "get_weather", "parameters": parameters},
            ],
        })]
    );
    let (back, _) = convert(&written.text, Format::ChatGlm3, Format::OpenAi);
    assert_eq!(back.findings, []);
    assert_eq!(lines(&back), [sample]);
}

#[test]
fn what_openai_s_form_has_and_this_one_not_is_said() {
    let text = json!({
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
            {"role": "user", "content": "Two", "name": "Ann"},
            {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": " {\"x\": 1}\n"}},
            ]},
            {"role": "tool", "tool_call_id": "b", "content": "B"},
            {"role": "tool", "tool_call_id": "a", "content": "A"},
            {"role": "assistant", "content": "Done"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "strict": true}}, {"type": "function", "function": {"name": "g"}}],
        "parallel_tool_calls": true,
    });
    let reading = read(&text.to_string(), Format::OpenAi);
    assert_eq!(
        told(&reading.findings, Severity::Loss),
        [
            "1: tools[0].function.strict: it is not carried over",
            "1: messages[0].role: `developer` becomes `system`",
            "1: messages[1].name: it is not carried over",
            "1: messages[2].tool_calls: 2 calls made at once become calls one after another",
            "1: parallel_tool_calls: it is not carried over",
        ]
    );
    assert_eq!(
        conversations(&reading)[0]["conversations"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Two"},
            {"role": "tool", "name": "f", "parameters": {}, "observation": "A"},
            {"role": "tool", "name": "g", "parameters": {"x": 1}, "observation": "B"},
            {"role": "assistant", "content": "Done"},
        ])
    );
}

#[test]
fn openai_s_samples_that_cannot_be_held_are_faults() {
    let one = |messages: Value| json!({"messages": messages}).to_string();
    let user = json!({"role": "user", "content": "u"});
    let call = json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]});
    for (text, expected) in [
        ("{}".to_owned(), "1: messages: it is missing; a line of OpenAI's format has `messages`"),
        (one(json!([])), "1: messages: it is empty"),
        (
            json!({"messages": [user], "functions": []}).to_string(),
            "1: functions: this is the form that OpenAI has given up; write `tools`",
        ),
        (
            one(json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])),
            "1: messages[0].content[0].type: a part of the type `image_url` is no text",
        ),
        (one(json!([user, {"role": "assistant"}])), "1: messages[1].content: it is missing, and there are no calls"),
        (
            one(json!([user, {"role": "assistant", "content": "x", "weight": 0.5}])),
            "1: messages[1].weight: it is neither 0 nor 1",
        ),
        (
            one(json!([user, {"role": "assistant", "refusal": "no"}])),
            "1: messages[1].refusal: this cannot be held; leave it out, or write it as `content`",
        ),
        (
            one(json!([user, {"role": "assistant", "function_call": {}}])),
            "1: messages[1].function_call: this cannot be held; leave it out, or write it as `content`",
        ),
        (
            one(json!([user, call, user])),
            "1: messages[2]: the call `a` is not answered before it; each call needs a `tool` message with its `tool_call_id`",
        ),
        (
            one(json!([user, {"role": "tool", "tool_call_id": "z", "content": "x"}])),
            "1: messages[1].tool_call_id: no call before it has the id `z`, or it is answered already",
        ),
        (
            one(json!([user, user])),
            "1: messages[1]: two user entries follow each other; make them one, or put the reply between them",
        ),
        (
            one(
                json!([user, {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[]"}}]}]),
            ),
            "1: messages[1].tool_calls[0].function.arguments: it is no object; the arguments are a JSON object, as text",
        ),
    ] {
        let reading = read(&text, Format::OpenAi);
        let found = told(&reading.findings, Severity::Fault);
        assert!(found.iter().any(|fault| fault == expected), "{text}: {found:?}");
        assert_eq!((reading.faulty, reading.samples.len()), (1, 0), "{text}");
    }
}

#[test]
fn what_openai_s_form_cannot_hold_is_left_out_and_said() {
    let text = [
        talk(&[USER, REPLY].join(",")),
        format!(r#"{{"tools": ["in words"], "conversations": [{USER}, {REPLY}]}}"#),
        talk(&format!(r#"{USER}, {{"role": "assistant", "metadata": "interpreter", "content": "x"}}, {{"role": "observation", "content": "y"}}"#)),
        talk(&format!(r#"{USER}, {{"role": "tool", "name": "f", "parameters": {{}}}}, {REPLY}"#)),
        talk(&format!(r#"{USER}, {{"role": "tool", "name": "text to speech", "parameters": {{}}, "observation": {{"a": [1.0]}}}}"#)),
        r#"{"prompt": "p", "response": "r"}"#.to_owned(),
    ]
    .join("\n");
    let (written, reading) = convert(&text, Format::ChatGlm3, Format::OpenAi);
    assert_eq!((reading.faulty, written.samples, written.left_out), (0, 2, 4));
    assert_eq!(
        told(&written.findings, Severity::Fault),
        [
            "2: tools[0]: OpenAI's tools have a name and a schema, and this has no name",
            "3: conversations[1]: OpenAI's format has no place for metadata (`interpreter`)",
            "3: conversations[2]: OpenAI's format has no answer without a call",
            "4: conversations[1]: a call without an answer may only come last; write its `observation`",
            "6: a pair has no roles, and `openai` has",
        ]
    );
    assert_eq!(told(&written.findings, Severity::Loss), ["5: conversations[1].observation: JSON becomes its text"]);
    assert_eq!(lines(&written)[1]["messages"][2]["content"], json!("{\"a\": [1.0]}"));
    assert_eq!(told(&written.findings, Severity::Note).len(), 1);
}

fn alpaca() -> Value {
    json!([{
        "Name": "Axolotl",
        "Category": "Animals",
        "NLDocumentation": "getFacts: facts.\nParameters: {}\n",
        "Instances": [
            {
                "input": "Three facts?",
                "output": "Here are three.",
                "Final Thought": "I can answer.",
                "intermediate_steps": [
                    [["getFacts", "{\"limit\": 3}", " I need facts.\nAction: getFacts\nAction Input: {\"limit\": 3}"], "Status Code: 200. [1, 2, 3]"],
                    [["getDetails", "{}", "\nAction: getDetails\nAction Input: {}"], "ok"],
                ],
            },
            {"input": "No step", "output": "None\nneeded.", "Final Thought": "", "intermediate_steps": []},
            {"input": "Broken", "output": "x", "Final Thought": "y", "intermediate_steps": [[["f", "{limit: 3}", "t"], "o"]]},
        ],
    }])
}

#[test]
fn toolalpaca_becomes_what_chatglm3_s_script_makes_of_it() {
    let reading = read(&serde_json::to_string_pretty(&alpaca()).unwrap(), Format::ToolAlpaca);
    let tools = json!(["getFacts: facts.\nParameters: {}\n"]);
    let samples: Vec<Value> = reading.samples.iter().map(|sample| sample.value.to_json()).collect();
    assert_eq!(
        samples,
        [
            json!({"tools": tools, "conversations": [
                {"role": "user", "content": "Three facts?"},
                {"role": "assistant", "content": "I need facts."},
                {"role": "tool", "name": "getFacts", "parameters": {"limit": 3}, "observation": "Status Code: 200. [1, 2, 3]"},
                {"role": "assistant", "content": ""},
                {"role": "tool", "name": "getDetails", "parameters": {}, "observation": "ok"},
                {"role": "assistant", "content": "I can answer.\nHere are three."},
            ]}),
            json!({"tools": tools, "conversations": [
                {"role": "user", "content": "No step"},
                {"role": "assistant", "content": "\nNone\nneeded."},
            ]}),
        ]
    );
    assert_eq!(told(&reading.findings, Severity::Loss), ["2: not carried over: Name, Category"]);
    let fault = told(&reading.findings, Severity::Fault);
    assert_eq!(reading.faulty, 1);
    assert!(fault[0].contains("Instances[2].intermediate_steps[0]: the input of `f` cannot be read: "), "{fault:?}");
}

#[test]
fn samples_of_toolalpaca_s_shape_go_there_and_come_back() {
    let first = read(&alpaca().to_string(), Format::ToolAlpaca);
    let there = finetune::write(&first.samples, Format::ToolAlpaca);
    assert_eq!((there.samples, there.left_out, there.findings.len()), (2, 0, 0));
    let value: Value = serde_json::from_str(&there.text).unwrap();
    // The same API: one, with both instances, as they were.
    assert_eq!(value.as_array().unwrap().len(), 1);
    assert_eq!(value[0]["Instances"][0], alpaca()[0]["Instances"][0]);
    let back = read(&there.text, Format::ToolAlpaca);
    let values = |reading: &Reading| reading.samples.iter().map(|sample| sample.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&back), values(&first));
}

#[test]
fn what_toolalpaca_s_form_cannot_hold_is_said() {
    let tool = r#"{"role": "tool", "name": "f", "parameters": {}, "observation": "o"}"#;
    let text = [
        talk(&[USER, tool, REPLY].join(",")),
        talk(&[USER, r#"{"role": "assistant", "content": " Action: x", "loss": true}"#, tool, REPLY].join(",")),
        format!(r#"{{"tools": [{{"name": "f"}}], "conversations": [{USER}, {REPLY}]}}"#),
        talk(&[r#"{"role": "system", "content": "s"}"#, USER, REPLY].join(",")),
        talk(&[USER, REPLY, USER, REPLY].join(",")),
        talk(&[USER, REPLY, tool].join(",")),
    ]
    .join("\n");
    let (written, _) = convert(&text, Format::ChatGlm3, Format::ToolAlpaca);
    assert_eq!((written.samples, written.left_out), (3, 3));
    assert_eq!(
        told(&written.findings, Severity::Loss),
        [
            "1: conversations[1]: there is no thought before the call; an empty one is read back",
            "2: conversations[1].loss: it is not carried over",
            "2: conversations[1].content: blanks around a thought, and what follows `Action:`, are not read back",
            "3: tools: they become one text",
        ]
    );
    let faults = told(&written.findings, Severity::Fault);
    assert!(faults[0].starts_with("4: conversations[0]: ToolAlpaca's format has no place for it"), "{faults:?}");
    assert!(faults[1].starts_with("5: conversations[2]: ToolAlpaca's format has no place for it"), "{faults:?}");
    assert!(faults[2].starts_with("6: conversations: it does not end with a reply"), "{faults:?}");
}

#[test]
fn a_conversation_that_was_held_becomes_a_sample() {
    let call = |id: &str, name: &str| ToolCall::new(id, name, json!({"x": 1}));
    let reply = |parts| Message::Assistant(AssistantMessage { parts, raw: None });
    let text = |text: &str| AssistantPart::Text { text: text.to_owned() };
    let messages = [
        Message::user("go"),
        reply(vec![
            text("I "),
            text("call."),
            AssistantPart::Call { call: call("call-1", "f") },
            AssistantPart::Call { call: call("call-2", "g") },
        ]),
        Message::observation(&call("call-2", "g"), "G"),
        Message::observation(&call("call-1", "f"), "F"),
        reply(vec![AssistantPart::Code { id: "call-3".into(), source: "print(1)".to_owned() }]),
        Message::Observation(Observation { call_id: Some("call-3".into()), name: None, content: "1".to_owned() }),
        reply(vec![AssistantPart::Malformed {
            id: "call-4".into(),
            name: Some("f".to_owned()),
            raw: "tool_call(".to_owned(),
            problem: "cut".to_owned(),
        }]),
        Message::Observation(Observation { call_id: None, name: None, content: "cut".to_owned() }),
        reply(vec![AssistantPart::Reasoning { text: "hm".to_owned() }, text("Done.")]),
    ];
    let tools = [ToolSpec::new("f", "F."), ToolSpec::new("g", "G.")];
    let (sample, findings) = recorded(1, Some("Be brief."), &tools, &messages);
    assert_eq!(
        sample.to_json(),
        json!({
            "tools": [tools[0].for_model(), tools[1].for_model()],
            "conversations": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": "I call."},
                {"role": "tool", "name": "f", "parameters": {"x": 1}, "observation": "F"},
                {"role": "tool", "name": "g", "parameters": {"x": 1}, "observation": "G"},
                {"role": "assistant", "metadata": "interpreter", "content": "```python\nprint(1)\n```"},
                {"role": "observation", "content": "1"},
                {"role": "assistant", "metadata": "f", "content": "tool_call(", "loss": false},
                {"role": "observation", "content": "cut"},
                {"role": "assistant", "content": "Done."},
            ],
        })
    );
    assert_eq!(
        told(&findings, Severity::Loss),
        [
            "1: messages[1]: 2 calls made at once become calls one after another",
            "1: messages[8]: thinking is not carried over"
        ]
    );
    assert_eq!(told(&findings, Severity::Note).len(), 2, "{findings:?}");
    // It is a sample without a fault.
    let written = finetune::write(&[Placed { line: 1, value: Sample::Conversation(sample) }], Format::ChatGlm3);
    assert_eq!(read(&written.text, Format::ChatGlm3).faulty, 0);
    let (_, findings) = recorded(1, None, &[], &messages[..4]);
    assert!(told(&findings, Severity::Note)[0].contains("no tools are recorded"), "{findings:?}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", "[a-z \n]{0,12}", Just("sop <|user|> Action: \"'\\".to_owned())]
}

fn object() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has them", |n| n.is_finite()).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::vec(("[a-z_]{1,6}", value), 0..4).prop_map(|members| members.into_iter().collect())
}

/// Conversations that OpenAI's form holds in full: answers in words, calls one at a time.
fn conversation() -> impl Strategy<Value = Conversation> {
    let loss = prop::option::of(any::<bool>());
    let turn = (
        text(),
        prop::collection::vec((prop::option::of(text()), "[a-z_]{1,8}", object(), text(), loss.clone()), 0..3),
        text(),
        loss,
    );
    (prop::option::of(text()), prop::collection::vec(turn, 1..4)).prop_map(|(system, turns)| {
        let assistant = |content, loss| Entry::Assistant { metadata: String::new(), content, loss };
        let mut entries: Vec<Entry> = system.map(|content| Entry::System { content }).into_iter().collect();
        for (content, calls, reply, reply_loss) in turns {
            entries.push(Entry::User { content });
            for (prose, name, parameters, observation, loss) in calls {
                // An empty prose before a call cannot be told from none there.
                entries.extend(prose.filter(|prose| !prose.is_empty()).map(|prose| assistant(prose, loss)));
                entries.push(Entry::Tool { name, parameters, observation: Some(Value::from(observation)), loss });
            }
            entries.push(assistant(reply, reply_loss));
        }
        let tools = vec![json!({"name": "f", "description": "d", "parameters": {"type": "object"}})];
        Conversation { tools, entries }
    })
}

proptest! {
    #[test]
    fn conversations_go_to_openai_s_form_and_come_back(conversation in conversation()) {
        let placed = [Placed { line: 1, value: Sample::Conversation(conversation) }];
        for format in [Format::OpenAi, Format::ChatGlm3] {
            let written = finetune::write(&placed, format);
            prop_assert_eq!((written.samples, &written.findings), (1, &Vec::new()));
            let back = read(&written.text, format);
            prop_assert_eq!(&back.samples[..], &placed[..], "{:?}", back.findings);
        }
    }

    #[test]
    fn any_text_is_read(text in prop_oneof![".{0,60}", r#"[\[\]{}",:a-z0-9 \n]{0,60}"#]) {
        for format in Format::ALL {
            let reading = read(&text, format);
            prop_assert!(reading.faulty == 0 || reading.findings.iter().any(|f| f.severity == Severity::Fault));
        }
    }
}
