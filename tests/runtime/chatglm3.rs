//! Replies as ChatGLM3 writes them, through the whole loop: the real dialect reads them, the real gate runs them.

use std::sync::Arc;

use glassbox::model::dialect::{self, Chunk};
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::model::{AssistantPart, ChatModel, Delta, Metadata, Request, Vocab};
use glassbox::sandbox::{Execution, Output};
use glassbox::{Message, StopReason, ToolChoice};
use serde_json::{Value, json};

use crate::support::{Cell, ScriptedInterpreter, agent, history};

/// ChatGLM3's specials, by their published ids. Text is never tokenised here: a scripted model reads text.
struct Specials;

const SPECIALS: [(u32, &str); 9] = [
    (2, "</s>"),
    (64789, "[MASK]"),
    (64790, "[gMASK]"),
    (64791, "[sMASK]"),
    (64792, "sop"),
    (64794, "<|system|>"),
    (64795, "<|user|>"),
    (64796, "<|assistant|>"),
    (64797, "<|observation|>"),
];

impl Vocab for Specials {
    fn len(&self) -> u32 {
        65024
    }

    fn tokenize(&self, _: &str) -> Vec<u32> {
        Vec::new()
    }

    fn piece(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }

    fn is_special(&self, id: u32) -> bool {
        self.special_text(id).is_some()
    }

    fn special_text(&self, id: u32) -> Option<String> {
        SPECIALS.iter().find(|(known, _)| *known == id).map(|(_, text)| (*text).to_owned())
    }

    fn special(&self, text: &str) -> Option<u32> {
        SPECIALS.iter().find(|(_, known)| *known == text).map(|(id, _)| *id)
    }

    fn end_of_generation(&self) -> Vec<u32> {
        vec![2]
    }

    fn bos(&self) -> Option<u32> {
        None
    }
}

fn chatglm3(outputs: &[&str]) -> ScriptedModel {
    let metadata = Metadata { architecture: "chatglm".into(), context_length: 8192, ..Metadata::default() };
    let dialect = dialect::by_name("chatglm3", &Specials, &metadata).unwrap().dialect;
    ScriptedModel::new(outputs.iter().map(|output| Reply::raw(*output))).with_dialect(dialect, Arc::new(Specials))
}

#[tokio::test]
async fn a_tool_a_second_tool_code_and_the_reply() {
    let model = chatglm3(&[
        "\n 好的，让我们来查询股票10111的价格。<|assistant|>track\n ```python\ntool_call(symbol=\"10111\")\n```<|observation|>",
        "add\n ```python\ntool_call(a=12412, b=1)\n```<|observation|>",
        "interpreter\n ```python\nprint(12413 * 2)\n```<|observation|>",
        "\n 两倍是 24826。<|user|>\n and whatever comes after a stop",
    ]);
    assert_eq!(model.info().dialect, "chatglm3");
    let interpreter =
        ScriptedInterpreter::new([Cell::Gives(vec![Output::Stdout { text: "24826\n".into() }], Execution::Ok)]);
    let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    let reply = session.send("股票10111的价格加一的两倍是多少？").await.unwrap();
    assert_eq!((reply.text().trim(), reply.stop()), ("两倍是 24826。", StopReason::Done));
    assert_eq!(
        reply.calls().iter().map(|call| call.arguments.clone()).collect::<Vec<_>>(),
        [json!({"symbol": "10111"}), json!({"a": 12412, "b": 1})]
    );
    assert_eq!(interpreter.ran(), ["print(12413 * 2)"]);
    assert_eq!(
        history(&session).iter().map(|line| line.trim_end()).collect::<Vec<_>>(),
        [
            "user 股票10111的价格加一的两倍是多少？",
            "assistant 好的，让我们来查询股票10111的价格。",
            "call track",
            "observation 12412",
            "call add",
            "observation 12413",
            "code",
            "observation 24826",
            "assistant 两倍是 24826。",
        ]
    );
}

