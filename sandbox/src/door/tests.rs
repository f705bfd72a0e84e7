use futures::StreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cell::channel;
use crate::fuzz::{changed, changes, edited, edits};
use crate::{CellEvent, CellUsage, Execution, Limits, MimeBundle, Output};

const MODULES: &Modules = &[("__init__", "pass")];

/// Knocks with each request, and gives the answers and what came out.
async fn knock(requests: &[Vec<u8>]) -> (Vec<Value>, Vec<Output>) {
    let (sender, token, events) = channel(&CancellationToken::new());
    let limits = Limits::default();
    let outlet = Outlet::new(sender.clone(), &limits);
    let job = Job {
        source: "1 + 1".into(),
        number: 4,
        tools: None,
        input: None,
        cancellation: token,
        host_calls: 2,
        told: None,
    };
    let mut door = Door::new(MODULES);
    door.begin(RunningCell::new(job, outlet.clone()));
    let mut answers = Vec::new();
    for request in requests {
        answers.push(serde_json::from_slice(&door.call(request).await).unwrap());
    }
    let execution = door.end().and_then(|cell| cell.ending().execution);
    outlet.finish([]);
    sender.finished(execution.unwrap_or(Execution::Ok), CellUsage::default());
    let outputs = events.filter_map(async |event| match event.unwrap() {
        CellEvent::Output { output } => Some(output),
        CellEvent::Finished { .. } => None,
    });
    (answers, outputs.collect().await)
}

fn requests(requests: &[Value]) -> Vec<Vec<u8>> {
    requests.iter().map(|request| request.to_string().into_bytes()).collect()
}

