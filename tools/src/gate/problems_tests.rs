use serde_json::json;

use super::*;

fn found(schema: Value, arguments: Value) -> Vec<String> {
    find(&jsonschema::validator_for(&schema).unwrap(), &schema, &arguments, 4)
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city_name": {"type": "string", "minLength": 1, "pattern": "^\\p{L}"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "at": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": true},
            "id": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        },
        "required": ["city_name"],
    })
}

#[test]
fn arguments_that_fit_have_no_problem() {
    assert!(
        found(schema(), json!({"city_name": "北京", "days": 3, "at": {"x": 1, "y": 2.5}, "tags": ["a"], "id": true}))
            .is_empty()
    );
}

#[test]
fn each_problem_says_where_what_and_what_is_asked_for() {
    for (arguments, expected) in [
        (json!({}), "`city_name` is missing (a string)"),
        (json!({"city_name": null}), "`city_name` is null, but a string is asked for"),
        (json!({"city_name": "a", "days": "soon"}), "`days` is \"soon\", but an integer is asked for"),
        (json!({"city_name": "a", "days": 0}), "`days` is 0, but at least 1 is asked for"),
        (json!({"city_name": "a", "days": 8}), "`days` is 8, but at most 7 is asked for"),
        (
            json!({"city_name": "a", "unit": "kelvin"}),
            "`unit` is \"kelvin\", but one of \"celsius\", \"fahrenheit\" is asked for",
        ),
        (json!({"city_name": "1"}), "`city_name` is \"1\", but a text that matches ^\\p{L} is asked for"),
        (json!({"city_name": "a", "at": {"x": 1}}), "`at.y` is missing (a number)"),
        (json!({"city_name": "a", "at": {"x": 1, "y": "up"}}), "`at.y` is \"up\", but a number is asked for"),
        (json!({"city_name": "a", "at": {"x": 1, "y": 2, "z": 3}}), "`at.z` is unknown; known are `x`, `y`"),
        (
            json!({"city_name": "a", "tags": ["a", "b", "c"]}),
            "`tags` is [\"a\",\"b\",\"c\"], but a list of at most 2 items is asked for",
        ),
        (
            json!({"city_name": "a", "tags": ["a", "a"]}),
            "`tags` is [\"a\",\"a\"], but a list without repetition is asked for",
        ),
        (json!({"city_name": "a", "tags": ["a", {}]}), "`tags[1]` is {}, but a string is asked for"),
        (json!({"city_name": "a", "id": "x"}), "`id` is \"x\", but an integer or true or false is asked for"),
        (json!([1]), "`arguments` is [1], but an object is asked for"),
    ] {
        assert_eq!(found(schema(), arguments.clone()), [expected], "{arguments}");
    }
}

#[test]
fn a_wrong_name_is_told_after_what_is_missing_with_the_right_ones() {
    assert_eq!(
        found(schema(), json!({"city": "a"})),
        [
            "`city_name` is missing (a string)",
            "`city` is unknown; known are `city_name`, `days`, `unit`, `at`, `tags`, `id`"
        ]
    );
    assert_eq!(
        found(json!({"type": "object", "properties": {}}), json!({"x": 1})),
        ["`x` is unknown: there are no parameters"]
    );
}

#[test]
fn a_schema_that_says_so_takes_other_members() {
    for open in [json!({"additionalProperties": true}), json!({"patternProperties": {"^x": {}}})] {
        let mut schema = json!({"type": "object", "properties": {"a": {}}});
        schema.as_object_mut().unwrap().extend(open.as_object().unwrap().clone());
        assert!(found(schema, json!({"xyz": 1})).is_empty(), "{open}");
    }
    assert!(found(json!({"type": "object"}), json!({"xyz": 1})).is_empty());
    let closed = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    assert_eq!(found(closed, json!({"b": 1})), ["`arguments` has unknown members: `b`; known are `a`"]);
}

#[test]
fn many_problems_and_long_values_are_cut() {
    let many = Value::Array(vec![json!(1); 100]);
    let problems = found(
        json!({"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}}}),
        json!({"x": many}),
    );
    assert_eq!(problems.len(), 5);
    assert_eq!(problems.last().unwrap(), "and more");
    let long = "x".repeat(10_000_000);
    let problems = found(
        json!({"type": "object", "properties": {"x": {"type": "integer"}}}),
        json!({"x": long, (long.clone()): 1}),
    );
    assert!(problems.iter().all(|problem| problem.len() < 300), "{}", problems.iter().map(String::len).max().unwrap());
}
