//! Calls written as JSON: what is a call, what is text, and that nothing is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use dialects::{ByteVocab, Part, metadata, parse, parse_split, summary, tool};
use glassbox_model::dialect::{Dialect, Generic};
use glassbox_model::{Delta, Request, ToolChoice};
use serde_json::json;

fn dialect() -> Generic {
    Generic::new(&ByteVocab::chatml(), &metadata("qwen2", None)).unwrap()
}

fn request() -> Request {
    Request {
        tools: ["track", "get_weather"].map(|name| tool(name, json!({"type": "object"}))).to_vec(),
        interpreter: true,
        next_call: 1,
        ..Request::default()
    }
}

#[track_caller]
fn check(reply: &str, expected: &[&str]) {
    let (dialect, request) = (dialect(), request());
    let parts = [Part::Text(reply.to_owned())];
    let whole = parse(&dialect, &request, &parts, 0);
    assert_eq!(summary(&whole), expected, "{reply}");
    for cut in [1, 2, 3, 5] {
        assert_eq!(parse(&dialect, &request, &parts, cut), whole, "cut {cut}: {reply}");
    }
    for at in 1..reply.chars().count() {
        assert_eq!(parse_split(dialect.parser(&request).as_mut(), &parts, at), whole, "split at {at}: {reply}");
    }
}

const CALLED: [&str; 3] = [
    "call-1 started track",
    "call-1 arguments \"{\\\"symbol\\\": \\\"10111\\\"}\"",
    "call-1 call track({\"symbol\":\"10111\"})",
];
const OBJECT: &str = "{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}}";

fn with_text(before: &str, after: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    if !before.is_empty() {
        all.push(format!("text {before:?}"));
    }
    all.extend(CALLED.map(str::to_owned));
    if !after.is_empty() {
        all.push(format!("text {after:?}"));
    }
    all
}

