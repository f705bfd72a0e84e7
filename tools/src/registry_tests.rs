use serde_json::{Value, json};

use super::*;
use crate::{ToolContext, ToolError, tool_fn};

fn named(name: &str) -> BoxTool {
    with_parameters(name, json!({"type": "object"}))
}

fn with_parameters(name: &str, parameters: Value) -> BoxTool {
    let spec = ToolSpec::new(name, "For a test.").with_parameters(parameters);
    Arc::new(tool_fn(spec, |arguments: Value, _: ToolContext| async move { Ok::<_, ToolError>(arguments) }))
}

#[test]
fn keeps_the_order_of_registration() {
    let mut registry = Registry::new();
    registry.register(named("zeta")).unwrap().register(vec![named("alpha"), named("mu")]).unwrap();
    assert_eq!(registry.names().collect::<Vec<_>>(), ["zeta", "alpha", "mu"]);
    assert_eq!(registry.specs().iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["zeta", "alpha", "mu"]);
    assert!(registry.get("mu").is_some());
    assert!(registry.get("MU").is_none());
}

#[test]
fn refuses_a_second_tool_of_the_same_name_and_adds_none_of_the_batch() {
    let mut registry = Registry::of(named("a")).unwrap();
    let error = registry.register(vec![named("b"), named("a")]).unwrap_err();
    assert_eq!(error, SpecError::Duplicate { name: "a".into() });
    assert_eq!(registry.names().collect::<Vec<_>>(), ["a"]);
    let error = registry.merge(&Registry::of(vec![named("c"), named("a")]).unwrap()).unwrap_err();
    assert_eq!(error, SpecError::Duplicate { name: "a".into() });
    assert_eq!(registry.len(), 1);
}

#[test]
fn merging_leaves_both_sources_as_they_were() {
    let first = Registry::of(named("a")).unwrap();
    let second = Registry::of(named("b")).unwrap();
    let mut both = first.clone();
    both.merge(&second).unwrap();
    assert_eq!((first.len(), second.len(), both.len()), (1, 1, 2));
}

#[test]
fn refuses_names_and_schemas_that_cannot_be_used() {
    let refuse = |tool| Registry::of(tool).unwrap_err();
    assert!(matches!(refuse(named("two\nlines")), SpecError::BadName { .. }));
    assert!(matches!(refuse(named(" ")), SpecError::BadName { .. }));
    assert!(matches!(refuse(with_parameters("a", json!({"type": "string"}))), SpecError::NotAnObject { .. }));
    let bad = with_parameters("a", json!({"type": "object", "properties": {"x": {"type": "intger"}}}));
    assert!(matches!(refuse(bad), SpecError::BadSchema { .. }));
    let unresolved = with_parameters("a", json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/Missing"}}}));
    assert!(matches!(refuse(unresolved), SpecError::BadSchema { .. }));
    let remote =
        with_parameters("a", json!({"type": "object", "properties": {"x": {"$ref": "https://example.com/s"}}}));
    assert!(matches!(refuse(remote), SpecError::BadSchema { .. }), "a schema must not make us fetch anything");
}

#[test]
fn refuses_a_schema_that_is_nested_too_deep() {
    let deep = (0..MAX_DEPTH).fold(json!({"type": "integer"}), |inner, _| json!({"type": "array", "items": inner}));
    let error =
        Registry::of(with_parameters("deep", json!({"type": "object", "properties": {"x": deep}}))).unwrap_err();
    assert!(matches!(error, SpecError::BadSchema { .. }), "{error}");
}

#[test]
fn the_nearest_name_is_the_one_that_was_meant_or_none() {
    let registry = Registry::of(["get_weather", "random_number_generator", "track"].map(named)).unwrap();
    for (written, meant) in [
        ("get_wether", Some("get_weather")),
        ("getWeather", Some("get_weather")),
        ("GET-WEATHER", Some("get_weather")),
        ("random_number_generater", Some("random_number_generator")),
        ("trak", Some("track")),
        ("send_email", None),
        ("", None),
    ] {
        assert_eq!(registry.nearest(written), meant, "{written}");
    }
    assert_eq!(Registry::new().nearest("track"), None);
    assert_eq!(registry.nearest(&"get_weather".repeat(100_000)), None);
}

#[tokio::test]
async fn schemas_that_refer_to_nothing_but_themselves_are_refused_or_harmless() {
    for schema in [
        json!({"type": "object", "$ref": "#"}),
        json!({"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}}),
        json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}),
        json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"not": {"$ref": "#/$defs/A"}}]}}}),
    ] {
        let Ok(registry) = Registry::of(with_parameters("cyclic", schema.clone())) else { continue };
        let gate = crate::Gate::new(registry, Arc::new(crate::AutoApprover), crate::Limits::default());
        let call = crate::ToolCall::new("call-1", "cyclic", json!({"x": {"x": 1}}));
        gate.dispatch(call, &crate::CancellationToken::new(), Arc::new(())).await;
    }
}
