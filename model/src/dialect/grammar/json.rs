//! JSON Schema to Lark for arguments written as JSON: our converter, and where it does not know a keyword, llguidance's.
//!
//! Ours comes first. It bounds white space, numbers and nesting, so a model cannot go on for ever inside a call, and
//! tools share what is equal in them, so 100 of them are compiled in a few milliseconds.

use llguidance::api::ParserLimits;
use llguidance::{GrammarBuilder, JsonCompileOptions};
use serde_json::{Map, Value, json};

use super::convert;
use super::lark::Lark;
use super::schema::{others, required};
use super::syntax::Syntax;

/// White space between the parts of the arguments: little, or the model may write nothing else.
const WHITE_SPACE: &str = r"(?:[ ]{1,2}|\r?\n[ \t]{0,32})";

/// The largest integer of a parameter without bounds. JSON readers agree on it, and nines alone make a small expression.
const MAX_INTEGER: i64 = 999_999_999_999_999;

/// The largest number of a parameter without bounds.
const MAX_NUMBER: f64 = 1e15;

/// The nesting of a value without a type.
const ANY_DEPTH: usize = 3;

/// Adds the rules for the arguments of a tool, and gives what stands for them.
///
/// # Errors
/// What neither converter can express: the keyword and its place, and what llguidance says of it.
pub(super) fn arguments(lark: &mut Lark, schema: &Value) -> Result<String, String> {
    match convert::arguments(lark, schema, Syntax::Json) {
        Ok(name) => Ok(name),
        Err(problem) => nested(schema).map_err(|also| format!("{problem}; llguidance: {also}")),
    }
}

/// The arguments as a `%json` value.
///
/// Objects that declare properties take no others unless they say so; numbers without bounds get wide ones, so that
/// they end; formats are annotations, as they are for the schema check.
///
/// # Errors
/// What llguidance cannot express.
fn nested(schema: &Value) -> Result<String, String> {
    let mut schema = schema.clone();
    if let Some(map) = schema.as_object_mut()
        && !map.contains_key("properties")
        && !map.contains_key("additionalProperties")
        && !["$ref", "anyOf", "oneOf", "allOf"].iter().any(|key| map.contains_key(*key))
    {
        map.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    prepare(&mut schema, true);
    let options = JsonCompileOptions {
        whitespace_flexible: true,
        whitespace_pattern: Some(WHITE_SPACE.to_owned()),
        coerce_one_of: true,
        ..JsonCompileOptions::default()
    };
    let builder = GrammarBuilder::new(None, ParserLimits::default());
    options.json_to_llg(builder, schema.clone()).map_err(|error| format!("{error:#}"))?;
    let Some(map) = schema.as_object_mut() else {
        return Err("the parameters are not the schema of an object".to_owned());
    };
    map.insert(
        "x-guidance".to_owned(),
        json!({"whitespace_flexible": true, "whitespace_pattern": WHITE_SPACE, "coerce_one_of": true}),
    );
    Ok(format!("%json {schema}"))
}

/// Any value, nested so deep at most: llguidance's own has numbers without an end.
fn any(depth: usize) -> Value {
    let number = json!({"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER});
    let mut options = vec![json!({"type": "string"}), number, json!({"type": "boolean"}), json!({"type": "null"})];
    if let Some(inner) = depth.checked_sub(1) {
        let inner = any(inner);
        options.push(json!({"type": "array", "items": inner}));
        options.push(json!({"type": "object", "additionalProperties": inner}));
    }
    json!({"anyOf": options})
}

/// What may hold anything gets a bounded form of it.
fn fill_any(schema: &mut Value) {
    let nothing_said = match schema {
        Value::Bool(allowed) => *allowed,
        Value::Object(map) => others(map, &[]).is_none() && !map.contains_key("not"),
        _ => false,
    };
    if nothing_said {
        *schema = any(ANY_DEPTH);
        return;
    }
    let Some(map) = schema.as_object_mut() else { return };
    let is = |map: &Map<String, Value>, kind: &str| match map.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    };
    if is(map, "array") && !map.contains_key("items") && !map.contains_key("prefixItems") {
        map.insert("items".to_owned(), any(ANY_DEPTH - 1));
    }
    if is(map, "object")
        && !["properties", "additionalProperties", "patternProperties"].iter().any(|key| map.contains_key(*key))
    {
        map.insert("additionalProperties".to_owned(), any(ANY_DEPTH - 1));
    }
}

/// `closed`: whether an object that says nothing of further properties takes none. Not inside `allOf` and the like,
/// where another part may declare them.
fn prepare(schema: &mut Value, closed: bool) {
    fill_any(schema);
    let Some(map) = schema.as_object_mut() else { return };
    map.remove("format");
    let merged = ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|key| map.contains_key(*key));
    if map.contains_key("properties") {
        declare_required(map);
        if closed && !merged && !map.contains_key("patternProperties") {
            map.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
    bound_numbers(map);
    let alone = !["properties", "$ref", "allOf"].iter().any(|key| map.contains_key(*key));
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(members)) => {
                members.values_mut().for_each(|member| prepare(member, true));
            }
            ("items" | "additionalProperties", value) => prepare(value, true),
            ("prefixItems", Value::Array(items)) => items.iter_mut().for_each(|item| prepare(item, true)),
            ("anyOf" | "oneOf", Value::Array(options)) => {
                options.iter_mut().for_each(|option| prepare(option, closed && alone));
            }
            ("allOf", Value::Array(options)) => {
                let one = options.len() == 1;
                options.iter_mut().for_each(|option| prepare(option, closed && one));
            }
            _ => {}
        }
    }
}

/// Names that are required and not declared take any value.
fn declare_required(map: &mut Map<String, Value>) {
    let names: Vec<String> = required(map).into_iter().map(str::to_owned).collect();
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        for name in names {
            properties.entry(name).or_insert(Value::Bool(true));
        }
    }
}

fn bound_numbers(map: &mut Map<String, Value>) {
    let (low, high): (Value, Value) = match map.get("type").and_then(Value::as_str) {
        Some("integer") => ((-MAX_INTEGER).into(), MAX_INTEGER.into()),
        Some("number") => ((-MAX_NUMBER).into(), MAX_NUMBER.into()),
        _ => return,
    };
    // A value list says all there is to say.
    if map.contains_key("enum") || map.contains_key("const") {
        return;
    }
    if !map.contains_key("minimum") && !map.contains_key("exclusiveMinimum") {
        map.insert("minimum".to_owned(), low);
    }
    if !map.contains_key("maximum") && !map.contains_key("exclusiveMaximum") {
        map.insert("maximum".to_owned(), high);
    }
}
