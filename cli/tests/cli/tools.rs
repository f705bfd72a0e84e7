//! `glassbox tools`.

use serde_json::Value;

use crate::support::Home;

#[test]
fn the_built_in_tools_are_listed() {
    let outcome = Home::new().run(&["tools"]);
    assert_eq!(outcome.code, Some(0));
    insta::assert_snapshot!(format!("{}--- standard error\n{}", outcome.out, outcome.err));
}

#[test]
fn as_json_they_have_their_schemas() {
    let list: Vec<Value> = serde_json::from_str(&Home::new().run(&["tools", "--json"]).out).unwrap();
    let track = list.iter().find(|tool| tool["name"] == "track").unwrap();
    assert_eq!(track["parameters"]["properties"]["symbol"]["type"], "string");
    assert_eq!(track["default"], true);
    let shell = list.iter().find(|tool| tool["name"] == "shell").unwrap();
    assert_eq!((&shell["default"], &shell["hints"]["destructive"]), (&Value::Bool(false), &Value::Bool(true)));
}
