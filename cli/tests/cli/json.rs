//! `glassbox run --json`.

use serde_json::{Value, json};

use crate::support::Home;

fn events(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn each_line_is_an_event_and_they_come_in_order() {
    let home = Home::new();
    let model = home.script(json!([
        [{"text": "我查。"}, {"call": {"name": "track", "arguments": {"symbol": "10111"}}}],
        [{"text": "12412"}],
    ]));
    let outcome = home.run(&["run", "--json", "--model", &model, "--tools", "track", "price?"]);
    assert_eq!((outcome.err.as_str(), outcome.code), ("", Some(0)));
    let events = events(&outcome.out);
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.retain(|name| *name != "prefill");
    types.dedup();
    assert_eq!(
        types,
        [
            "turn_started",
            "generation_started",
            "text",
            "call_started",
            "call_arguments",
            "call_ready",
            "tool_started",
            "tool_finished",
            "generation_started",
            "text",
            "finished",
        ]
    );
    let text: String =
        events.iter().filter(|event| event["type"] == "text").map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(text, "我查。12412");
    let last = events.last().unwrap();
    assert_eq!(last["stop"], "done");
    assert_eq!(last["usage"]["generations"], 2);
}

#[test]
fn an_error_is_a_line_too() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = home.run(&["run", "--json", "--model", &model, "price?"]);
    assert_eq!(outcome.code, Some(1));
    let last = events(&outcome.out).pop().unwrap();
    assert_eq!(last["type"], "error");
    assert!(last["message"].as_str().unwrap().starts_with("the script is over"), "{last}");
}
