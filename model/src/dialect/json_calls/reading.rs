//! What in a JSON value is a call.

use serde_json::{Map, Value};

use crate::dialect::literal;

/// Keys under which models put the arguments.
pub(crate) const ARGUMENT_KEYS: [&str; 3] = ["arguments", "parameters", "args"];

/// Keys with which an object that holds a call may begin.
const CALL_KEYS: [&str; 9] =
    ["name", "arguments", "parameters", "args", "function", "type", "id", "tool_calls", "tool_call"];

/// A call as it stands in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonCall {
    /// The tool's name.
    pub(crate) name: String,
    /// The arguments, or what is wrong with them.
    pub(crate) arguments: Result<Value, String>,
}

/// True for a key that may stand in an object that holds a call.
pub(crate) fn is_call_key(key: &str) -> bool {
    CALL_KEYS.contains(&key)
}

/// True for a key that holds arguments.
pub(crate) fn is_argument_key(key: &str) -> bool {
    ARGUMENT_KEYS.contains(&key)
}

/// The calls in `value`; `None` where it is no call.
///
/// Knows `{"name", "arguments" | "parameters" | "args"}`, the same under `function`, OpenAI's
/// `{"tool_calls": […]}`, and lists of these. Arguments may be given as a string that holds JSON.
pub(crate) fn calls(value: &Value) -> Option<Vec<JsonCall>> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_object().and_then(one)).collect::<Option<Vec<_>>>()
        }
        Value::Object(map) => match map.get("tool_calls") {
            Some(list @ Value::Array(_)) => calls(list),
            _ => one(map).map(|call| vec![call]),
        },
        _ => None,
    }
}

/// The arguments of the one call that `text` is; `None` where it is none or not whole, or where its arguments are no object.
pub(super) fn arguments(text: &str) -> Option<Map<String, Value>> {
    match calls(&serde_json::from_str(text).ok()?)?.into_iter().next()?.arguments.ok()? {
        Value::Object(arguments) => Some(arguments),
        _ => None,
    }
}

fn one(map: &Map<String, Value>) -> Option<JsonCall> {
    for key in ["function", "tool_call"] {
        match map.get(key) {
            Some(Value::Object(inner)) => return one(inner),
            Some(Value::String(name)) if key == "function" => return with_arguments(name, map),
            _ => {}
        }
    }
    with_arguments(map.get("name")?.as_str()?, map)
}

fn with_arguments(name: &str, map: &Map<String, Value>) -> Option<JsonCall> {
    let arguments = ARGUMENT_KEYS.iter().find_map(|key| map.get(*key))?;
    if defines_tool(map) {
        return None;
    }
    Some(JsonCall { name: name.to_owned(), arguments: arguments_of(arguments) })
}

/// True for the definition of a tool. A model that tells which tools it has writes them down.
pub(crate) fn is_definition(value: &Value) -> bool {
    value.as_object().is_some_and(|map| defines_tool(map.get("function").and_then(Value::as_object).unwrap_or(map)))
}

fn defines_tool(map: &Map<String, Value>) -> bool {
    let schema = map.get("parameters").or_else(|| map.get("arguments"));
    map.contains_key("description")
        && schema.is_some_and(|schema| schema.get("properties").is_some_and(Value::is_object))
}

fn arguments_of(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Object(Map::new())),
        Value::String(text) => match read(text) {
            Ok(value) => Ok(value),
            Err(problem) => Err(format!("the arguments are text that holds no JSON: {problem}")),
        },
        other => Ok(other.clone()),
    }
}

/// Reads JSON; where it is not quite JSON, as models write it.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) => literal::read_relaxed_json(text).map_err(|error| error.to_string()),
    }
}
