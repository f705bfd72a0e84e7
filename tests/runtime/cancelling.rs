//! Cancelling by token and by dropping: in a generation, in a tool, in a program. The session goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::Output;
use glassbox::tools::ToolSpec;
use glassbox::{
    CancellationToken, Event, Message, Session, StopReason, Tool, ToolContext, ToolError, ToolOutput, TurnOptions,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Cell, ScriptedInterpreter, agent, history, promptly, session, within};

/// How a turn is cancelled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Token,
    Drop,
}

/// Streams a message until `reached`, cancels, and checks that this is quick.
async fn cancel_at(session: &mut Session, how: How, reached: impl Fn(&Event) -> bool) {
    let cancellation = CancellationToken::new();
    let mut events = session.stream_with("go", TurnOptions::new().cancellation(cancellation.clone()));
    within(async { while !reached(&events.next().await.expect("it ended before that").unwrap()) {} }).await;
    match how {
        How::Drop => promptly(async move { drop(events) }).await,
        How::Token => {
            cancellation.cancel();
            let reply = promptly(events.reply()).await.unwrap();
            assert_eq!(reply.stop(), StopReason::Cancelled);
        }
    }
}

async fn goes_on(session: &mut Session) {
    assert_eq!(within(session.send("and now?")).await.unwrap().text(), "It goes on.");
}

#[tokio::test]
async fn in_a_generation() {
    for how in [How::Token, How::Drop] {
        let model = ScriptedModel::new([Reply::endless("Once upon"), Reply::text("It goes on.")]);
        let mut session = session(&model);
        cancel_at(&mut session, how, |event| matches!(event, Event::Text { text } if text == "n")).await;
        assert_eq!(history(&session), ["user go", "assistant Once upon"], "{how:?}");
        assert!(model.requests()[0].cancellation.is_cancelled(), "the model is told");
        goes_on(&mut session).await;
    }
}

#[tokio::test]
async fn before_the_first_word() {
    for how in [How::Token, How::Drop] {
        let model = ScriptedModel::from_fn(|request| match request.messages.last() {
            Some(Message::User { content }) if content == "go" => Reply::empty().and_hang(),
            _ => Reply::text("It goes on."),
        });
        let mut session = session(&model);
        cancel_at(&mut session, how, |event| matches!(event, Event::GenerationStarted { .. })).await;
        assert_eq!(history(&session), ["user go", "assistant"], "the roles alternate: {how:?}");
        goes_on(&mut session).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_a_call() {
    let model = ScriptedModel::new([
        Reply::text("I ").and_call("track", json!({"symbol": "10111"})).and_hang(),
        Reply::call("track", json!({"symbol": "10111"})),
        Reply::text("It goes on."),
    ]);
    let mut session = session(&model);
    cancel_at(&mut session, How::Drop, |event| matches!(event, Event::CallReady { .. })).await;
    assert_eq!(history(&session), ["user go", "assistant I "], "a call of a reply that was not finished is not run");
    let reply = within(session.send("and now?")).await.unwrap();
    assert_eq!(reply.calls()[0].id.0, "call-2", "ids that events have shown are not used again");
}

/// Says that it runs, and is never done. Remembers whether it was stopped.
struct Endless {
    spec: ToolSpec,
    stopped: Arc<AtomicBool>,
    noticed: Arc<Notify>,
}

struct Stopped(Arc<AtomicBool>, Arc<Notify>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.notify_one();
    }
}

#[async_trait::async_trait]
impl Tool for Endless {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _: Value, context: &ToolContext) -> Result<ToolOutput, ToolError> {
        let _stopped = Stopped(Arc::clone(&self.stopped), Arc::clone(&self.noticed));
        context.emit("running");
        std::future::pending().await
    }
}

