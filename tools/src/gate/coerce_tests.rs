use serde_json::json;

use super::*;

fn coerced(schema: &Value, mut arguments: Value) -> (Value, Vec<(CoercionRule, String)>) {
    let made = coerce(&mut arguments, schema);
    (arguments, made.into_iter().map(|one| (one.rule, one.to_string())).collect())
}

/// One parameter `x` of this schema, given this value.
fn parameter(schema: Value, value: Value) -> (Value, Vec<(CoercionRule, String)>) {
    let (mut arguments, made) = coerced(&json!({"type": "object", "properties": {"x": schema}}), json!({"x": value}));
    (arguments.get_mut("x").map(Value::take).unwrap_or_default(), made)
}

#[test]
fn each_rule_corrects_what_it_says() {
    use CoercionRule::*;
    let choices = || json!({"type": "string", "enum": ["celsius", "fahrenheit"]});
    for (schema, from, to, rule) in [
        (json!({"type": "integer"}), json!("10"), json!(10), TextToNumber),
        (json!({"type": "integer"}), json!(" -10 "), json!(-10), TextToNumber),
        (json!({"type": "integer"}), json!("+10"), json!(10), TextToNumber),
        (json!({"type": "integer"}), json!("3.0"), json!(3), TextToNumber),
        (json!({"type": "integer"}), json!("18446744073709551615"), json!(u64::MAX), TextToNumber),
        (json!({"type": "number"}), json!("2.5"), json!(2.5), TextToNumber),
        (json!({"type": "number"}), json!("1e3"), json!(1e3), TextToNumber),
        (json!({"type": "boolean"}), json!("true"), json!(true), TextToBoolean),
        (json!({"type": "boolean"}), json!("False"), json!(false), TextToBoolean),
        (json!({"type": "string"}), json!(10), json!("10"), NumberToText),
        (json!({"type": "string"}), json!(2.5), json!("2.5"), NumberToText),
        (json!({"type": "integer"}), json!(3.0), json!(3), WholeFloat),
        (json!({"type": "array", "items": {"type": "string"}}), json!("a"), json!(["a"]), ListOfOne),
        (json!({"type": "array"}), json!({"a": 1}), json!([{"a": 1}]), ListOfOne),
        (choices(), json!("Celsius"), json!("celsius"), ChoiceCase),
        (choices(), json!(" FAHRENHEIT"), json!("fahrenheit"), ChoiceCase),
        (json!({"const": "Metric"}), json!("metric"), json!("Metric"), ChoiceCase),
        (json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}), json!("10"), json!(10), TextToNumber),
        (json!({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}), json!("true"), json!(true), TextToBoolean),
        (json!({"allOf": [{"type": "integer"}, {"minimum": 1}]}), json!("10"), json!(10), TextToNumber),
        (json!({"type": ["integer", "null"]}), json!("10"), json!(10), TextToNumber),
    ] {
        let (found, made) = parameter(schema.clone(), from.clone());
        assert_eq!(found, to, "{from} for {schema}");
        assert_eq!(made.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), [rule], "{from} for {schema}");
    }
}

#[test]
fn what_could_mean_something_else_is_left_alone() {
    for (schema, value) in [
        (json!({"type": "integer"}), json!("ten")),
        (json!({"type": "integer"}), json!("10 days")),
        (json!({"type": "integer"}), json!("2.5")),
        (json!({"type": "integer"}), json!(2.5)),
        (json!({"type": "integer"}), json!(1e300)),
        (json!({"type": "integer"}), json!("99999999999999999999")),
        (json!({"type": "integer"}), json!(true)),
        (json!({"type": "integer"}), json!("")),
        (json!({"type": "integer"}), json!("0x10")),
        (json!({"type": "number"}), json!("NaN")),
        (json!({"type": "number"}), json!("1e999")),
        (json!({"type": "boolean"}), json!(1)),
        (json!({"type": "boolean"}), json!("yes")),
        (json!({"type": "string"}), json!(true)),
        (json!({"type": "string"}), json!(["a"])),
        (json!({"type": "string"}), json!({"a": 1})),
        (json!({"type": "array"}), json!("[1, 2]")),
        (json!({"type": "array"}), Value::Null),
        (json!({"type": "object"}), json!("{\"a\": 1}")),
        (json!({"enum": ["a", "A"]}), json!("á")),
        (json!({"type": "string", "enum": ["ab", "AB"]}), json!("Ab")),
        (json!({"type": "string"}), json!("10")),
        (json!({"type": "number"}), json!(3.0)),
        (json!({}), json!("10")),
        (json!(true), json!("10")),
        (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), json!("10")),
    ] {
        let required = json!({"type": "object", "properties": {"x": schema}, "required": ["x"]});
        let (found, made) = coerced(&required, json!({"x": value}));
        assert_eq!(found["x"], value, "for {schema}");
        assert!(made.is_empty(), "{value} for {schema}: {made:?}");
    }
}

