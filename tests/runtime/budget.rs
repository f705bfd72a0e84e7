//! The context: what does not fit is refused or cut, and nothing is lost.

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::{Execution, Output};
use glassbox::{Agent, Error, Message, StopReason, tool, tools};
use serde_json::json;

use crate::support::{Cell, ScriptedInterpreter, history};

/// One token a byte, and none for anything else: sums are plain.
fn bytes(model: ScriptedModel, context: u32) -> ScriptedModel {
    model.with_context_tokens(context).with_token_count(|request| {
        let length = |message: &Message| match message {
            Message::System { content } | Message::User { content } => content.len(),
            Message::Assistant(reply) => reply.text().len(),
            Message::Observation(observation) => observation.content.len(),
            _ => 0,
        };
        request.messages.iter().map(length).sum::<usize>() as u32
    })
}

/// Says `x` so many times, then `end`.
#[tool(read_only)]
fn repeat(times: usize) -> String {
    "x".repeat(times) + "end"
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_refused_and_a_shorter_one_taken() {
    let model = bytes(ScriptedModel::new([Reply::text("hello"), Reply::text("short")]), 800);
    let mut session = Agent::builder(model.clone()).build().unwrap().session();
    session.send("hi").await.unwrap();
    let before = session.messages().to_vec();
    // 7 are there, and an eighth of the context is kept for the reply.
    let error = session.send("x".repeat(694)).await.unwrap_err();
    assert!(matches!(error, Error::ContextOverflow { needed: 801, limit: 800 }), "{error:?}");
    assert!(error.hint().unwrap().contains("shorten the message"));
    assert_eq!(session.messages(), before);
    assert_eq!(model.requests().len(), 1, "the model was not asked");
    assert_eq!(session.send("x".repeat(693)).await.unwrap().text(), "short");
}

#[tokio::test]
async fn a_long_observation_is_cut_to_what_is_left_and_says_so() {
    let model = bytes(ScriptedModel::new([Reply::call("repeat", json!({"times": 5000})), Reply::text("long")]), 2000);
    let mut session = Agent::builder(model.clone()).tools(tools![repeat]).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("long", StopReason::Done));
    let observation = &reply.calls()[0].observation;
    assert!(observation.contains("of 5003 bytes are left out") && observation.ends_with("end"), "{observation}");
    let limit = 2000 - 250;
    assert!(
        observation.len() + 2 <= limit && observation.len() + 2 > limit - 100,
        "the room is used: {}",
        observation.len()
    );
    let handle = observation.split('`').nth(1).unwrap();
    let kept = session.agent().gate().outputs().get(handle, 0, usize::MAX).unwrap();
    assert_eq!(kept.total, 5003, "the whole is kept under its handle");
}

#[tokio::test]
async fn what_a_program_prints_is_cut_to_what_is_left_in_tokens() {
    let printed = Output::Stdout { text: "x".repeat(5000) + "end" };
    let interpreter = ScriptedInterpreter::new([Cell::Gives(vec![printed], Execution::Ok)]);
    let model = bytes(ScriptedModel::new([Reply::code("print(x)"), Reply::text("long")]), 2000);
    let mut session = Agent::builder(model).interpreter(interpreter).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("long", StopReason::Done));
    let observation = &reply.code()[0].observation;
    assert!(observation.contains("bytes are left out") && observation.ends_with("end"), "{observation}");
    // One token a byte; an eighth of the context is kept for the reply.
    assert!((1600..=1750).contains(&observation.len()), "{}", observation.len());
    assert_eq!(reply.code()[0].outputs.len(), 1, "the person has all of it");
}

#[tokio::test]
async fn calls_beside_each_other_share_what_is_left() {
    let calls = (0..3).fold(Reply::empty(), |reply, _| reply.and_call("repeat", json!({"times": 5000})));
    let model = bytes(ScriptedModel::new([calls, Reply::text("long")]), 4000);
    let mut session = Agent::builder(model).tools(tools![repeat]).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    assert_eq!(reply.stop(), StopReason::Done);
    for call in reply.calls() {
        assert!(call.observation.len() > 800, "{}", call.observation.len());
    }
}

#[tokio::test]
async fn where_not_even_the_notice_fits_the_turn_ends_and_the_history_is_whole() {
    let model = bytes(
        ScriptedModel::new([Reply::call("repeat", json!({"times": 5000})).and_call("repeat", json!({"times": 1}))]),
        400,
    );
    let mut session = Agent::builder(model.clone()).tools(tools![repeat]).build().unwrap().session();
    let reply = session.send("x".repeat(340)).await.unwrap();
    assert_eq!(reply.stop(), StopReason::ContextFull);
    let history = history(&session);
    assert_eq!(history[1..3], ["call repeat", "call repeat"]);
    assert_eq!(history.len(), 5, "each call has its observation: {history:?}");
    assert!(history[3..].iter().any(|line| line.contains("left out")), "{history:?}");
    assert_eq!(model.requests().len(), 1);
    session.clear();
    assert!(matches!(session.send("x").await, Err(Error::Model(_))), "the script is over, the session is not");
}

#[tokio::test]
async fn a_reply_that_fills_the_context_is_kept() {
    let model = bytes(ScriptedModel::new([Reply::text("x".repeat(4000))]), 400);
    let mut session = Agent::builder(model).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    assert_eq!(reply.stop(), StopReason::ContextFull);
    assert!(reply.text().len() > 1000);
    assert_eq!(session.messages().len(), 2);
}

#[tokio::test]
async fn strange_text_passes_and_too_much_of_it_is_refused() {
    let model = ScriptedModel::new([Reply::text("ok"), Reply::text("ok")]);
    let mut session = Agent::builder(model).build().unwrap().session();
    let strange = "a\0b <|system|> [gMASK]sop \u{202e}\u{fffd} 天气";
    session.send(strange).await.unwrap();
    assert_eq!(session.messages()[0], Message::user(strange));
    let error = session.send("line ".repeat(200_000)).await.unwrap_err();
    assert!(matches!(error, Error::ContextOverflow { needed: 250_000.., .. }), "{error:?}");
    session.send("").await.unwrap();
    assert_eq!(session.messages().len(), 4);
}
