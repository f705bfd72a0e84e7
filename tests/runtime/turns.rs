//! Turns that go well: replies, one tool, several, beside each other and one by one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::tools::ToolSpec;
use glassbox::{StopReason, Tool, ToolChoice, ToolContext, ToolError, ToolOutput, TurnOptions, tools};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::{agent, history, session, within};

fn track() -> Reply {
    Reply::call("track", json!({"symbol": "10111"}))
}

#[tokio::test]
async fn a_plain_reply() {
    let model = ScriptedModel::new([Reply::text("你好！")]);
    let mut session = session(&model);
    let reply = session.send("你好").await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("你好！", StopReason::Done));
    assert_eq!(reply.usage().generations, 1);
    assert!(reply.usage().completion_tokens > 0);
    assert_eq!(history(&session), ["user 你好", "assistant 你好！"]);
}

#[tokio::test]
async fn one_tool() {
    let model = ScriptedModel::new([
        Reply::text("Let me look.").and_call("track", json!({"symbol": "10111"})),
        Reply::text("12412."),
    ]);
    let mut session = session(&model);
    let reply = session.send("10111?").await.unwrap();
    assert_eq!(reply.text(), "12412.");
    assert_eq!(
        history(&session),
        ["user 10111?", "assistant Let me look.", "call track", "observation 12412", "assistant 12412."]
    );
    let call = &reply.calls()[0];
    assert_eq!((call.name.as_str(), call.observation.as_str(), call.error.as_ref()), ("track", "12412", None));
    assert_eq!(call.output, Some(ToolOutput::json(json!(12412))));
    assert_eq!(reply.messages().len(), 3);
    assert_eq!(reply.usage().generations, 2);

    let requests = model.requests();
    assert_eq!(requests[1].messages.len(), 3, "the model reads the observation");
    assert_eq!(requests[1].messages, session.messages()[..3]);
    assert_eq!(requests[0].tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["track", "add"]);
}

#[tokio::test]
async fn a_tool_then_another_then_the_reply_and_a_second_message() {
    let model = ScriptedModel::new([
        track(),
        Reply::call("add", json!({"a": 12412, "b": 1})),
        Reply::text("12413."),
        track(),
        Reply::text("Still 12412."),
    ]);
    let mut session = session(&model);
    assert_eq!(session.send("one more than 10111?").await.unwrap().text(), "12413.");
    assert_eq!(session.send("and now?").await.unwrap().text(), "Still 12412.");
    assert_eq!(session.messages().len(), 10);
    let ids: Vec<_> = session
        .messages()
        .iter()
        .filter_map(|message| if let glassbox::Message::Assistant(reply) = message { Some(reply) } else { None })
        .flat_map(|reply| reply.calls().map(|call| call.id.0.clone()))
        .collect();
    assert_eq!(ids, ["call-1", "call-2", "call-3"], "call ids are unique within a session");
}

#[tokio::test]
async fn the_system_prompt_stands_first_and_can_be_changed() {
    let model = ScriptedModel::new([Reply::text("a"), Reply::text("b"), Reply::text("c")]);
    let mut session = agent(&model).system("Be brief.").build().unwrap().session();
    session.send("1").await.unwrap();
    session.set_system("Be long.");
    session.send("2").await.unwrap();
    session.set_system("");
    session.clear();
    session.send("3").await.unwrap();
    use glassbox::Message as M;
    let asked: Vec<_> = model.requests().into_iter().map(|request| request.messages).collect();
    assert_eq!(asked[0], [M::system("Be brief."), M::user("1")]);
    assert_eq!(asked[1][0], M::system("Be long."));
    assert_eq!(asked[2], [M::user("3")]);
}

/// Waits until as many calls run as the barrier asks for, or reports that it was alone.
struct Meet {
    spec: ToolSpec,
    barrier: Arc<Barrier>,
}

#[async_trait::async_trait]
impl Tool for Meet {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
        let met = tokio::time::timeout(Duration::from_secs(10), self.barrier.wait()).await.is_ok();
        Ok(ToolOutput::text(format!("{} {met}", arguments["n"])))
    }
}

#[tokio::test]
async fn parallel_calls_run_beside_each_other_and_are_read_in_order() {
    let spec =
        ToolSpec::new("meet", "").with_parameters(json!({"type": "object", "properties": {"n": {"type": "integer"}}}));
    let meet = Meet { spec, barrier: Arc::new(Barrier::new(3)) };
    let three = (1..=3).fold(Reply::empty(), |reply, n| reply.and_call("meet", json!({"n": n})));
    let model = ScriptedModel::new([three, Reply::text("met")]);
    let mut session = agent(&model).tool(meet).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    assert_eq!(history(&session)[4..7], ["observation 1 true", "observation 2 true", "observation 3 true"]);
}

