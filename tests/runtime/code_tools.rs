//! Tools that programs call.

use futures::TryStreamExt;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{Agent, Approval, AskApprover, Event, ToolAccess, tool, tools};
use serde_json::json;

use crate::support::{Cell, ScriptedInterpreter, agent, history, within};

/// Deletes a file.
#[tool(destructive)]
fn delete(path: String) -> String {
    format!("{path} is gone")
}

#[tokio::test]
async fn calls_of_a_program_go_through_the_gate_and_are_told() {
    let calls = vec![
        ("track", json!({"symbol": "10111"})),
        ("add", json!({"a": "1", "b": 2})),
        ("track", json!({"symbol": "1"})),
        ("trakc", json!({})),
    ];
    let interpreter = ScriptedInterpreter::new([Cell::Calls(calls)]);
    let model = ScriptedModel::new([Reply::code("for …"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    let events: Vec<Event> = within(session.stream("go").try_collect()).await.unwrap();
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolStarted { id, name, arguments, .. } => Some(format!("{id} {name} {arguments}")),
            Event::ToolFinished { id, error, observation, .. } => {
                Some(format!("{id} {}", error.as_ref().map_or(observation, |error| &error.kind)))
            }
            Event::CodeFinished { id, .. } => Some(format!("{id} finished")),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "call-1.1 track {\"symbol\":\"10111\"}",
            "call-1.1 12412",
            "call-1.2 add {\"a\":1,\"b\":2}",
            "call-1.2 3",
            "call-1.3 track {\"symbol\":\"1\"}",
            "call-1.3 failed",
            "call-1.4 unknown_tool",
            "call-1 finished",
        ]
    );
    let lines: Vec<String> = history(&session)[2].lines().map(str::to_owned).collect();
    assert_eq!(lines[..2], ["observation 12412", "3"]);
    assert!(lines[2].contains("no stock has the code 1") && lines[3].contains("track"), "{lines:?}");
}

#[tokio::test]
async fn a_model_that_writes_a_tool_itself_is_told_that_it_did_not_call_it() {
    let interpreter = ScriptedInterpreter::new([Cell::Calls(vec![]), Cell::Calls(vec![])]);
    let source = "def track(symbol):\n    return 1\nprint(track('10111'))";
    let model = ScriptedModel::new([Reply::code(source), Reply::code("tracks = 1"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    let observations: Vec<String> = history(&session).into_iter().filter(|l| l.starts_with("observation")).collect();
    assert!(observations[0].contains("defines `track` itself"), "{observations:?}");
    assert!(!observations[1].contains("itself"), "{observations:?}");
}

#[tokio::test]
async fn a_destructive_call_of_a_program_is_asked_for() {
    let interpreter = ScriptedInterpreter::new([Cell::Calls(vec![
        ("delete", json!({"path": "a"})),
        ("delete", json!({"path": "b"})),
    ])]);
    let model = ScriptedModel::new([Reply::code("delete"), Reply::text("ok")]);
    let approver = AskApprover::new(|request| async move {
        if request.call.arguments["path"] == "a" { Approval::Allow } else { Approval::Deny { reason: "not b".into() } }
    });
    let builder = Agent::builder(model).tools(tools![delete]).approver(approver).interpreter(interpreter);
    let mut session = builder.build().unwrap().session();
    let events: Vec<Event> = within(session.stream("go").try_collect()).await.unwrap();
    let asked = events.iter().filter(|event| matches!(event, Event::ApprovalRequested { .. })).count();
    assert_eq!(asked, 2);
    let observation = &history(&session)[2];
    assert!(observation.contains("a is gone") && observation.contains("denied: "), "{observation}");
}

#[tokio::test]
async fn the_model_reads_stubs_where_its_programs_can_call_and_nothing_else_in_code_access() {
    let model = ScriptedModel::new([Reply::text("ok"), Reply::text("ok"), Reply::text("ok")]);
    let ask = async |access| {
        let interpreter = ScriptedInterpreter::new([]);
        let agent = agent(&model).interpreter(interpreter).tool_access(access).build().unwrap();
        within(agent.session().send("go")).await.unwrap();
        model.requests().pop().unwrap()
    };
    let both = ask(ToolAccess::Both).await;
    assert_eq!(both.interpreter_notes.environment, "Python 3.15 with numpy.");
    assert!(both.interpreter_notes.functions.contains("def track(symbol: str"));
    assert_eq!(both.tools.len(), 2);
    let calls = ask(ToolAccess::Calls).await;
    assert_eq!((calls.interpreter_notes.functions.as_str(), calls.tools.len()), ("", 2));
    let code = ask(ToolAccess::Code).await;
    assert!(code.interpreter_notes.functions.contains("def add(") && code.tools.is_empty());
}

#[tokio::test]
async fn tools_are_not_offered_to_programs_that_cannot_call_them() {
    for access in [ToolAccess::Both, ToolAccess::Code] {
        let model = ScriptedModel::new([Reply::text("ok")]);
        let interpreter = ScriptedInterpreter::new([]).without_tools();
        let agent = agent(&model).interpreter(interpreter).tool_access(access).build().unwrap();
        within(agent.session().send("go")).await.unwrap();
        let request = model.requests().pop().unwrap();
        assert_eq!(request.interpreter_notes.functions, "");
        assert!(request.interpreter_notes.environment.ends_with("call them yourself."), "the model is told");
        assert_eq!(request.tools.len(), 2, "it calls them itself");
    }
}
