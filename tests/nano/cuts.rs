//! What the model wrote, given to the parser cut in two at every token, and the stream of the turn itself.

use futures::StreamExt;
use glassbox::model::dialect::Chunk;
use glassbox::model::{Delta, Request, Vocab};
use glassbox::prelude::Model;
use glassbox::tools::builtin::track;
use glassbox::{Event, Message, Registry, ToolCall, tools};
use serde_json::{Value, json};

use crate::support::{builder, model};

/// Prose, the text of arguments and the calls.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    text: String,
    arguments: String,
    calls: Vec<(String, Value)>,
}

impl Seen {
    fn call(&mut self, call: ToolCall) {
        self.calls.push((call.name, call.arguments));
    }
}

/// Tokens as chunks: those of text joined up to `cut`, and from there on.
fn read(model: &Model, request: &Request, ids: &[u32], cut: usize) -> Seen {
    let vocab = model.engine().vocab();
    let mut parser = model.dialect().parser(request);
    let mut deltas = Vec::new();
    let (first, second) = ids.split_at(cut);
    for half in [first, second] {
        let mut bytes = Vec::new();
        for &id in half {
            match vocab.special_text(id) {
                Some(special) => {
                    parser.push(Chunk::Text(&text(&mut bytes)), &mut deltas);
                    parser.push(Chunk::Special(id, &special), &mut deltas);
                }
                None => bytes.extend(vocab.piece(id)),
            }
        }
        parser.push(Chunk::Text(&text(&mut bytes)), &mut deltas);
    }
    parser.finish(&mut deltas);
    let mut seen = Seen::default();
    for delta in deltas {
        match delta {
            Delta::Text { text } => seen.text.push_str(&text),
            Delta::CallArguments { text, .. } => seen.arguments.push_str(&text),
            Delta::CallReady { call } => seen.call(call),
            Delta::CallStarted { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    seen
}

/// The text of `bytes`, which are whole characters in what is read here.
fn text(bytes: &mut Vec<u8>) -> String {
    String::from_utf8(std::mem::take(bytes)).unwrap()
}

#[tokio::test]
async fn a_call_is_the_same_wherever_the_stream_is_cut() {
    let model = model(Default::default()).await;
    let mut session = builder(model.clone()).tools(tools![track]).build().unwrap().session();
    // Asked politely it says a word before it calls.
    let mut events = session.stream("请查询股票10111的价格");
    let (mut streamed, mut pieces) = (Seen::default(), 0);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            Event::Text { text } if streamed.calls.is_empty() => streamed.text.push_str(&text),
            Event::CallArguments { text, .. } => {
                pieces += 1;
                streamed.arguments.push_str(&text);
            }
            Event::CallReady { call } => streamed.call(call),
            _ => {}
        }
    }
    drop(events);
    assert!(pieces > 3, "the arguments came in {pieces} pieces");
    assert_eq!(streamed.calls, [("track".to_owned(), json!({"symbol": "10111"}))]);
    assert!(!streamed.text.trim().is_empty(), "a word before the call");

    let reply = session.messages().iter().find_map(|message| match message {
        Message::Assistant(reply) => reply.raw.as_ref(),
        _ => None,
    });
    let ids = &reply.expect("its tokens are kept").ids;
    assert!(ids.len() > 10, "{ids:?}");
    let registry = Registry::of(tools![track]).unwrap();
    let request = Request { tools: registry.specs(), ..Request::default() };
    for cut in 0..=ids.len() {
        assert_eq!(read(&model, &request, ids, cut), streamed, "cut at token {cut} of {}", ids.len());
    }
}
