//! Reading a JSON Schema as far as coercion and error messages need it. The verdict is the validator's.

use serde_json::{Map, Value};

/// How many `$ref` in a row are followed: more is a cycle.
const HOPS: usize = 16;

/// The schema that `schema` refers to within `root`, or itself.
pub(super) fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..HOPS {
        let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
        else {
            break;
        };
        match root.pointer(pointer) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The types that the schema itself asks for; empty where it asks for none.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => Vec::new(),
    }
}

/// Whether `value` is of one of `types`. An integer is one that is written as one: `3.0` is a valid integer to JSON
/// Schema but not to serde.
pub(super) fn is_of(value: &Value, types: &[&str]) -> bool {
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        })
}

/// The branches of `anyOf` and `oneOf`.
pub(super) fn alternatives(schema: &Value) -> impl Iterator<Item = &Vec<Value>> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array())
}

/// The declared members of an object.
pub(super) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

/// Whether the object must have this member.
pub(super) fn requires(schema: &Value, member: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|name| name == member))
}

/// The schema of the item at `index`.
pub(super) fn item(schema: &Value, index: usize) -> Option<&Value> {
    schema.get("prefixItems").and_then(|prefix| prefix.get(index)).or_else(|| schema.get("items"))
}

/// Whether the object's members are those of `properties` and no others. Stricter than JSON Schema, which allows what it
/// does not mention: a parameter that nobody reads is a mistake the model should hear of. Where the schema has any
/// other word about members, that word counts.
pub(super) fn is_closed(schema: &Value) -> bool {
    const OPENERS: [&str; 9] = [
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "$ref",
        "dependentSchemas",
    ];
    properties(schema).is_some() && !OPENERS.iter().any(|key| schema.get(key).is_some())
}

/// What the schema asks for, in a few words: `an integer`, `one of "a", "b"`.
pub(super) fn wish(root: &Value, schema: &Value) -> Option<String> {
    let schema = resolve(root, schema);
    if let Some(constant) = schema.get("const") {
        return Some(super::preview::value(constant));
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return Some(one_of(values));
    }
    let types = types(schema);
    if !types.is_empty() {
        return Some(types.into_iter().map(article).collect::<Vec<_>>().join(" or "));
    }
    let wishes =
        alternatives(schema).flatten().take(6).filter_map(|branch| shallow_wish(root, branch)).collect::<Vec<_>>();
    (!wishes.is_empty()).then(|| wishes.join(" or "))
}

/// As [`wish`], without going into alternatives of alternatives: those may be cyclic.
fn shallow_wish(root: &Value, schema: &Value) -> Option<String> {
    let schema = resolve(root, schema);
    if alternatives(schema).next().is_some() { None } else { wish(root, schema) }
}

/// `one of "a", "b"`, at most twelve of them.
pub(super) fn one_of(values: &[Value]) -> String {
    let mut list = values.iter().take(12).map(super::preview::value).collect::<Vec<_>>().join(", ");
    if values.len() > 12 {
        list.push_str(&format!(" and {} more", values.len() - 12));
    }
    format!("one of {list}")
}

/// The type's name with its article.
pub(super) fn article(name: &str) -> &str {
    match name {
        "null" => "null",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}
