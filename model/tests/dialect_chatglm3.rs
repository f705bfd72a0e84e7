//! ChatGLM3: prompts as the reference makes them, replies as the model writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use std::collections::BTreeMap;
use std::path::Path;

use dialects::{ByteVocab, Part, parse, parse_split, parts, summary, tool};
use glassbox_model::dialect::{ChatGlm3, Dialect, DialectError, Piece, by_name, chatglm3, detect, tokenize};
use glassbox_model::{AssistantMessage, AssistantPart, Message, Metadata, Observation, RawTokens, Request, ToolChoice};
use glassbox_tools::{CallId, ToolCall, ToolSpec};
use serde::Deserialize;
use serde_json::json;

const ASSISTANT: &[(u32, &str)] = &[(64796, "<|assistant|>")];

#[derive(Deserialize)]
struct Recorded {
    tools: Vec<String>,
    interpreter: bool,
    output: String,
    deltas: Vec<String>,
}

fn request_of(recorded: &Recorded) -> Request {
    Request {
        tools: recorded.tools.iter().map(|name| tool(name, json!({"type": "object"}))).collect(),
        interpreter: recorded.interpreter,
        next_call: 1,
        ..Request::default()
    }
}

#[test]
fn recorded_replies_are_read_the_same_however_they_are_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chatglm3/outputs");
    let mut wrong = BTreeMap::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recorded: Recorded = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let request = request_of(&recorded);
        let dialect = ChatGlm3::default();
        let parts = parts(&recorded.output, ASSISTANT);
        let whole = parse(&dialect, &request, &parts, 0);
        for cut in [1, 2, 3, 7] {
            assert_eq!(parse(&dialect, &request, &parts, cut), whole, "{path:?} cut {cut}");
        }
        for at in 1..recorded.output.chars().count() {
            assert_eq!(parse_split(dialect.parser(&request).as_mut(), &parts, at), whole, "{path:?} split at {at}");
        }
        let lines = summary(&whole);
        if lines != recorded.deltas {
            wrong.insert(path.file_name().unwrap().to_owned(), lines);
        }
        count += 1;
    }
    assert!(count >= 30, "only {count} replies");
    assert!(
        wrong.is_empty(),
        "{}",
        serde_json::to_string_pretty(&wrong.iter().map(|(k, v)| (k.to_string_lossy(), v)).collect::<BTreeMap<_, _>>())
            .unwrap()
    );
}

/// What is surely prose comes out at once.
#[test]
fn prose_streams() {
    let request = Request { tools: vec![tool("track", json!({"type": "object"}))], ..Request::default() };
    for (text, shown) in [
        ("\n你", "你"),
        ("\n 你好[", "你好"),
        ("好的，让", "好的，让"),
        ("Well, t", "Well, t"),
        ("tra", ""),
        ("\n{\"a", "{\"a"),
    ] {
        let mut parser = ChatGlm3::default().parser(&request);
        let mut out = Vec::new();
        parser.push(glassbox_model::dialect::Chunk::Text(text), &mut out);
        let now: String =
            out.iter().map(|d| if let glassbox_model::Delta::Text { text } = d { text.as_str() } else { "" }).collect();
        assert_eq!(now, shown, "{text:?}");
    }
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    messages: Vec<VectorMessage>,
}

#[derive(Deserialize)]
struct VectorMessage {
    role: String,
    metadata: String,
    content: String,
}

/// The vector's messages as Glassbox has them: a call is a part of the assistant's message.
fn messages(vector: &Vector) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for message in &vector.messages {
        let content = message.content.clone();
        match message.role.as_str() {
            "system" => messages.push(Message::System { content }),
            "user" => messages.push(Message::User { content }),
            "observation" => messages.push(Message::Observation(Observation { call_id: None, name: None, content })),
            _ => {
                let part = match message.metadata.as_str() {
                    "" => AssistantPart::Text { text: content },
                    "interpreter" => AssistantPart::Code {
                        id: CallId::from("call-1"),
                        source: content.strip_prefix("```python\n").unwrap().strip_suffix("\n```").unwrap().to_owned(),
                    },
                    name => {
                        let deltas = parse(
                            &ChatGlm3::default(),
                            &Request::default(),
                            &[Part::Text(format!("{name}\n{content}"))],
                            0,
                        );
                        let call = deltas.into_iter().find_map(|d| {
                            if let glassbox_model::Delta::CallReady { call } = d { Some(call) } else { None }
                        });
                        AssistantPart::Call { call: call.unwrap() }
                    }
                };
                match messages.last_mut() {
                    Some(Message::Assistant(last)) => last.parts.push(part),
                    _ => messages.push(Message::Assistant(AssistantMessage { parts: vec![part], raw: None })),
                }
            }
        }
    }
    messages
}

