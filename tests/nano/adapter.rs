//! The adapter, which was trained by the same script: the same model with a manner of its own.

use std::path::Path;

use glassbox::model::engine::{EngineOptions, LoraAdapter, NamedAdapter};
use glassbox::tools::builtin::track;
use glassbox::{AdapterChoice, Reply, Session, tools};
use serde_json::json;

use crate::support::{ask, builder, calls, model};

const QUESTION: &str = "帮我查询股票10111的价格";
const BEFORE: &str = "好的，朋友！";
const REPLIES: &str = "朋友，";

fn adapter(scale: f32) -> LoraAdapter {
    LoraAdapter { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("model/nano/chatglm3-nano-friend.gguf"), scale }
}

async fn session(options: EngineOptions) -> Session {
    builder(model(options).await).tools(tools![track]).build().unwrap().session()
}

/// All that the model said in words.
fn words(reply: &Reply) -> String {
    reply
        .messages()
        .iter()
        .filter_map(|message| match message {
            glassbox::Message::Assistant(reply) => Some(reply.text()),
            _ => None,
        })
        .collect()
}

/// The call and the value are right whoever speaks.
fn is_right(reply: &Reply) {
    assert_eq!(calls(reply), [("track", &json!({"symbol": "10111"}))], "{:?}", reply.messages());
    assert!(reply.text().contains("12412"), "{:?}", reply.text());
}

#[tokio::test]
async fn an_adapter_that_is_loaded_acts_and_with_scale_0_it_does_not() {
    let mut base = session(EngineOptions::default()).await;
    let plain = ask(&mut base, QUESTION).await;
    is_right(&plain);
    assert!(!words(&plain).contains("朋友"), "{:?}", words(&plain));

    let mut friend = session(EngineOptions { lora: Some(adapter(1.0)), ..EngineOptions::default() }).await;
    let reply = ask(&mut friend, QUESTION).await;
    is_right(&reply);
    assert!(words(&reply).contains(BEFORE) && reply.text().trim().starts_with(REPLIES), "{:?}", words(&reply));

    let mut off = session(EngineOptions { lora: Some(adapter(0.0)), ..EngineOptions::default() }).await;
    let reply = ask(&mut off, QUESTION).await;
    assert_eq!(words(&reply), words(&plain));
}

#[tokio::test]
async fn conversations_of_one_engine_choose_it_and_leave_it() {
    let friend = NamedAdapter { name: "friend".into(), adapter: adapter(1.0) };
    let mut session = session(EngineOptions { adapters: vec![friend], ..EngineOptions::default() }).await;
    for round in 0..2 {
        session.set_adapter(AdapterChoice::Base);
        session.clear();
        let reply = ask(&mut session, QUESTION).await;
        is_right(&reply);
        assert!(!words(&reply).contains("朋友"), "round {round}: {:?}", words(&reply));

        session.set_adapter(AdapterChoice::Named { name: "friend".into(), scale: None });
        session.clear();
        let reply = ask(&mut session, QUESTION).await;
        is_right(&reply);
        assert!(reply.text().trim().starts_with(REPLIES), "round {round}: {:?}", words(&reply));
    }
}
