//! The events of a turn, and their JSON.

use futures::StreamExt;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::{Execution, MimeBundle, Output};
use glassbox::{Approval, AskApprover, Event, ToolContext, tool};
use serde_json::{Value, json};

use crate::support::{Cell, ScriptedInterpreter, agent};

/// Erases a file and says so while it does.
#[tool(destructive)]
fn erase(context: &ToolContext, path: String, count: u32) -> String {
    context.emit("erasing");
    format!("{count} of {path}")
}

/// Times differ from run to run.
fn settle(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name.ends_with("_ms") {
                    assert!(member.as_f64().is_some_and(|ms| ms >= 0.0), "{name} is {member}");
                    *member = json!("[time]");
                }
                settle(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

async fn events(model: ScriptedModel) -> Vec<Event> {
    let outputs = vec![Output::Stdout { text: "hi\n".into() }, Output::Result { data: MimeBundle::text("2") }];
    let interpreter = ScriptedInterpreter::new([Cell::Gives(outputs, Execution::Ok)]);
    let approver = AskApprover::new(|_| async { Approval::Allow });
    let mut session = agent(&model)
        .tools(glassbox::tools![erase])
        .interpreter(interpreter)
        .approver(approver)
        .build()
        .unwrap()
        .session();
    session.stream("go").map(Result::unwrap).collect().await
}

fn whole() -> ScriptedModel {
    ScriptedModel::new([
        Reply::text("Well.").and_reasoning("Hm").and_call("erase", json!({"path": "a", "count": "3"})),
        Reply::code("1+1"),
        Reply::malformed(Some("track"), "track(", "it ends too early"),
        Reply::call("track", json!({"symbol": "0"})),
        Reply::call("erase", json!({"path": "a"})),
        Reply::text("Done."),
    ])
    // Other rules are counted elsewhere: here the wording of an observation must not show in the sums.
    .with_token_count(|request| 100 * request.messages.len() as u32)
}

#[tokio::test]
async fn their_json_is_as_it_was() {
    let lines: Vec<String> = events(whole())
        .await
        .iter()
        .map(|event| {
            let mut value = serde_json::to_value(event).unwrap();
            settle(&mut value);
            value.to_string()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn they_are_read_back_the_same() {
    for event in events(whole()).await {
        let line = serde_json::to_string(&event).unwrap();
        let mut read: Event = serde_json::from_str(&line).unwrap();
        let mut event = event;
        // Times are written in whole microseconds.
        for event in [&mut read, &mut event] {
            if let Event::ToolFinished { elapsed, .. } | Event::CodeFinished { elapsed, .. } = event {
                *elapsed = Default::default();
            }
            if let Event::Finished { timings, .. } = event {
                *timings = Default::default();
            }
        }
        assert_eq!(read, event, "{line}");
    }
}

#[tokio::test]
async fn a_message_is_final_before_its_event_is_seen() {
    let model = ScriptedModel::new([Reply::call("track", json!({"symbol": "10111"})), Reply::text("12412.")]);
    let mut session = agent(&model).build().unwrap().session();
    let mut events = session.stream("go");
    while let Some(event) = events.next().await {
        if matches!(event.unwrap(), Event::ToolFinished { .. }) {
            break;
        }
    }
    drop(events);
    assert_eq!(crate::support::history(&session), ["user go", "call track", "observation 12412"]);
}

#[tokio::test]
async fn an_error_ends_the_stream() {
    let mut session = agent(&ScriptedModel::new([])).build().unwrap().session();
    let events: Vec<_> = session.stream("go").collect().await;
    assert!(events.last().unwrap().is_err());
    assert!(events[..events.len() - 1].iter().all(Result::is_ok));
}
