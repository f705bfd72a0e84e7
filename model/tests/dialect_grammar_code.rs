//! The grammars of replies where the interpreter is offered, run by llguidance over a vocabulary of bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use dialects::bench::{BARE, Bench, FENCED, TAGGED, request, track, weather};
use dialects::{Seeded, decode, parse, parts, random_reply, summary, text_of};
use glassbox_model::{Delta, Request, ToolChoice};

fn both(choice: ToolChoice, several: bool) -> Request {
    Request { interpreter: true, ..request(vec![weather(), track()], choice, several) }
}

const CODE: &str = "```python\nprint('a')\n\nx = {1: 2}\n```";

#[test]
fn a_block_of_python_ends_with_its_fence_and_ends_the_reply() {
    for bench in [Bench::hermes(), Bench::generic()] {
        let mut both = request(vec![track()], ToolChoice::Auto, true);
        both.interpreter = true;
        let only = Request { interpreter: true, ..Request::default() };
        for request in [&both, &only] {
            bench.check(
                request,
                &[
                    CODE,
                    "Let us see:\n\n```py\nprint(1)\n```",
                    "```python\nprint(1)\n```\n\n",
                    "```json\n{}\n```\nno code",
                    "```\nprose\n```",
                    "4.",
                ],
                &[
                    "```python\nprint(1)",
                    "```python\n\n```",
                    "```python\nprint(1)\n```\nThe output is 1.",
                    "```python\nprint(1)\n```\n```python\nprint(2)\n```",
                ],
            );
        }
        let required = Request { tool_choice: ToolChoice::Required, ..only.clone() };
        bench.check(&required, &[CODE], &["4.", "```json\n{}\n```"]);
        let named = Request { tool_choice: ToolChoice::Named("interpreter".into()), ..both.clone() };
        bench.check(&named, &[CODE], &["4."]);
        let answer = Request { tool_choice: ToolChoice::Answer, ..only.clone() };
        bench.check(&answer, &["It is 4.", "It is:\n```json\n{}\n```"], &[CODE, "So:\n```python\nprint(1)\n```"]);
    }
}

const TRACK: &str = "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}";

#[test]
fn beside_an_interpreter_calls_are_held_to_their_schema_in_every_form() {
    let bench = Bench::hermes();
    let wrong = "{\"name\": \"get_weather\", \"arguments\": {\"city\": 5}}";
    let forms = [
        "CALL",
        "So:\n  CALL",
        "```json\nCALL\n```",
        "Sure.\n\n```\n\n  CALL\n```",
        "```json\n[CALL]\n```",
        "```tool_call\n[\n  CALL\n]\n```",
        "[CALL]",
        "x\n [\n\n  CALL]",
        "<tool_call>\nCALL\n</tool_call>",
        "I look. <tool_call>CALL</tool_call>",
        "{\"name\": \"Alice\"}\nCALL",
        "```json\n{\"name\": \"Alice\"}\n```\nCALL",
        "```bash\nls\n```\nCALL",
        "[\n[\nCALL]",
        "{\nCALL",
    ];
    for several in [false, true] {
        let auto = both(ToolChoice::Auto, several);
        for form in forms {
            for object in
                [TRACK, BARE, "{\n  \"name\": \"track\",\n  \"arguments\": {\n    \"symbol\": [1, null]\n  }\n}"]
            {
                bench.check(&auto, &[&form.replace("CALL", object)], &[]);
            }
            let more = format!("{} and more", form.replace("CALL", TRACK));
            bench.check(
                &auto,
                &[],
                &[&form.replace("CALL", wrong), &form.replace("CALL", "{\"name\": \"track\"}"), &more],
            );
        }
        bench.check(
            &auto,
            &[TAGGED, FENCED],
            &["```json\nCALL", "[CALL", "```json\n[CALL\n```"]
                .map(|form| form.replace("CALL", TRACK))
                .each_ref()
                .map(String::as_str),
        );
    }
    let two = format!("```json\n[\n  {TRACK},\n  {BARE}\n]\n```");
    bench.check(&both(ToolChoice::Auto, true), &[&two], &[]);
    bench.check(&both(ToolChoice::Auto, false), &[], &[&two]);
}

#[test]
fn a_call_split_over_lines_is_known_wherever_a_beginning_broke_off() {
    let bench = Bench::hermes();
    let auto = both(ToolChoice::Auto, false);
    let broken = ["```json\n", "```json\n[\n", "[\n", "{\n", "[{\n", "```\n{\n", "```json [ {\n", "```bash\nls\n[\n"];
    for before in broken {
        // What is begun goes on in words: free. Then a call in a form of its own.
        let text = format!("{before}words {{\"name\": \"track\"}}\n");
        bench.check(&auto, &[&text, &format!("{text}<tool_call>{TRACK}</tool_call>")], &[]);
        let wrong = "{\"name\": \"track\", \"arguments\": 1}";
        bench.check(
            &auto,
            &[],
            &[&format!("{text}{wrong}"), &format!("{before}{wrong}"), &format!("{before}\n  {wrong}")],
        );
    }
    // A brace on one line and its key on the next.
    bench.check(&auto, &["{\n  \"title\": 1,\n  \"name\": \"track\"\n}"], &["{\n  \"name\": \"track\"\n}"]);
}