#[tokio::test]
async fn in_a_tool() {
    for how in [How::Token, How::Drop] {
        let stopped = Arc::new(AtomicBool::new(false));
        let noticed = Arc::new(Notify::new());
        let endless = Endless {
            spec: ToolSpec::new("endless", ""),
            stopped: Arc::clone(&stopped),
            noticed: Arc::clone(&noticed),
        };
        let calls = Reply::call("track", json!({"symbol": "10111"})).and_call("endless", json!({}));
        let model = ScriptedModel::new([calls, Reply::text("It goes on.")]);
        let mut session = agent(&model).tool(endless).build().unwrap().session();
        // Both orders of events are possible: wait until the quick one is done and the other runs.
        let seen = std::sync::Mutex::new((false, false));
        cancel_at(&mut session, how, |event| {
            let mut seen = seen.lock().unwrap();
            seen.0 |= matches!(event, Event::ToolFinished { name, .. } if name == "track");
            seen.1 |= matches!(event, Event::ToolOutput { text, .. } if text == "running");
            *seen == (true, true)
        })
        .await;
        promptly(noticed.notified()).await;
        assert!(stopped.load(Ordering::SeqCst));
        let expected =
            ["user go", "call track", "call endless", "observation 12412", "observation Cancelled before it finished."];
        assert_eq!(history(&session), expected, "{how:?}");
        goes_on(&mut session).await;
    }
}

/// Blocks its thread until its context is cancelled.
#[glassbox::tool]
fn block(context: &ToolContext) -> String {
    context.emit("blocking");
    while !context.cancellation().is_cancelled() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    "stopped".to_owned()
}

#[tokio::test]
async fn in_a_tool_that_blocks_its_thread() {
    for how in [How::Token, How::Drop] {
        let model = ScriptedModel::new([Reply::call("block", json!({})), Reply::text("It goes on.")]);
        let mut session = agent(&model).tools(glassbox::tools![block]).build().unwrap().session();
        cancel_at(&mut session, how, |event| matches!(event, Event::ToolOutput { .. })).await;
        goes_on(&mut session).await;
    }
}

#[tokio::test]
async fn in_a_program() {
    for how in [How::Token, How::Drop] {
        let interpreter = ScriptedInterpreter::new([Cell::Runs(Output::Stdout { text: "1\n".into() })]);
        let model = ScriptedModel::new([Reply::code("while True: pass"), Reply::text("It goes on.")]);
        let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
        cancel_at(&mut session, how, |event| matches!(event, Event::CodeOutput { .. })).await;
        assert_eq!(interpreter.interrupted(), 1, "{how:?}");
        assert_eq!(history(&session), ["user go", "code", "observation Cancelled before it finished."]);
        goes_on(&mut session).await;
    }
}

#[tokio::test]
async fn a_token_that_is_cancelled_already() {
    let model = ScriptedModel::new([Reply::text("It goes on.")]);
    let mut session = session(&model);
    let cancellation = CancellationToken::new();
    cancellation.cancel();
    let reply = promptly(session.send_with("go", TurnOptions::new().cancellation(cancellation))).await.unwrap();
    assert_eq!((reply.stop(), reply.text().as_str()), (StopReason::Cancelled, ""));
    goes_on(&mut session).await;
}

#[tokio::test]
async fn dropping_the_future_of_send_cancels_and_the_callers_token_is_left_alone() {
    let model = ScriptedModel::new([Reply::endless("Once"), Reply::text("It goes on.")]);
    let mut session = session(&model);
    let cancellation = CancellationToken::new();
    let send = session.send_with("go", TurnOptions::new().cancellation(cancellation.clone()));
    // The reply never ends, so the timeout drops the future.
    assert!(tokio::time::timeout(Duration::from_millis(20), send).await.is_err());
    assert!(!cancellation.is_cancelled());
    assert_eq!(history(&session), ["user go", "assistant Once"]);
    goes_on(&mut session).await;
}

#[tokio::test]
async fn a_stream_that_is_never_polled_does_nothing() {
    let model = ScriptedModel::new([Reply::text("It goes on.")]);
    let mut session = session(&model);
    drop(session.stream("go"));
    assert!(session.messages().is_empty() && model.requests().is_empty());
    goes_on(&mut session).await;
}

#[tokio::test]
async fn after_the_end_nothing_is_cancelled() {
    let model = ScriptedModel::new([Reply::text("done"), Reply::text("It goes on.")]);
    let mut session = session(&model);
    let mut events = session.stream("go");
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    assert!(events.next().await.is_none());
    drop(events);
    assert_eq!(history(&session), ["user go", "assistant done"]);
    goes_on(&mut session).await;
}