fn kind(answer: &Value) -> &str {
    answer["error"]["kind"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_cell_is_handed_out_once_and_its_outputs_come_in_order() {
    let (answers, outputs) = knock(&requests(&[
        json!({"op": "cell"}),
        json!({"op": "display", "data": {"text/plain": "a"}, "id": "d", "update": false}),
        json!({"op": "display", "data": {"text/plain": "b"}, "id": "d", "update": true}),
        json!({"op": "clear", "wait": true}),
        json!({"op": "result", "data": {"text/plain": "2", "application/json": {"n": 2}}}),
        json!({"op": "error", "name": "E", "value": "v", "traceback": ["t"]}),
        json!({"op": "cell"}),
        json!({"op": "done", "status": "ok"}),
    ]))
    .await;
    assert_eq!(answers[0], json!({"ok": {"source": "1 + 1", "number": 4, "tools": []}}));
    assert_eq!(kind(&answers[6]), "request");
    assert_eq!(answers[7], json!({"ok": null}));
    let result = MimeBundle([("text/plain".into(), json!("2")), ("application/json".into(), json!({"n": 2}))].into());
    assert_eq!(
        outputs,
        [
            Output::Display { data: MimeBundle::text("a"), id: Some("d".into()) },
            Output::DisplayUpdate { data: MimeBundle::text("b"), id: "d".into() },
            Output::ClearOutput { wait: true },
            Output::Result { data: result },
            Output::Error { name: "E".into(), value: "v".into(), traceback: vec!["t".into()] },
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_an_error() {
    let mut garbage: Vec<Vec<u8>> = [
        "",
        "{",
        "null",
        "[]",
        "{\"op\": 1}",
        "{\"op\": \"format\"}",
        "{\"op\": \"done\"}",
        "{\"op\":\"tool\",\"name\":\"x\"}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    garbage.push(vec![0xFF; 100]);
    garbage.push(json!({"op": "tool", "name": "x", "arguments": []}).to_string().into_bytes());
    garbage.push(format!("{{\"op\":\"tool\",\"name\":\"x\",\"arguments\":{}", "{\"a\":".repeat(100_000)).into_bytes());
    let (answers, outputs) = knock(&garbage).await;
    for (answer, request) in answers.iter().zip(&garbage) {
        assert_eq!(kind(answer), "request", "{:?}", String::from_utf8_lossy(request).get(..40));
    }
    assert_eq!(outputs, []);
}

#[tokio::test]
async fn too_long_a_request_is_refused() {
    let long = |op: &str, bytes: usize| {
        json!({"op": op, "name": "x", "value": "", "traceback": [], "arguments": {}, "data": {"text/plain": "x".repeat(bytes)}})
            .to_string()
            .into_bytes()
    };
    let requests = [long("tool", 5 << 20), long("display", 33 << 20), long("display", 5 << 20)];
    let (answers, outputs) = knock(&requests).await;
    assert_eq!((kind(&answers[0]), kind(&answers[1])), ("too_large", "too_large"));
    assert_eq!(answers[2], json!({"ok": null}));
    assert_eq!(outputs.len(), 1);
}

#[tokio::test]
async fn a_flood_of_small_outputs_ends() {
    let many: Vec<Value> = (0..30_000).map(|_| json!({"op": "clear", "wait": false})).collect();
    let (answers, outputs) = knock(&requests(&many)).await;
    assert_eq!((answers.len(), outputs.len()), (30_000, 10_000));
}

#[tokio::test]
async fn a_tool_that_is_not_there_and_a_question_that_nobody_answers_are_errors() {
    let (answers, outputs) = knock(&requests(&[
        json!({"op": "tool", "name": "x", "arguments": {}}),
        json!({"op": "input", "prompt": "?", "hidden": false}),
        json!({"op": "boot"}),
    ]))
    .await;
    assert_eq!((kind(&answers[0]), kind(&answers[1])), ("not_found", "input"));
    assert_eq!(answers[2], json!({"ok": {"modules": {"__init__": "pass"}}}));
    assert_eq!(outputs.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes: Vec<u8>) {
        let (answers, _) = futures::executor::block_on(knock(&[bytes]));
        prop_assert_eq!(answers.len(), 1);
    }

    #[test]
    fn any_members_get_an_answer(
        op in "boot|cell|display|clear|result|error|denied|input|tool|done|x",
        members in proptest::collection::btree_map(
            "data|id|update|wait|name|value|traceback|kind|message|hint|prompt|hidden|arguments|status|code|op",
            "null|true|1|-1e99|\"a\"|\"\\\\ud800\"|\\[\\]|\\[1\\]|\\{\\}|\\{\"a\":\"b\"\\}|\\{\"a\":\\[\\[\\]\\]\\}",
            0..6,
        ),
    ) {
        let mut text = format!("{{\"op\":\"{op}\"");
        for (name, value) in members {
            text.push_str(&format!(",\"{name}\":{value}"));
        }
        text.push('}');
        let (answers, _) = futures::executor::block_on(knock(&[text.into_bytes()]));
        prop_assert!(answers[0].get("ok").is_some() || answers[0]["error"]["kind"].is_string());
    }
}

/// Requests as the Python side makes them.
fn valid() -> Vec<Value> {
    let data = json!({"text/plain": "2", "text/html": "<b>2</b>", "application/json": {"n": [1, 2]}});
    vec![
        json!({"op": "boot"}),
        json!({"op": "cell"}),
        json!({"op": "display", "data": data, "id": "d", "update": false}),
        json!({"op": "display", "data": data, "id": "d", "update": true}),
        json!({"op": "clear", "wait": true}),
        json!({"op": "result", "data": data}),
        json!({"op": "error", "name": "E", "value": "v", "traceback": ["a", "b"]}),
        json!({"op": "denied", "kind": "network", "message": "m", "hint": "h"}),
        json!({"op": "input", "prompt": "?", "hidden": true}),
        json!({"op": "tool", "name": "track", "arguments": {"symbol": "10111", "days": [1, 2]}}),
        json!({"op": "done", "status": "ok", "told": "{}"}),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn requests_that_were_tampered_with_get_an_answer_and_the_next_is_heard(
        tampered in proptest::collection::vec((proptest::sample::select(valid()), edits(), changes()), 1..5),
    ) {
        let mut requests: Vec<_> = tampered
            .iter()
            .map(|(request, edits, changes)| changed(edited(request, edits).to_string().as_bytes(), changes))
            .collect();
        requests.push(json!({"op": "boot"}).to_string().into_bytes());
        let (answers, _) = futures::executor::block_on(knock(&requests));
        for answer in &answers {
            prop_assert!(answer.get("ok").is_some() || answer["error"]["kind"].is_string(), "{}", answer);
        }
        prop_assert_eq!(answers.len(), requests.len());
        prop_assert!(answers[answers.len() - 1].get("ok").is_some());
    }
}
