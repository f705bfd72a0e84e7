//! The model, and what is asked of a reply.

use std::time::Duration;

use glassbox::model::engine::EngineOptions;
use glassbox::prelude::Model;
use glassbox::sandbox::Sandbox;
use glassbox::tools::BoxTool;
use glassbox::{Agent, AgentBuilder, Reply, Sampling, Session, StopReason};
use serde_json::Value;

/// How long a turn may take on a busy machine. A generation of it takes a second.
const BOUND: Duration = Duration::from_secs(300);

pub(crate) async fn model(options: EngineOptions) -> Model {
    // Its file says 2048, which is more than it was trained on.
    let options = EngineOptions { context: Some(2048), threads: Some(1), ..options };
    Model::builder("chatglm3-nano").options(options).load().await.unwrap()
}

pub(crate) fn builder(model: Model) -> AgentBuilder {
    Agent::builder(model).sampling(Sampling { temperature: 0.0, ..Sampling::default() }).max_tokens(128)
}

pub(crate) async fn session(tools: Vec<BoxTool>) -> Session {
    builder(model(EngineOptions::default()).await).tools(tools).build().unwrap().session()
}

pub(crate) async fn code_session() -> Session {
    let sandbox = Sandbox::python().unwrap_or_else(|error| panic!("{error}; hint: {:?}", error.hint()));
    builder(model(EngineOptions::default()).await).interpreter(sandbox).build().unwrap().session()
}

/// Sends a message, to which a reply in words must come.
pub(crate) async fn ask(session: &mut Session, text: &str) -> Reply {
    let reply = tokio::time::timeout(BOUND, session.send(text)).await.expect("it takes too long").unwrap();
    assert_eq!(reply.stop(), StopReason::Done, "{:?}", reply.messages());
    reply
}

/// Names and arguments of the calls, in order.
pub(crate) fn calls(reply: &Reply) -> Vec<(&str, &Value)> {
    reply.calls().iter().map(|call| (call.name.as_str(), &call.arguments)).collect()
}