#[test]
fn prose_is_free_beside_an_interpreter() {
    let prose = [
        "",
        "Hello, 世界 👋!\n",
        "# A title\n\n- one\n- two [link](x)\n\n| a | b |\n|---|---|\n| 0 | {} |\n",
        "{}\n[]\n[1, 2]\n{\"a\": {\"name\": \"track\"}}\n",
        "```json\n{\n  \"title\": \"track\",\n  \"name\": \"track\"\n}\n```\nThat is all.",
        "```\n0 0 0\n0 0 0\n```\n\n```text\n```\n",
        "```bash\nls\n```python\nthis fence only closes the one before\n",
        "{\n\n}\n{\n{\n[\n```\nx\n```",
        "x = `a` and ```b``` <tool> </tool_cal> \"name\": \"track\"",
        "````\n```` and ``` in it\n",
    ];
    // Where the prompt is our own and offers tools, an object that begins with `name` is a call.
    let named = ["[\n  1,\n  {\"name\": 3}\n]\n", "{\"name\": \"Alice\", \"age\": 3}\r\n\r\n{'name': 'Bob'}"];
    for bench in [Bench::hermes(), Bench::hermes_with_control_marks(), Bench::generic()] {
        for request in [both(ToolChoice::Auto, true), Request { interpreter: true, ..Request::default() }] {
            bench.check(&request, &prose, &[]);
            if bench.dialect.name() == "generic" && !request.tools.is_empty() {
                bench.check(&request, &[], &named);
            } else {
                bench.check(&request, &named, &[]);
            }
            for text in prose.iter().chain(&named) {
                let deltas = parse(bench.dialect.as_ref(), &request, &parts(text, &[]), 0);
                assert!(deltas.iter().all(|delta| matches!(delta, Delta::Text { .. })), "{:?}", summary(&deltas));
            }
        }
    }
}

#[test]
fn a_program_is_never_forced_into_json() {
    let json = "{\"name\": \"interpreter\", \"arguments\": {\"code\": \"print(1)\"}}";
    let glm = "interpreter\n ```python\nprint('a')\n```";
    for choice in [ToolChoice::Auto, ToolChoice::Required, ToolChoice::Named("interpreter".into())] {
        Bench::hermes().check(&both(choice.clone(), true), &[CODE], &[]);
        Bench::chatglm3().check(&both(choice, true), &[glm], &["interpreter\n ```python\ntool_call(code='x')"]);
    }
    // Where a call is asked for, a program is text. Models that write JSON unasked are read.
    Bench::hermes().check(&both(ToolChoice::Required, true), &[TRACK], &[json]);
    Bench::hermes().check(&both(ToolChoice::Auto, true), &[json], &[]);
}

/// Whatever reply comes out: every call satisfies its schema, every program is whole, nothing is unreadable.
#[test]
fn replies_beside_an_interpreter_hold_no_wrong_call() {
    let tools = [weather(), track()];
    let mut seen = [0; 2];
    for bench in [Bench::hermes(), Bench::hermes_with_control_marks(), Bench::generic(), Bench::chatglm3()] {
        for (choice, seeds) in [(ToolChoice::Auto, 60), (ToolChoice::Required, 40)] {
            let request = both(choice, true);
            let grammar = bench.grammar(&request);
            for seed in 0..seeds {
                let ids = random_reply(&bench.grammars, &grammar, &bench.vocab, &mut Seeded(seed));
                let text = text_of(&bench.vocab, &ids);
                for delta in parse(bench.dialect.as_ref(), &request, &decode(&bench.vocab, &ids), 0) {
                    match delta {
                        Delta::CallReady { call } => {
                            let spec =
                                tools.iter().find(|tool| tool.name == call.name).unwrap_or_else(|| panic!("{text}"));
                            assert!(
                                jsonschema::validator_for(&spec.parameters).unwrap().is_valid(&call.arguments),
                                "{text}"
                            );
                            seen[0] += 1;
                        }
                        Delta::CodeReady { source, .. } => {
                            assert!(!source.trim().is_empty(), "{text}");
                            seen[1] += 1;
                        }
                        Delta::Malformed { problem, .. } => panic!("{problem}: {text}"),
                        _ => {}
                    }
                }
            }
        }
    }
    assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
}

#[test]
fn an_answer_beside_an_interpreter_begins_nothing_in_any_form() {
    for bench in [Bench::hermes(), Bench::generic()] {
        let calls = ["CALL", "[CALL]", "[\nCALL]", "```json\nCALL\n```", "```\n[\n CALL\n]\n```", "{\nCALL"];
        for form in calls {
            bench.check(&both(ToolChoice::Answer, true), &[], &[&format!("It is\n{}", form.replace("CALL", TRACK))]);
        }
        let words = "It is {\"a\": 1}:\n\n```json\n{\n  \"a\": 1\n}\n```\n[1]\n\n- done\n";
        bench.check(&both(ToolChoice::Answer, true), &[words, "4."], &["", "{}", "[1]", "```\nx\n```"]);
    }
}
