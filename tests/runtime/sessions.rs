//! Many sessions on one agent.

use std::sync::Arc;

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{Message, Session, StopReason};
use serde_json::json;

use crate::support::{agent, within};

/// Calls `add` with the numbers of the question, then says the sum.
fn adder() -> ScriptedModel {
    ScriptedModel::from_fn(|request| match request.messages.last().unwrap() {
        Message::User { content } => {
            let numbers: Vec<i64> = content.split('+').map(|n| n.trim().parse().unwrap()).collect();
            Reply::call("add", json!({"a": numbers[0], "b": numbers[1]}))
        }
        Message::Observation(observation) => Reply::text(observation.content.clone()),
        message => panic!("not expected last: {message:?}"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_do_not_meet() {
    let agent = Arc::new(agent(&adder()).build().unwrap());
    let tasks: Vec<_> = (0..50_i64)
        .map(|n| {
            let mut session = agent.session();
            tokio::spawn(async move {
                for turn in 0..5_i64 {
                    let reply = session.send(format!("{n} + {turn}")).await.unwrap();
                    assert_eq!((reply.text(), reply.stop()), ((n + turn).to_string(), StopReason::Done));
                }
                session.messages().len()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(within(task).await.unwrap(), 20);
    }
}

#[tokio::test]
async fn a_clone_goes_its_own_way() {
    let agent = agent(&adder()).build().unwrap();
    let mut first = agent.session();
    first.send("1 + 1").await.unwrap();
    let mut second = first.clone();
    second.send("2 + 2").await.unwrap();
    assert_eq!((first.messages().len(), second.messages().len()), (4, 8));
    assert_eq!(first.messages(), &second.messages()[..4]);
}

#[test]
fn sessions_and_their_streams_can_change_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Session>();
    sync::<Session>();
    send::<glassbox::EventStream<'static>>();
    send::<glassbox::Agent>();
    sync::<glassbox::Agent>();
    async fn future(mut session: Session) {
        let _ = session.send("hi").await;
    }
    fn is_send<T: Send>(_: impl FnOnce(Session) -> T) {}
    is_send(future);
}