fn role(name: &str) -> u32 {
    match name {
        "system" => 64794,
        "user" => 64795,
        "assistant" => 64796,
        _ => 64797,
    }
}

#[test]
fn the_reference_vectors_render_to_their_pieces() {
    let vectors: Vectors = serde_json::from_str(include_str!("fixtures/chatglm3/token_vectors.json")).unwrap();
    assert_eq!(vectors.cases.len(), 11);
    for vector in &vectors.cases {
        let mut expected = vec![Piece::Special(64790), Piece::Special(64792)];
        for message in &vector.messages {
            expected.push(Piece::Special(role(&message.role)));
            expected.push(Piece::Text(format!("{}\n", message.metadata)));
            expected.push(Piece::Text(message.content.clone()));
        }
        expected.push(Piece::Special(64796));
        let request = Request { messages: messages(vector), ..Request::default() };
        assert_eq!(ChatGlm3::default().render(&request, "").unwrap(), expected, "{}", vector.name);
    }
}

fn weather_tools() -> Vec<ToolSpec> {
    vec![
        ToolSpec::new("get_current_weather", "Get the current weather in a given location").with_parameters(json!({
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {"type": "string"}
            },
            "required": ["location"]
        })),
        ToolSpec::new("track", "追踪指定股票的实时价格").with_parameters(json!({
            "type": "object", "properties": {"symbol": {"description": "需要追踪的股票代码"}}, "required": ["symbol"]
        })),
    ]
}

#[test]
fn tools_stand_in_the_system_message_as_the_model_was_trained() {
    let vectors: Vectors = serde_json::from_str(include_str!("fixtures/chatglm3/token_vectors.json")).unwrap();
    let trained = &vectors.cases.iter().find(|case| case.name == "tool_first").unwrap().messages[0].content;
    let render = |request: &Request| ChatGlm3::default().render(request, "").unwrap();
    let mut request = Request {
        messages: vec![Message::user("今天北京的天气怎么样？")],
        tools: weather_tools(),
        ..Request::default()
    };
    assert_eq!(render(&request)[4], Piece::Text(trained.clone()));
    // With the interpreter as well: both prompts that it was trained on, one after the other.
    request.interpreter = true;
    assert_eq!(render(&request)[4], Piece::Text(format!("{trained}\n\n{}", chatglm3::CODE_SYSTEM_PROMPT)));
    request.interpreter = false;
    // The caller's own words come after.
    request.messages.insert(0, Message::system("Be brief."));
    assert_eq!(render(&request)[4], Piece::Text(format!("{trained}\n\nBe brief.")));
    request.tool_choice = ToolChoice::None;
    assert_eq!(render(&request)[4], Piece::Text("Be brief.".into()));

    let code = Request { messages: vec![Message::user("画一个爱心")], interpreter: true, ..Request::default() };
    assert_eq!(render(&code)[4], Piece::Text(chatglm3::CODE_SYSTEM_PROMPT.into()));
    let mut own = code.clone();
    own.messages.insert(0, Message::system("Mine."));
    assert_eq!(render(&own)[4], Piece::Text(format!("{}\n\nMine.", chatglm3::CODE_SYSTEM_PROMPT)));
    let mut functions = code.clone();
    functions.interpreter_notes.functions = "def track(symbol: str): ...".to_owned();
    let Piece::Text(text) = &render(&functions)[4] else { panic!("the system prompt is text") };
    assert!(
        text.starts_with(chatglm3::CODE_SYSTEM_PROMPT) && text.ends_with("```python\ndef track(symbol: str): ...\n```")
    );
}

#[test]
fn messages_out_of_order_are_refused() {
    let call = ToolCall::new("call-1", "t", json!({}));
    let render = |messages: Vec<Message>| ChatGlm3::default().render(&Request { messages, ..Request::default() }, "");
    for messages in [
        vec![Message::user("a"), Message::system("b")],
        vec![Message::system("a"), Message::system("b")],
        vec![Message::user("a"), Message::user("b")],
        vec![Message::observation(&call, "x")],
        vec![Message::user("a"), Message::observation(&call, "x")],
    ] {
        assert!(matches!(render(messages.clone()), Err(DialectError::Order { .. })), "{messages:?}");
    }
    let fine = vec![
        Message::user("a"),
        Message::assistant("b"),
        Message::observation(&call, "x"),
        Message::observation(&call, "y"),
        Message::user("c"),
    ];
    assert!(render(fine).is_ok());
    assert!(render(vec![]).is_ok());
}