#[test]
fn null_is_dropped_where_it_may_be_left_out_and_only_there() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": ["string", "null"]}, "d": {}},
        "required": ["b"],
    });
    let (found, made) = coerced(&schema, json!({"a": null, "b": null, "c": null, "d": null, "e": null}));
    assert_eq!(found, json!({"b": null, "c": null, "d": null, "e": null}));
    assert_eq!(made, [(CoercionRule::OptionalNull, "`a`: null dropped".to_owned())]);
}

#[test]
fn arguments_written_as_text_are_read() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let (found, made) = coerced(&schema, json!("{\"n\": \"7\"}"));
    assert_eq!(found, json!({"n": 7}));
    assert_eq!(
        made.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(),
        [CoercionRule::ArgumentsText, CoercionRule::TextToNumber]
    );
    assert_eq!(coerced(&schema, Value::Null).0, json!({}));
    for other in [json!("[1]"), json!("text"), json!("{\"n\": "), json!(1), json!([{"n": 1}])] {
        assert_eq!(coerced(&schema, other.clone()), (other, vec![]));
    }
}

#[test]
fn corrections_reach_through_lists_members_references_and_alternatives() {
    let schema = json!({
        "type": "object",
        "properties": {
            "points": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
            "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
            "by_name": {"type": "object", "additionalProperties": {"type": "integer"}},
            "shape": {"anyOf": [
                {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
                {"type": "object", "properties": {"side": {"type": "integer"}}, "required": ["side"]},
            ]},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "$defs": {
            "Point": {"type": "object", "properties": {"x": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}},
            "Tree": {"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
        },
    });
    let arguments = json!({
        "points": {"x": "1", "tags": 5},
        "pair": ["1", 2],
        "by_name": {"a": "1"},
        "shape": {"side": "4"},
        "tree": {"value": "1", "children": {"value": "2", "children": []}},
    });
    let (found, made) = coerced(&schema, arguments);
    assert_eq!(
        found,
        json!({
            "points": [{"x": 1, "tags": ["5"]}],
            "pair": [1, "2"],
            "by_name": {"a": 1},
            "shape": {"side": 4},
            "tree": {"value": 1, "children": [{"value": 2, "children": []}]},
        })
    );
    let made = made.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    assert!(made.contains(&"`points[0].x`: \"1\" read as 1".to_owned()), "{made:?}");
    assert!(made.contains(&"`shape.side`: \"4\" read as 4".to_owned()), "{made:?}");
    assert!(made.contains(&"`tree.children[0].value`: \"2\" read as 2".to_owned()), "{made:?}");
}

#[test]
fn an_alternative_that_does_not_fit_leaves_no_trace() {
    let schema = json!({"anyOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    ]});
    let (found, made) = parameter(schema.clone(), json!({"a": "1"}));
    assert_eq!((found, made), (json!({"a": "1"}), vec![]), "the second fits as it is");
    let (found, made) = parameter(schema, json!({"a": 1}));
    assert_eq!(found, json!({"a": "1"}));
    assert_eq!(made.len(), 1, "{made:?}");
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/A"}, "y": {"$ref": "#/$defs/B"}},
        "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}, "B": {"$ref": "#/$defs/B"}},
    });
    let (found, _) = coerced(&schema, json!({"x": "1", "y": "1"}));
    assert_eq!(found, json!({"x": "1", "y": "1"}));
}
