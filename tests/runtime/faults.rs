//! Calls that cannot be used, tools that fail, models that fail.

use glassbox::model::ModelError;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{Error, Limits, StopReason, ToolChoice, tool, tools};
use serde_json::json;

use crate::support::{agent, history, session, within};

fn choices(model: &ScriptedModel) -> Vec<ToolChoice> {
    model.requests().into_iter().map(|request| request.tool_choice).collect()
}

fn good() -> Reply {
    Reply::call("track", json!({"symbol": "10111"}))
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_the_nearest_and_tried_again_under_the_grammar() {
    let model = ScriptedModel::new([Reply::call("trak", json!({"symbol": "10111"})), good(), Reply::text("12412.")]);
    let mut session = session(&model);
    let reply = session.send("10111?").await.unwrap();
    assert_eq!(reply.text(), "12412.");
    assert_eq!(choices(&model), [ToolChoice::Auto, ToolChoice::Required, ToolChoice::Auto]);
    let failure = reply.calls()[0].error.clone().unwrap();
    assert_eq!(failure.kind, "unknown_tool");
    assert!(history(&session)[2].contains("Did you mean `track`?"), "{:?}", history(&session));
}

#[tokio::test]
async fn wrong_arguments_are_told_and_tried_again_with_this_tool() {
    let model = ScriptedModel::new([
        Reply::call("add", json!({"a": 1})),
        Reply::call("add", json!({"a": 1, "b": 2})),
        Reply::text("3"),
    ]);
    let mut session = session(&model);
    session.send("1 + 2?").await.unwrap();
    assert_eq!(choices(&model), [ToolChoice::Auto, ToolChoice::Named("add".into()), ToolChoice::Auto]);
    let history = history(&session);
    assert!(history[2].contains("the arguments of `add` are wrong") && history[2].contains("`b`"), "{history:?}");
    assert_eq!(history[4], "observation 3");
}

#[tokio::test]
async fn harmless_mistakes_are_corrected_without_a_retry() {
    let model = ScriptedModel::new([Reply::call("add", json!({"a": "1", "b": 2.0})), Reply::text("3")]);
    let mut session = session(&model);
    session.send("1 + 2?").await.unwrap();
    assert_eq!(choices(&model), [ToolChoice::Auto, ToolChoice::Auto]);
    assert_eq!(history(&session)[2], "observation 3");
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_retried_twice_at_most() {
    let bad = || Reply::malformed(Some("track"), "track(", "it ends too early");
    let model = ScriptedModel::new([bad(), bad(), bad(), Reply::text("I cannot.")]);
    let mut session = session(&model);
    assert_eq!(session.send("10111?").await.unwrap().text(), "I cannot.");
    let named = ToolChoice::Named("track".into());
    assert_eq!(choices(&model), [ToolChoice::Auto, named.clone(), named, ToolChoice::Auto]);
    let told = "observation Error: this call of `track` could not be read: it ends too early. Write it again in the right form.";
    assert_eq!(
        history(&session),
        ["user 10111?", "malformed", told, "malformed", told, "malformed", told, "assistant I cannot."]
    );
}

/// Panics.
#[tool]
fn faint() -> String {
    panic!("the secret is 42")
}

/// Never ends.
#[tool(timeout = 0.05)]
async fn hang() -> String {
    std::future::pending().await
}

/// Prints 10 MB.
#[tool]
fn flood() -> String {
    "x".repeat(10 << 20) + " the end"
}

#[tokio::test]
async fn tools_that_panic_hang_flood_or_fail_are_observations() {
    let model = ScriptedModel::new([
        Reply::call("faint", json!({})),
        Reply::call("hang", json!({})),
        Reply::call("flood", json!({})),
        Reply::call("track", json!({"symbol": "0"})),
        Reply::text("Nothing worked."),
    ]);
    let limits = Limits::default().with_output_bytes(1000);
    let mut session = agent(&model).tools(tools![faint, hang, flood]).limits(limits).build().unwrap().session();
    let reply = within(session.send("try")).await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("Nothing worked.", StopReason::Done));
    let kinds: Vec<_> = reply.calls().iter().map(|call| call.error.as_ref().map(|error| error.kind.clone())).collect();
    assert_eq!(kinds[0].as_deref(), Some("panicked"));
    assert_eq!(kinds[1].as_deref(), Some("timeout"));
    assert_eq!(kinds[3].as_deref(), Some("failed"));
    assert!(!reply.calls()[0].observation.contains("42"), "the model is not told what a panic said");
    assert!(reply.calls()[0].error.as_ref().unwrap().message.contains("42"), "the operator is");
    let flood = &reply.calls()[2];
    assert!(flood.observation.len() <= 1000 && flood.observation.ends_with("the end"), "{}", flood.observation);
    assert_eq!(flood.output.as_ref().unwrap().for_model().len(), (10 << 20) + 8, "the caller gets the whole output");
    assert_eq!(choices(&model), [const { ToolChoice::Auto }; 5], "a tool that fails is no fault of the call");
}

#[tokio::test]
async fn a_model_that_fails_leaves_the_session_as_it_was() {
    let stopped = || Reply::error(ModelError::Stopped { problem: "out of order".into() });
    let model = ScriptedModel::new([
        Reply::text("half a rep").and_error(ModelError::Stopped { problem: "out of order".into() }),
        Reply::text("ok"),
        good(),
        stopped(),
        Reply::text("again"),
    ]);
    let mut session = session(&model);
    let error = session.send("1").await.unwrap_err();
    assert_eq!(error.to_string(), "the engine has stopped: out of order");
    assert!(session.messages().is_empty(), "nothing was finished");
    assert_eq!(session.send("1").await.unwrap().text(), "ok");
    assert!(session.send("2").await.is_err());
    assert_eq!(history(&session), ["user 1", "assistant ok", "user 2", "call track", "observation 12412"]);
    assert_eq!(session.send("3").await.unwrap().text(), "again");
    assert!(matches!(session.send("4").await, Err(Error::Model(ModelError::ScriptOver { replies: 5 }))));
}
