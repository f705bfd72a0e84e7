//! Fine-tune files: what becomes of them in another format.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod finetune;

use finetune::{REPLY, USER, read, talk, told};
use glassbox_model::finetune::{
    Conversation, Entry, Format, Placed, Reading, Sample, Severity, Written, recorded, write,
};
use glassbox_model::{AssistantMessage, AssistantPart, Message, Observation};
use glassbox_tools::{ToolCall, ToolSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn conversations(reading: &Reading) -> Vec<Value> {
    assert_eq!(reading.faulty, 0, "{:?}", reading.findings);
    reading.samples.iter().map(|sample| sample.value.to_json()).collect()
}

fn convert(text: &str, from: Format, to: Format) -> (Written, Reading) {
    let reading = read(text, from);
    (write(&reading.samples, to), reading)
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
    let there = write(&first.samples, Format::ToolAlpaca);
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
    let written = write(&[Placed { line: 1, value: Sample::Conversation(sample) }], Format::ChatGlm3);
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
            let written = write(&placed, format);
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
