//! Who says yes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{
    Agent, Approval, AskApprover, AutoApprover, CancellationToken, Event, StopReason, TurnOptions, tool, tools,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{history, promptly, within};

static ERASED: AtomicUsize = AtomicUsize::new(0);

/// Erases a file.
#[tool(destructive)]
fn erase(path: String) -> String {
    ERASED.fetch_add(1, Ordering::SeqCst);
    format!("{path} is gone")
}

/// Reads a file.
#[tool(read_only)]
fn read(path: String) -> String {
    format!("{path}: hello")
}

/// Looks at nothing and changes nothing, but does not say so.
#[tool]
fn plain() -> String {
    "plain".to_owned()
}

fn erasing() -> ScriptedModel {
    ScriptedModel::new([
        Reply::call("erase", json!({"path": "a"})).and_call("read", json!({"path": "b"})),
        Reply::text("ok"),
    ])
}

#[tokio::test]
async fn by_default_what_destroys_is_denied_and_the_rest_runs() {
    let mut session = Agent::builder(erasing()).tools(tools![erase, read]).build().unwrap().session();
    let reply = session.send("erase a").await.unwrap();
    assert_eq!(reply.stop(), StopReason::Done);
    let denied = reply.calls().iter().find(|call| call.name == "erase").unwrap().error.clone().unwrap();
    assert_eq!(denied.kind, "denied");
    assert!(denied.message.contains("nobody is there"), "{denied:?}");
    assert!(denied.hint.is_some());
    let history = history(&session);
    assert_eq!(
        history[3],
        "observation Error: the call of `erase` was not allowed. Do not try it again; answer without it or say what you need."
    );
    assert_eq!(history[4], "observation b: hello");
}

#[tokio::test]
async fn auto_allows_and_a_closure_decides() {
    let mut session =
        Agent::builder(erasing()).tools(tools![erase, read]).approver(AutoApprover).build().unwrap().session();
    assert!(session.send("erase a").await.unwrap().calls().iter().all(|call| call.error.is_none()));

    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let approver = AskApprover::new(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!((request.call.name.as_str(), &request.call.arguments), ("erase", &json!({"path": "a"})));
            assert!(request.hints.destructive && request.description.contains("Erases"));
            Approval::Allow
        }
    });
    let mut session =
        Agent::builder(erasing()).tools(tools![erase, read]).approver(approver).build().unwrap().session();
    session.send("erase a").await.unwrap();
    assert_eq!((history(&session)[3].as_str(), asked.load(Ordering::SeqCst)), ("observation a is gone", 1));
}

#[tokio::test]
async fn for_everything_asks_for_all_but_what_only_reads() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let names = Arc::clone(&asked);
    let approver = AskApprover::new(move |request| {
        names.lock().unwrap().push(request.call.name);
        async { Approval::Allow }
    })
    .for_everything();
    let calls =
        Reply::call("plain", json!({})).and_call("read", json!({"path": "b"})).and_call("erase", json!({"path": "a"}));
    let model = ScriptedModel::new([calls, Reply::text("ok")]);
    let mut session =
        Agent::builder(model).tools(tools![erase, read, plain]).approver(approver).build().unwrap().session();
    session.send("go").await.unwrap();
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["erase", "plain"]);
}

#[tokio::test]
async fn a_channel_asks_one_question_at_a_time() {
    let (approver, mut questions) = AskApprover::channel();
    let calls = (0..3).fold(Reply::empty(), |reply, n| reply.and_call("erase", json!({"path": n.to_string()})));
    let model = ScriptedModel::new([calls, Reply::text("ok")]);
    let mut session = Agent::builder(model).tools(tools![erase]).approver(approver).build().unwrap().session();
    let person = tokio::spawn(async move {
        let mut paths = Vec::new();
        for _ in 0..3 {
            let question = questions.recv().await.unwrap();
            assert!(questions.try_recv().is_err(), "the next question waits for this answer");
            let path = question.request().call.arguments["path"].as_str().unwrap().to_owned();
            question.decide(if path == "1" { Approval::Deny { reason: "no".into() } } else { Approval::Allow });
            paths.push(path);
        }
        paths.sort();
        paths
    });
    within(session.send("erase all")).await.unwrap();
    assert_eq!(within(person).await.unwrap(), ["0", "1", "2"]);
    let history = history(&session);
    assert_eq!(history[4], "observation 0 is gone");
    assert!(history[5].contains("was not allowed"));
    assert_eq!(history[6], "observation 2 is gone");
}

#[tokio::test]
async fn a_receiver_that_is_gone_denies() {
    let (approver, questions) = AskApprover::channel();
    drop(questions);
    let mut session =
        Agent::builder(erasing()).tools(tools![erase, read]).approver(approver).build().unwrap().session();
    within(session.send("erase a")).await.unwrap();
    assert!(history(&session)[3].contains("was not allowed"));
}

#[tokio::test]
async fn cancelling_while_somebody_is_asked_drops_the_question() {
    let dropped = Arc::new(Notify::new());
    struct Gone(Arc<Notify>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let gone = Arc::clone(&dropped);
    let approver = AskApprover::new(move |_| {
        let gone = Gone(Arc::clone(&gone));
        async move {
            let _gone = gone;
            std::future::pending().await
        }
    });
    let mut session =
        Agent::builder(erasing()).tools(tools![erase, read]).approver(approver).build().unwrap().session();
    let cancellation = CancellationToken::new();
    let mut events = session.stream_with("erase a", TurnOptions::new().cancellation(cancellation.clone()));
    within(async { while !matches!(events.next().await.unwrap().unwrap(), Event::ApprovalRequested { .. }) {} }).await;
    cancellation.cancel();
    let reply = promptly(events.reply()).await.unwrap();
    assert_eq!(reply.stop(), StopReason::Cancelled);
    promptly(dropped.notified()).await;
    assert!(history(&session)[3].contains("Cancelled"), "{:?}", history(&session));
}