#[tokio::test]
async fn every_argument_syntax_reaches_the_tool() {
    for output in [
        "track\n ```python\ntool_call(symbol='10111')\n```<|observation|>",
        "track\n {\"symbol\": \"10111\"}<|observation|>",
        "track\n {\"name\": \"track\", \"parameters\": {\"symbol\": \"10111\"}}<|observation|>",
    ] {
        let mut session = agent(&chatglm3(&[output, "\n 12412<|user|>"])).build().unwrap().session();
        let reply = session.send("10111?").await.unwrap();
        assert_eq!(
            reply.calls().first().map(|call| call.observation.as_str()),
            Some("12412"),
            "{output}: {:?}",
            reply.messages()
        );
    }
}

#[tokio::test]
async fn what_is_broken_is_told_to_the_model_and_tried_again() {
    let model = chatglm3(&[
        "track\n ```python\ntool_call(symbol=\n```<|observation|>",
        "track\n ```python\ntool_call(symbol=\"10111\")\n```<|observation|>",
        "\n 12412。<|user|>",
    ]);
    let mut session = agent(&model).build().unwrap().session();
    let reply = session.send("10111?").await.unwrap();
    assert!(reply.text().contains("12412"));
    assert_eq!(history(&session)[1], "malformed");
    assert_eq!(model.requests()[1].tool_choice, ToolChoice::Named("track".into()));
}

/// The outputs that the parser's own tests read: whatever is in them, the turn ends, and what was meant as a call has its
/// observation.
#[tokio::test]
async fn every_recorded_output_leaves_a_whole_history() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/model/tests/fixtures/chatglm3/outputs");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.display();
        let interpreter = ScriptedInterpreter::new((0..20).map(|_| Cell::Gives(vec![], Execution::Ok)));
        // A call of one of these is unknown or wrong to this agent, which is answered too.
        let model = chatglm3(&[fixture["output"].as_str().unwrap(), "\n 完。<|user|>"]);
        let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
        let reply = session.send("?").await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.stop(), StopReason::Done, "{name}");
        let prose =
            |part: &&AssistantPart| matches!(part, AssistantPart::Text { .. } | AssistantPart::Reasoning { .. });
        let asked = reply.messages().iter().map(|message| match message {
            Message::Assistant(reply) => reply.parts.iter().filter(|part| !prose(part)).count(),
            _ => 0,
        });
        let observed = reply.messages().iter().filter(|message| matches!(message, Message::Observation(_))).count();
        assert_eq!(asked.sum::<usize>(), observed, "{name}: {:?}", reply.messages());
        read += 1;
    }
    assert!(read >= 40, "{read} recorded outputs");
}

/// What the model reads of the history is what it wrote: the call is replayed with its metadata.
#[tokio::test]
async fn the_history_is_replayed_as_it_was_written() {
    let model = chatglm3(&["track\n ```python\ntool_call(symbol=\"10111\")\n```<|observation|>", "\n 12412。<|user|>"]);
    let mut session = agent(&model).build().unwrap().session();
    session.send("10111?").await.unwrap();
    let metadata = Metadata { architecture: "chatglm".into(), context_length: 8192, ..Metadata::default() };
    let dialect = dialect::by_name("chatglm3", &Specials, &metadata).unwrap().dialect;
    let request = Request { messages: session.messages().to_vec(), ..Request::default() };
    let prompt: Vec<_> = dialect.render(&request, "another").unwrap();
    let text = format!("{prompt:?}");
    assert!(text.contains("track\\n") && text.contains("tool_call(symbol="), "{text}");
    let mut deltas: Vec<Delta> = Vec::new();
    let mut parser = dialect.parser(&request);
    parser.push(Chunk::Text("track\n ```python\ntool_call(symbol=\"10111\")\n```"), &mut deltas);
    parser.finish(&mut deltas);
    assert!(
        deltas
            .iter()
            .any(|delta| matches!(delta, Delta::CallReady { call } if call.arguments == json!({"symbol": "10111"})))
    );
}