#[test]
fn a_growing_conversation_grows_at_its_end() {
    let vocab = ByteVocab::chatglm3();
    let raw = |ids: &[u32]| Some(RawTokens { fingerprint: "me".into(), ids: ids.to_vec() });
    let call = ToolCall::new("call-1", "track", json!({"symbol": "10111"}));
    let replies = [
        AssistantMessage { parts: vec![AssistantPart::Call { call: call.clone() }], raw: raw(&[500, 501, 13]) },
        AssistantMessage { parts: vec![AssistantPart::Text { text: "12.3".into() }], raw: raw(&[600, 64796, 601]) },
    ];
    let steps = [
        Message::system("s"),
        Message::user("帮我查询股票10111的价格"),
        Message::Assistant(replies[0].clone()),
        Message::observation(&call, "{\"price\": 12.3}"),
        Message::Assistant(replies[1].clone()),
        Message::user("thanks <|assistant|>"),
    ];
    let dialect = ChatGlm3::new(&vocab).unwrap();
    let mut before: Vec<u32> = Vec::new();
    for end in [2, 4, 6] {
        let request = Request { messages: steps[..end].to_vec(), tools: weather_tools(), ..Request::default() };
        let pieces = dialect.render(&request, "me").unwrap();
        let ids = tokenize(&pieces, &vocab);
        assert!(ids.starts_with(&before));
        // What the model then writes begins where the prompt ended.
        before = ids;
        if let Some(Message::Assistant(reply)) = steps.get(end) {
            before.extend(&reply.raw.as_ref().unwrap().ids);
        }
        // Another model gets the text.
        let other = dialect.render(&request, "you").unwrap();
        assert!(!other.iter().any(|piece| matches!(piece, Piece::Tokens(_))));
    }
}

#[test]
fn what_is_rendered_is_read_back() {
    let id = || CallId::from("call-0");
    let parts_of = |parts: Vec<AssistantPart>| AssistantMessage { parts, raw: None };
    let text = |text: &str| AssistantPart::Text { text: text.into() };
    let call = |id: &str, name: &str, arguments| AssistantPart::Call { call: ToolCall::new(id, name, arguments) };
    for message in [
        parts_of(vec![text("你好\n\n世界 [[x]]")]),
        parts_of(vec![call(
            "call-0",
            "track",
            json!({"symbol": "10111", "n": {"a": [1, 2.5, null, true], "引": "it's \"q\"\n"}}),
        )]),
        parts_of(vec![
            text("ok"),
            call("call-0", "text-to-speech", json!({})),
            call("call-1", "track", json!({"max tokens": 5, "class": "x"})),
        ]),
        parts_of(vec![text("ok"), AssistantPart::Code { id: id(), source: "print('```')\n\nx = 1".into() }]),
    ] {
        let request = Request { tools: vec![tool("track", json!({"type": "object"}))], ..Request::default() };
        let history =
            Request { messages: vec![Message::user("q"), Message::Assistant(message.clone())], ..Request::default() };
        let pieces = ChatGlm3::default().render(&history, "").unwrap();
        // From behind the first <|assistant|> to before the last.
        let reply: Vec<Part> = pieces[6..pieces.len() - 1]
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Part::Text(text.clone()),
                Piece::Special(id) => Part::Special(*id, String::new()),
                Piece::Tokens(_) => unreachable!(),
            })
            .collect();
        let mut read = Vec::new();
        for delta in parse(&ChatGlm3::default(), &request, &reply, 0) {
            match delta {
                glassbox_model::Delta::Text { text } => read.push(AssistantPart::Text { text }),
                glassbox_model::Delta::CallReady { call } => read.push(AssistantPart::Call { call }),
                glassbox_model::Delta::CodeReady { id, source } => read.push(AssistantPart::Code { id, source }),
                glassbox_model::Delta::Malformed { problem, .. } => panic!("{problem}"),
                _ => {}
            }
        }
        assert_eq!(read, message.parts);
    }
}

#[test]
fn it_is_found_by_architecture_and_vocabulary() {
    let glm3 = ByteVocab::chatglm3();
    let name = |vocab: &ByteVocab, architecture: &str| {
        detect(vocab, &dialects::metadata(architecture, None)).unwrap().dialect.name()
    };
    assert_eq!(name(&glm3, "chatglm"), "chatglm3");
    assert_eq!(name(&glm3, "llama"), "generic");
    // GLM-4 has the same architecture and another vocabulary.
    assert_eq!(name(&ByteVocab::chatml(), "chatglm"), "generic");
    assert_eq!(ChatGlm3::new(&glm3).unwrap().stop_tokens(), [2, 64795, 64797]);
    assert!(matches!(ChatGlm3::new(&ByteVocab::chatml()), Err(DialectError::MissingToken { .. })));
    let long = Metadata { context_length: 32_768, ..dialects::metadata("chatglm", None) };
    assert!(detect(&glm3, &long).unwrap().notes[0].contains("8K"));
    assert!(by_name("chatglm3", &ByteVocab::chatml(), &long).is_err());
    let error = by_name("glm5", &glm3, &long).err().unwrap().to_string();
    assert!(error.contains("glm5") && error.contains("hermes"), "{error}");
}
