use futures::StreamExt;
use serde_json::json;

use super::*;
use crate::{AssistantMessage, Delta, FinishReason, Usage};

fn ask(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], next_call: 1, ..Request::default() }
}

async fn all(model: &ScriptedModel, request: Request) -> Vec<Delta> {
    model.stream(request).map(Result::unwrap).collect().await
}

fn end(deltas: &[Delta]) -> (AssistantMessage, FinishReason, Usage) {
    match deltas.last().unwrap() {
        Delta::Finished { message, reason, usage, .. } => (message.clone(), *reason, *usage),
        delta => panic!("not an end: {delta:?}"),
    }
}

#[tokio::test]
async fn a_reply_is_streamed_in_pieces_and_put_together_again() {
    let model = ScriptedModel::new([Reply::text("北京今天天气晴。")
        .and_call("track", json!({"symbol": "10111"}))
        .and_code("1 + 1")]);
    let deltas = all(&model, ask("?")).await;
    assert!(deltas.iter().filter(|delta| matches!(delta, Delta::Text { .. })).count() > 1);
    let (message, reason, usage) = end(&deltas);
    assert_eq!(message.text(), "北京今天天气晴。");
    assert_eq!(message.parts.len(), 3);
    let call = message.calls().next().unwrap();
    assert_eq!((call.id.0.as_str(), call.arguments.clone()), ("call-1", json!({"symbol": "10111"})));
    assert!(matches!(&message.parts[2], AssistantPart::Code { id, .. } if id.0 == "call-2"));
    assert_eq!(reason, FinishReason::Calls);
    assert_eq!(usage.completion_tokens as usize, deltas.len() - 1);
}

#[tokio::test]
async fn a_script_ends_and_records() {
    let model = ScriptedModel::new([Reply::text("one")]);
    let kept = model.clone();
    all(&model, ask("first")).await;
    let second = model.stream(ask("second")).next().await.unwrap();
    assert!(matches!(second, Err(ModelError::ScriptOver { replies: 1 })));
    let asked: Vec<_> = kept.requests().iter().map(|request| request.messages.clone()).collect();
    assert_eq!(asked, [[Message::user("first")], [Message::user("second")]]);
}

#[tokio::test]
async fn a_cut_call_is_malformed_and_not_lost() {
    let model = ScriptedModel::new([Reply::call("track", json!({"symbol": "10111"}))]);
    let (message, reason, _) = end(&all(&model, Request { max_tokens: Some(3), ..ask("?") }).await);
    assert_eq!(reason, FinishReason::Length);
    assert!(matches!(&message.parts[..], [AssistantPart::Malformed { name: Some(name), .. }] if name == "track"));
}

#[tokio::test]
async fn the_context_has_an_end() {
    let model = ScriptedModel::new([Reply::text("x".repeat(100)), Reply::text("never")]).with_context_tokens(10);
    let (_, reason, usage) = end(&all(&model, ask("?")).await);
    assert_eq!((reason, usage.prompt_tokens, usage.completion_tokens), (FinishReason::ContextFull, 5, 5));
    let over = model.stream(ask(&"x".repeat(100))).next().await.unwrap();
    assert!(matches!(over, Err(ModelError::ContextOverflow { needed: 30, limit: 10 })));
}

#[tokio::test]
async fn cancelling_ends_an_endless_reply() {
    let model = ScriptedModel::new([Reply::endless("tick")]);
    let request = ask("?");
    let cancellation = request.cancellation.clone();
    let mut deltas = model.stream(request);
    assert_eq!(deltas.next().await.unwrap().unwrap(), Delta::Text { text: "tick".into() });
    cancellation.cancel();
    let (message, reason, _) = end(&[deltas.next().await.unwrap().unwrap()]);
    assert_eq!((message.text().as_str(), reason), ("tick", FinishReason::Cancelled));
    assert!(deltas.next().await.is_none());
}

#[tokio::test]
async fn a_raw_reply_needs_a_dialect() {
    let model = ScriptedModel::new([Reply::raw("hello")]);
    assert!(model.stream(ask("?")).next().await.unwrap().is_err());
}
