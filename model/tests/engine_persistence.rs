//! Lists of calls that go on where another call is likely enough, on a real model.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod engine;

use std::collections::HashSet;

use engine::{Reply, chat, collect, holds_nothing_else, never, options, request};
use glassbox_model::{
    FinishReason, Message, Request,
    dialect::{self, Grammar, Judge, Maker, Persistence, Steering},
    engine::{Engine, GenerateRequest},
};
use glassbox_tools::ToolSpec;
use serde_json::Value;

/// Leaves it to the check for repeated calls.
fn at_the_end() -> Box<dyn Judge> {
    struct AtTheEnd(String);
    impl Judge for AtTheEnd {
        fn hear(&mut self, text: &[u8], _: f32) {
            self.0.push_str(&String::from_utf8_lossy(text));
        }
        fn is_sure(&self, over: bool) -> Option<bool> {
            let call = self.0.find('{').and_then(|at| self.0.get(at..)).unwrap_or_default();
            (over || call.contains("}}")).then_some(true)
        }
    }
    Box::new(AtTheEnd(String::new()))
}

struct Asked {
    engine: Engine,
    prompt: Vec<u32>,
    list: Persistence,
}

impl Asked {
    async fn new() -> Self {
        let engine = engine::engine(options()).await;
        let vocab = engine.vocab();
        let prompt = chat(&*vocab, "You call tools.", "Take the number 3.");
        let dialect = dialect::by_name("generic", &*vocab, engine.metadata()).unwrap().dialect;
        let messages = vec![Message::user("Take 0, 1, 2, 3, 4, 5, 6, 7, 8 and 9.")];
        let offered =
            Request { tools: vec![ToolSpec::new("take", "")], messages, parallel_calls: true, ..Request::default() };
        let list = dialect.steering(&offered).unwrap().persistence.expect("lists of calls are its form");
        Self { engine, prompt, list }
    }

    /// A list of calls, of which the second cannot be the same as the first, and the third may be.
    fn request(&self, persistence: Option<Persistence>) -> GenerateRequest {
        self.request_for(["0-4", "5-9", "0-4"], persistence)
    }

    /// A list of calls with these digits: of the first, the second and all others.
    fn request_for(&self, digits: [&str; 3], persistence: Option<Persistence>) -> GenerateRequest {
        let call = |digits: &str| format!(r#""{{\"name\": \"take\", \"arguments\": {{\"n\": " /[{digits}]/ "}}}}""#);
        let [first, second, others] = digits.map(call);
        let lark = format!(r#"start: "[" {first} (", " {second} (", " {others})*)? "]""#);
        let constraint = Some(Grammar { lark });
        GenerateRequest {
            constraint,
            steering: Steering { persistence, ..Steering::default() },
            ..request(self.prompt.clone(), 400)
        }
    }

    fn persistence(&self, least: f32, judge: fn() -> Box<dyn Judge>) -> Option<Persistence> {
        Some(Persistence { least, judge: Maker::new(judge), ..self.list.clone() })
    }

    async fn reply(&self, least: f32, judge: fn() -> Box<dyn Judge>) -> Reply {
        collect(self.engine.generate(self.request(self.persistence(least, judge)))).await.unwrap()
    }

    fn calls(&self, reply: &Reply) -> Vec<Value> {
        assert_eq!(reply.reason, FinishReason::Stop);
        serde_json::from_str(&reply.text(&*self.engine.vocab())).unwrap()
    }
}

#[tokio::test]
async fn a_list_goes_on_until_it_would_repeat_itself() {
    let asked = Asked::new().await;
    let plain = collect(asked.engine.generate(asked.request(None))).await.unwrap();
    let persistent = asked.reply(f32::MIN_POSITIVE, at_the_end).await;
    let (few, more) = (asked.calls(&plain), asked.calls(&persistent));
    assert!(more.starts_with(&few) && more.len() > few.len(), "{few:?} {more:?}");
    assert_eq!(more.iter().map(Value::to_string).collect::<HashSet<_>>().len(), more.len(), "{more:?}");
    assert_eq!(asked.reply(1.1, at_the_end).await.ids, plain.ids);
}

#[tokio::test]
async fn a_call_that_was_taken_back_was_never_written() {
    let asked = Asked::new().await;
    let plain = collect(asked.engine.generate(asked.request(None))).await.unwrap();
    let taken_back = asked.reply(f32::MIN_POSITIVE, never).await;
    assert_eq!(taken_back.ids, plain.ids);
    holds_nothing_else(&asked.engine, &asked.prompt, &taken_back.ids, "What is the capital of Italy?").await;
}

#[tokio::test]
async fn that_a_call_stays_is_known_before_another_begins() {
    let asked = Asked::new().await;
    // Tokens may end a call and begin the next, of which the third is the second again.
    let request = asked.request_for(["3", "7", "7"], asked.persistence(f32::MIN_POSITIVE, at_the_end));
    let reply = collect(asked.engine.generate(request)).await.unwrap();
    let calls = asked.calls(&reply);
    assert_eq!(calls.iter().map(|call| &call["arguments"]["n"]).collect::<Vec<_>>(), [3, 7]);
}
