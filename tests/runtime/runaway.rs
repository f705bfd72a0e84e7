//! A reply that goes round within itself is stopped, and the conversation goes on.

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{Agent, Message, StopReason, tool, tools};
use serde_json::json;

/// Keeps a note.
#[tool(read_only)]
fn note(text: String) -> String {
    format!("{} bytes", text.len())
}

fn circle() -> Reply {
    Reply::text("Here is a heart.\n").and_text("circle(100)\n".repeat(9000))
}

#[tokio::test]
async fn a_reply_that_repeats_one_line_is_stopped_and_the_next_message_is_answered() {
    let model = ScriptedModel::new([circle(), Reply::text("hello")]).with_context_tokens(100_000);
    let mut session = Agent::builder(model).build().unwrap().session();
    let reply = session.send("draw a heart").await.unwrap();
    assert_eq!(reply.stop(), StopReason::Repetition);
    let length = reply.text().len();
    assert!((2000..4000).contains(&length), "{length}");
    assert!(matches!(session.messages().last(), Some(Message::Assistant(_))), "what was said is kept");
    let reply = session.send("hi").await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("hello", StopReason::Done));
}

#[tokio::test]
async fn arguments_and_programs_are_watched_too_and_what_is_unfinished_does_not_run() {
    let text = "again and again. ".repeat(3000);
    let model = ScriptedModel::new([Reply::call("note", json!({ "text": text })), Reply::code("x = 1\n".repeat(3000))]);
    let mut session = Agent::builder(model).tools(tools![note]).build().unwrap().session();
    for message in ["take a note", "write a program"] {
        let reply = session.send(message).await.unwrap();
        assert_eq!((reply.stop(), reply.calls().len()), (StopReason::Repetition, 0));
    }
}

#[tokio::test]
async fn calls_that_were_whole_before_the_circle_are_run() {
    let circle = Reply::call("note", json!({"text": "x"})).and_text("circle(100)\n".repeat(900));
    let model = ScriptedModel::new([circle, Reply::text("Noted.")]);
    let mut session = Agent::builder(model).tools(tools![note]).build().unwrap().session();
    let reply = session.send("take a note").await.unwrap();
    assert_eq!((reply.stop(), reply.text().as_str(), reply.calls().len()), (StopReason::Done, "Noted.", 1));
}

#[tokio::test]
async fn where_it_is_turned_off_the_reply_is_written_to_its_end() {
    let model = ScriptedModel::new([circle()]).with_context_tokens(100_000);
    let mut session = Agent::builder(model).stop_repetition(false).build().unwrap().session();
    let reply = session.send("draw a heart").await.unwrap();
    assert_eq!(reply.stop(), StopReason::Done);
    assert!(reply.text().len() > 100_000);
}