/// Records when it runs.
struct Recorder {
    spec: ToolSpec,
    running: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<(i64, usize)>>>,
}

#[async_trait::async_trait]
impl Tool for Recorder {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
        let beside = self.running.fetch_add(1, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.log.lock().unwrap().push((arguments["n"].as_i64().unwrap(), beside));
        Ok(ToolOutput::text("done"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serial_calls_run_alone_and_in_order() {
    let spec = ToolSpec::new("step", "")
        .with_parameters(json!({"type": "object", "properties": {"n": {"type": "integer"}}}))
        .with_serial(true);
    let log = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder { spec, running: Arc::default(), log: Arc::clone(&log) };
    let calls = (1..=4).fold(Reply::empty(), |reply, n| reply.and_call("step", json!({"n": n})));
    let model = ScriptedModel::new([calls, Reply::text("done")]);
    let mut session = agent(&model).tool(recorder).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 0), (3, 0), (4, 0)]);
}

#[tokio::test]
async fn max_turns_is_a_stop_reason() {
    let model = ScriptedModel::from_fn(|_| track());
    let mut session = agent(&model).max_turns(3).build().unwrap().session();
    let reply = session.send("for ever").await.unwrap();
    assert_eq!((reply.stop(), reply.usage().generations, reply.calls().len()), (StopReason::MaxTurns, 3, 2));
    let last = history(&session).pop().unwrap();
    assert!(last.contains("Not run: the limit of 3 model turns"), "{last}");
    let reply = session.send_with("again", TurnOptions::new().max_turns(1)).await.unwrap();
    assert_eq!((reply.stop(), model.requests().len()), (StopReason::MaxTurns, 4));
}

#[tokio::test]
async fn a_forced_choice_holds_once_and_none_always() {
    let model = ScriptedModel::new([track(), Reply::text("a"), track(), Reply::text("b")]);
    let mut session = session(&model);
    let named = ToolChoice::Named("track".into());
    session.send_with("1", TurnOptions::new().tool_choice(named.clone())).await.unwrap();
    session.send_with("2", TurnOptions::new().tool_choice(ToolChoice::None)).await.unwrap();
    let choices: Vec<_> = model.requests().into_iter().map(|request| request.tool_choice).collect();
    assert_eq!(choices, [named, ToolChoice::Auto, ToolChoice::None, ToolChoice::None]);
    assert!(history(&session).contains(&"observation Error: no tool can be called now. Answer directly.".to_owned()));
}

#[tokio::test]
async fn a_choice_that_cannot_be_had_is_refused() {
    let model = ScriptedModel::new([]);
    let mut session = session(&model);
    let options = TurnOptions::new().tool_choice(ToolChoice::Named("trak".into()));
    let error = session.send_with("1", options).await.unwrap_err();
    assert_eq!(error.to_string(), "the tool choice names `trak`, which is not registered");
    assert_eq!(error.hint().unwrap(), "registered are: track, add");
    let mut bare = glassbox::Agent::builder(model).build().unwrap().session();
    let options = TurnOptions::new().tool_choice(ToolChoice::Required);
    assert!(matches!(bare.send_with("1", options).await, Err(glassbox::Error::NothingToCall)));
    assert!(session.messages().is_empty() && bare.messages().is_empty());
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let model = ScriptedModel::new([]);
    let error = agent(&model).tools(tools![crate::support::track]).build().unwrap_err();
    assert!(error.to_string().contains("two tools are named `track`"), "{error}");
}

#[test]
fn parts_may_be_given_by_value_and_shared() {
    let model = ScriptedModel::new([]);
    let shared: Arc<dyn glassbox::ChatModel> = Arc::new(model.clone());
    for builder in [
        glassbox::Agent::builder(model.clone()),
        glassbox::Agent::builder(Arc::new(model)),
        glassbox::Agent::builder(shared),
    ] {
        let approver: Arc<dyn glassbox::Approver> = Arc::new(glassbox::AutoApprover);
        builder.approver(approver).build().unwrap();
    }
}

#[tokio::test]
async fn a_model_that_goes_round_in_a_circle_is_asked_for_words() {
    let model = ScriptedModel::new([track(), track(), Reply::text("12412.")]);
    let mut session = session(&model);
    let reply = session.send("10111?").await.unwrap();
    assert_eq!((reply.text().as_str(), reply.stop()), ("12412.", StopReason::Done));
    let choices: Vec<_> = model.requests().into_iter().map(|request| request.tool_choice).collect();
    assert_eq!(choices, [ToolChoice::Auto, ToolChoice::Auto, ToolChoice::Answer]);
    let history = history(&session);
    assert_eq!(history[2], "observation 12412");
    assert!(history[4].contains("12412") && history[4].contains("Do not call"), "{history:?}");
}