#[track_caller]
fn check_called(reply: &str, before: &str, after: &str) {
    let expected = with_text(before, after);
    check(reply, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_call_in_each_of_its_forms() {
    check_called(OBJECT, "", "");
    check_called(&format!("<tool_call>\n{OBJECT}\n</tool_call>"), "", "");
    check_called(&format!("<tool_call>{OBJECT}"), "", "");
    check_called(&format!("{OBJECT}\n</tool_call>"), "", "");
    check_called(&format!("```json\n{OBJECT}\n```"), "", "");
    check_called(&format!("```tool_call\n{OBJECT}\n```"), "", "");
    check_called(&format!("```\n  {OBJECT}"), "", "");
    check_called(&format!("<tool_call>\n```json\n{OBJECT}\n```\n</tool_call>"), "", "");
    check_called(&format!("[{OBJECT}]"), "", "");
    check_called(&format!("```json\n[\n  {OBJECT}\n]\n```"), "", "");
    check_called(&format!("  {OBJECT}  \n"), "", "");
    check_called(&format!("I will look.\n\n{OBJECT}\n\nThere."), "I will look.", "\nThere.");
    check_called(&format!("I will look. <tool_call>{OBJECT}</tool_call> There."), "I will look.", " There.");
    check_called(&format!("Sure:\n\n```json\n{OBJECT}\n```\n"), "Sure:", "");
}

#[test]
fn other_keys_and_shapes() {
    let called = |reply: &str| {
        let deltas = parse(&dialect(), &request(), &[Part::Text(reply.to_owned())], 0);
        let calls: Vec<_> = deltas
            .iter()
            .filter_map(|d| {
                if let Delta::CallReady { call } = d { Some((call.name.clone(), call.arguments.clone())) } else { None }
            })
            .collect();
        assert_eq!(calls, [("track".to_owned(), json!({"symbol": "10111"}))], "{reply}: {:?}", summary(&deltas));
        assert!(deltas.iter().all(|d| !matches!(d, Delta::Text { .. } | Delta::Malformed { .. })), "{reply}");
    };
    called("{\"name\": \"track\", \"parameters\": {\"symbol\": \"10111\"}}");
    called("{\"name\": \"track\", \"args\": {\"symbol\": \"10111\"}}");
    called("{\"arguments\": {\"symbol\": \"10111\"}, \"name\": \"track\"}");
    called("{\"function\": {\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}}}");
    called(
        "{\"type\": \"function\", \"function\": {\"name\": \"track\", \"arguments\": \"{\\\"symbol\\\": \\\"10111\\\"}\"}}",
    );
    called("{\"id\": \"x\", \"name\": \"track\", \"arguments\": \"{\\\"symbol\\\": \\\"10111\\\"}\"}");
    called("{\"tool_calls\": [{\"function\": {\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}}}]}");
    called("{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}, \"reason\": \"asked\"}");
    called("{'name': 'track', 'arguments': {'symbol': '10111'}}");
    called("{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\",},}");
    called("{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"");
    called("<tool_call>{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}</tool_call>");
    called("```json\n{\"name\": \"track\", \"arguments\": {\"symbol\": \"10111\"}\n```");
    called("<tool_call>{\"name\":\"track\",\"arguments\":{\"symbol\":\"10111\"}}\n</tool_call>\n");
}

#[test]
fn python_words_inside() {
    check(
        "{\"name\": \"track\", \"arguments\": {\"a\": True, 'b': None, \"c\": [1,]}}",
        &[
            "call-1 started track",
            "call-1 arguments \"{\\\"a\\\": True, 'b': None, \\\"c\\\": [1,]}\"",
            "call-1 call track({\"a\":true,\"b\":null,\"c\":[1]})",
        ],
    );
}

#[test]
fn several_calls() {
    for reply in [
        format!("{OBJECT}\n{OBJECT}"),
        format!("{OBJECT},\n{OBJECT}"),
        format!("{OBJECT}; {OBJECT}"),
        format!("{OBJECT}{OBJECT}"),
        format!("[{OBJECT}, {OBJECT}]"),
        format!("```json\n{OBJECT}\n{OBJECT}\n```"),
        format!("```json\n[{OBJECT},\n{OBJECT}]\n```"),
        format!("```json\n{OBJECT}\n```\n```json\n{OBJECT}\n```"),
        format!("<tool_call>{OBJECT}</tool_call>\n<tool_call>{OBJECT}</tool_call>"),
        format!("<tool_call>{OBJECT}\n{OBJECT}</tool_call>"),
        format!("<tool_call>\n[{OBJECT}, {OBJECT}]\n</tool_call>"),
        format!("<tool_call>{OBJECT}<tool_call>{OBJECT}"),
    ] {
        let mut expected = CALLED.map(str::to_owned).to_vec();
        expected.extend(CALLED.map(|line| line.replace("call-1", "call-2")));
        check(&reply, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn json_that_is_no_call_is_text_byte_for_byte() {
    for reply in [
        "{\"a\": 1}",
        "{}",
        "[]",
        "[1, 2]",
        "{\"name\": \"Alice\", \"age\": 5}",
        "{\"name\": \"Alice\"}",
        "[{\"name\": \"Alice\"}, {\"name\": \"Bob\"}]",
        "```json\n{\"name\": \"Alice\", \"age\": 5}\n```\n",
        "```json\n[\n  {\"name\": \"Alice\"}\n]\n```",
        "```js\nx = {\n'name': 'a'}\n{\n}\n```",
        "```\nprint(1)\n```",
        "say ```python in a line",
        "```\nplain\n```\n\n```\nmore\n```",
        "Here:\n\n```json\n{\n  \"title\": \"x\"\n}\n```\nDone.\n\n",
        "fn main() {\n    println!(\"{}\");\n}\n",
        "{\nint x;\n}",
        "a < b <tool> <tool_cal <<tool_call",
        "{\"name\": \"tra",
        "{\"type\": \"object\", \"properties\": {}}",
        "{\"name\": \"track\", \"description\": \"d\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}",
        "say {\"name\": \"track\", \"arguments\": {}} inline",
        "`code` and ``more``",
        "`` ` ``` x",
        "  leading and trailing  \n\n",
        "[link](http://x) [[{\"name\"",
        "{\"name\": 5, \"arguments\": ]}",
    ] {
        check(reply, &[&format!("text {reply:?}")]);
    }
}

#[test]
fn a_name_alone_is_a_call_where_it_can_be_nothing_else() {
    check("{\"name\": \"track\"}", &["call-1 started track", "call-1 arguments \"{}\"", "call-1 call track({})"]);
    check(
        "<tool_call>{\"name\": \"other\"}</tool_call>",
        &["call-1 started other", "call-1 arguments \"{}\"", "call-1 call other({})"],
    );
}

#[test]
fn an_unknown_tool_is_called_all_the_same() {
    check(
        "{\"name\": \"other\", \"arguments\": {\"a\": 1}}",
        &["call-1 started other", "call-1 arguments \"{\\\"a\\\":1}\"", "call-1 call other({\"a\":1})"],
    );
    check(
        "<tool_call>{\"name\": \"other\", \"arguments\": {\"a\": 1}}</tool_call>",
        &["call-1 started other", "call-1 arguments \"{\\\"a\\\": 1}\"", "call-1 call other({\"a\":1})"],
    );
}

#[test]
fn what_was_meant_as_a_call_is_never_lost() {
    let malformed = |reply: &str, name: Option<&str>, problem: &str| {
        let (dialect, request) = (dialect(), request());
        let parts = [Part::Text(reply.to_owned())];
        let whole = parse(&dialect, &request, &parts, 0);
        let found: Vec<_> = whole
            .iter()
            .filter_map(|d| {
                if let Delta::Malformed { name, problem, raw, .. } = d {
                    Some((name.clone(), problem.clone(), raw.clone()))
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(found.len(), 1, "{reply}: {:?}", summary(&whole));
        assert_eq!(found[0].0.as_deref(), name, "{reply}");
        assert!(found[0].1.contains(problem), "{reply}: {}", found[0].1);
        for at in 1..reply.chars().count() {
            assert_eq!(parse_split(dialect.parser(&request).as_mut(), &parts, at), whole, "split at {at}: {reply}");
        }
    };
    malformed("{\"name\": \"track\", \"arguments\": {\"symbol\": oops}}", Some("track"), "`oops` is no value");
    malformed("{\"name\": \"track\", \"arguments\": {\"symbol\": \"101", Some("track"), "breaks off");
    malformed("{\"name\": \"track\", \"arguments\": {\"n\": 10", Some("track"), "breaks off");
    malformed("{\"name\": \"track\", \"arguments\": \"{broken\"}", Some("track"), "text that holds no JSON");
    malformed("<tool_call>\nnothing here\n</tool_call>", None, "cannot be read");
    malformed("<tool_call>", None, "ends after");
    malformed("<tool_call></tool_call>", None, "no JSON");
    malformed("<tool_call>{\"symbol\": 1}</tool_call>", None, "no call");
    malformed("<tool_call>{\"name\": \"track\", \"arguments\": {]}}</tool_call>", Some("track"), "cannot be read");
    malformed("<tool_call>{\"name\": \"track\", \"arguments\": {\"a\": \"b</tool_call>", Some("track"), "breaks off");
    malformed("text <tool_call>{", None, "cannot be read");
    malformed(
        "{\"name\": \"interpreter\", \"arguments\": {\"cod\": \"1\"}}",
        Some("interpreter"),
        "program is missing",
    );
}

#[test]
fn text_behind_a_broken_tag_is_kept() {
    check(
        "<tool_call>oops</tool_call>\nSorry. <tool_call>{\"name\": \"track\", \"arguments\": {}}</tool_call>",
        &[
            "call-1 malformed ?: the JSON cannot be read: `oops` is no value; text needs quotes (line 1, column 1)",
            "text \"Sorry.\"",
            "call-2 started track",
            "call-2 arguments \"{}\"",
            "call-2 call track({})",
        ],
    );
}

#[test]
fn a_closing_tag_inside_a_string_belongs_to_it() {
    check(
        "<tool_call>{\"name\": \"track\", \"arguments\": {\"text\": \"a </tool_call> b <x>\"}}</tool_call>",
        &[
            "call-1 started track",
            "call-1 arguments \"{\\\"text\\\": \\\"a </tool_call> b <x>\\\"}\"",
            "call-1 call track({\"text\":\"a </tool_call> b <x>\"})",
        ],
    );
}

#[test]
fn programs_for_the_interpreter() {
    check(
        "Let me see.\n{\"name\": \"interpreter\", \"parameters\": {\"code\": \"print(1)\\nprint(2)\"}}",
        &[
            "text \"Let me see.\"",
            "call-1 code started",
            "call-1 code text \"print(1)\\nprint(2)\"",
            "call-1 code \"print(1)\\nprint(2)\"",
        ],
    );
}

#[test]
fn thoughts() {
    check(
        "<think>\nIs {\"name\": \"track\"\n}?\n</think>\n\nYes.",
        &["reasoning \"Is {\\\"name\\\": \\\"track\\\"\\n}?\"", "text \"Yes.\""],
    );
    check("\n<think></think>\nYes.", &["text \"Yes.\""]);
    check("<think>never closed </thin", &["reasoning \"never closed </thin\""]);
    check("No <think>here</think>", &["text \"No <think>here</think>\""]);
    let expected = [&["reasoning \"hm\"".to_owned()][..], &with_text("", "")].concat();
    check(&format!("<think>hm</think>{OBJECT}"), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn without_tools_all_is_text() {
    for request in [Request::default(), Request { tool_choice: ToolChoice::None, ..request() }] {
        for reply in [OBJECT.to_owned(), format!("<tool_call>{OBJECT}</tool_call>"), format!("```json\n{OBJECT}\n```")]
        {
            let deltas = parse(&dialect(), &request, &[Part::Text(reply.clone())], 1);
            assert_eq!(summary(&deltas), [format!("text {reply:?}")]);
        }
    }
}

/// Text is shown at once, unless it may be the beginning of a call.
#[test]
fn text_streams() {
    for (text, shown) in [
        ("Hello", "Hello"),
        ("Hello ", "Hello"),
        ("Hello <tool", "Hello"),
        ("Hello <b", "Hello <b"),
        ("{", ""),
        ("{\"name\": \"Alice\"", ""),
        ("{\"title\"", "{\"title\""),
        ("{\"name\": \"Alice\", \"age\"", "{\"name\": \"Alice\", \"age\""),
        ("```js", ""),
        ("```js\nlet", "```js\nlet"),
        ("x\n```json\n{\"a\"", "x\n```json\n{\"a\""),
    ] {
        let mut out = Vec::new();
        dialect().parser(&request()).push(glassbox_model::dialect::Chunk::Text(text), &mut out);
        let now: String =
            out.iter().map(|d| if let Delta::Text { text } = d { text.as_str() } else { panic!("{d:?}") }).collect();
        assert_eq!(now, shown, "{text:?}");
    }
    let mut out = Vec::new();
    let mut parser = dialect().parser(&request());
    parser.push(glassbox_model::dialect::Chunk::Text("{\"name\": \"track\", \"arguments\": {\"a"), &mut out);
    assert_eq!(summary(&out), ["call-1 started track", "call-1 arguments \"{\\\"a\""]);
}

/// Megabytes of text made to look like calls take no more than a moment.
#[test]
fn hostile_texts_are_read_in_linear_time() {
    for pattern in [
        "{\"name\": \"x\n",
        "{\"name\":",
        "{\"name\": \"track\", \"arguments\": {\"a\": \"\n",
        "<tool_call>{\"",
        "<tool_call>{\"</tool_call>",
        "<tool_call>{\"name\": \"</tool_call><tool_call>",
        "```json\n{\"name\": \"\n```\n",
        "```",
        "```\n",
        "[{\"name\": ",
        "<",
        "{",
        "\n ",
        "<think>",
        "[[训练时间]",
        "track\n",
        "{\"name\": {\"a\": [",
    ] {
        let text = pattern.repeat(2_000_000 / pattern.len());
        let before = std::time::Instant::now();
        let deltas = parse(&dialect(), &request(), &[Part::Text(text.clone())], 0);
        assert!(!deltas.is_empty() || text.trim().is_empty() || pattern == "<think>", "{pattern:?}");
        let glm = glassbox_model::dialect::ChatGlm3::default();
        for prefix in ["", "\n", "track\n", "interpreter\n```python\n", "x\n"] {
            parse(&glm, &request(), &[Part::Text(format!("{prefix}{text}"))], 0);
        }
        let took = before.elapsed();
        assert!(took.as_secs() < 20, "{pattern:?} took {took:?}");
    }
}

#[test]
fn a_block_of_python_is_a_program() {
    let code = |shown: &str, source: &str| {
        ["started".to_owned(), format!("text {shown:?}"), format!("{source:?}")]
            .map(|part| format!("call-1 code {part}"))
    };
    let program = |shown: &str, source: &str| code(shown, source).to_vec();
    let check = |reply: &str, expected: Vec<String>| {
        check(reply, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("```python\nprint(1)\n```", program("print(1)\n", "print(1)"));
    check("```py\nprint('```')\n\n```\n", program("print('```')\n\n", "print('```')"));
    // A word of its own after the backticks opens a block, so it closes none.
    check(
        "```python\ns = \"\"\"\n```bash\n\"\"\"\n```",
        program("s = \"\"\"\n```bash\n\"\"\"\n", "s = \"\"\"\n```bash\n\"\"\""),
    );
    // JSON that looks like a call is a program all the same.
    check("```python\n{\"name\": 1}\n```", program("{\"name\": 1}\n", "{\"name\": 1}"));
    let mut list = vec!["text \"1. So:\"".to_owned()];
    list.extend(program("if x:\n    y()\n", "if x:\n    y()"));
    check("1. So:\n   ```python\n   if x:\n       y()\n   ```", list);
    let mut between = vec!["text \"I compute.\"".to_owned()];
    between.extend(program("print(1)\n", "print(1)"));
    between.push("text \"\\nDone.\"".to_owned());
    check("I compute.\n\n```python\nprint(1)\n```\nDone.", between);
}

#[test]
fn a_program_that_breaks_off_and_an_empty_one_are_answered_with_what_is_wrong() {
    let parts = |text: &str| [Part::Text(text.to_owned())];
    for (reply, problem) in [
        ("```python\nprint(1", "the program breaks off; end it with a line of ```"),
        ("```python\n\n```", "there is no program between ```python and ```"),
    ] {
        let deltas = parse(&dialect(), &request(), &parts(reply), 0);
        let Some(Delta::Malformed { name, problem: said, .. }) = deltas.last() else { panic!("{deltas:?}") };
        assert_eq!((name.as_deref(), said.as_str()), (Some("interpreter"), problem));
    }
}

#[test]
fn without_the_interpreter_python_is_prose() {
    let reply = "```python\nprint(1)\n```";
    let request = Request { interpreter: false, ..request() };
    let deltas = parse(&dialect(), &request, &[Part::Text(reply.to_owned())], 0);
    assert_eq!(summary(&deltas), [format!("text {reply:?}")]);
}
