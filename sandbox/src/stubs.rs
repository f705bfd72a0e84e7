//! What the tools look like from Python: signatures and docstrings for the prompt.
//!
//! The functions themselves are made in the sandbox (`guest/glassbox_guest/tools.py`), by the same rules: names become
//! identifiers, required parameters come first, what may be left out has a default.

use std::collections::HashSet;
use std::fmt::Write as _;

use glassbox_tools::ToolSpec;
use serde_json::{Map, Value};

const KEYWORDS: &str = "False None True and as assert async await break class continue def del elif else except finally \
    for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Names that programs use; a tool of such a name gets `_` behind. As in `guest/glassbox_guest/names.py`.
const TAKEN: &str = "abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile \
    complex delattr dict dir divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash \
    help hex id input int isinstance issubclass iter len list locals map max memoryview min next object oct open ord pow \
    print property quit range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip \
    Out ToolError clear_output display tools";

/// Containers in containers are described to this depth.
const DEPTH: u32 = 4;

/// The tools as Python declarations, as a `.pyi` file has them: signature and docstring, a blank line between two.
///
/// Types come from the JSON schemas; `= ...` stands for what may be left out. A parameter's description is a line of the
/// docstring.
pub fn python_stubs(specs: &[ToolSpec]) -> String {
    let stubs: Vec<String> = python_names(specs).iter().zip(specs).map(|(name, spec)| stub(name, spec)).collect();
    stubs.join("\n")
}

/// The names under which programs call the tools, in the same order.
pub fn python_names(specs: &[ToolSpec]) -> Vec<String> {
    let (mut taken, mut names) = (HashSet::new(), Vec::new());
    for spec in specs {
        let name = identifier(&spec.name, &taken, true);
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

fn stub(name: &str, spec: &ToolSpec) -> String {
    let nothing = Map::new();
    let properties = spec.parameters.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    let required: HashSet<&str> = spec
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let (first, then): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| required.contains(name.as_str()));
    let (mut taken, mut parameters, mut described) = (HashSet::new(), Vec::new(), Vec::new());
    for (property, schema) in first.into_iter().chain(then) {
        let python = identifier(property, &taken, false);
        let mut parameter = format!("{python}: {}", annotation(schema, DEPTH));
        if !required.contains(property.as_str()) {
            let default = schema.get("default").map_or_else(|| "...".to_owned(), literal);
            let _ = write!(parameter, " = {default}");
        }
        if let Some(text) = schema.get("description").and_then(Value::as_str).filter(|text| !text.trim().is_empty()) {
            described.push(format!("{python}: {}", text.trim()));
        }
        parameters.push(parameter);
        taken.insert(python);
    }
    if !matches!(spec.parameters.get("additionalProperties"), None | Some(Value::Null | Value::Bool(false))) {
        parameters.push(if taken.contains("extra") { "**extra_" } else { "**extra" }.to_owned());
    }
    format!("def {name}({}):\n{}\n", parameters.join(", "), docstring(spec.description.trim(), &described))
}

fn docstring(description: &str, parameters: &[String]) -> String {
    let mut lines: Vec<&str> = description.lines().collect();
    if !parameters.is_empty() && !lines.is_empty() {
        lines.push("");
    }
    lines.extend(parameters.iter().flat_map(|text| text.lines()));
    let lines: Vec<String> =
        lines.iter().map(|line| line.trim_end().replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"")).collect();
    match lines.as_slice() {
        [] => "    ...".to_owned(),
        // A quote in front of the closing ones would be one of them.
        [one] if !one.ends_with('"') => format!("    \"\"\"{one}\"\"\""),
        [head, rest @ ..] => {
            let mut text = format!("    \"\"\"{head}\n");
            for line in rest {
                let _ = if line.is_empty() { writeln!(text) } else { writeln!(text, "    {line}") };
            }
            text + "    \"\"\""
        }
    }
}

/// The Python type that a schema describes.
fn annotation(schema: &Value, depth: u32) -> String {
    let any = || "Any".to_owned();
    let Some(object) = schema.as_object().filter(|_| depth > 0) else { return any() };
    if let Some(value) = object.get("const") {
        return literals(std::slice::from_ref(value));
    }
    if let Some(values) = object.get("enum").and_then(Value::as_array) {
        return literals(values);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(parts) = object.get(key).and_then(Value::as_array).filter(|parts| !parts.is_empty()) {
            return union(parts.iter().map(|part| annotation(part, depth.saturating_sub(1))));
        }
    }
    match object.get("type") {
        Some(Value::Array(kinds)) if !kinds.is_empty() => union(kinds.iter().map(|kind| {
            let mut one = object.clone();
            one.insert("type".to_owned(), kind.clone());
            annotation(&Value::Object(one), depth.saturating_sub(1))
        })),
        Some(Value::String(kind)) => match kind.as_str() {
            "string" => "str".to_owned(),
            "integer" => "int".to_owned(),
            "number" => "float".to_owned(),
            "boolean" => "bool".to_owned(),
            "null" => "None".to_owned(),
            "object" => "dict".to_owned(),
            "array" => object.get("items").filter(|items| items.is_object()).map_or_else(
                || "list".to_owned(),
                |items| format!("list[{}]", annotation(items, depth.saturating_sub(1))),
            ),
            _ => any(),
        },
        _ => any(),
    }
}

fn literals(values: &[Value]) -> String {
    let plain = |value: &Value| value.is_null() || value.is_string() || value.is_boolean() || value.is_i64();
    if values.is_empty() || !values.iter().all(plain) {
        return "Any".to_owned();
    }
    format!("Literal[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", "))
}

fn union(parts: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for part in parts {
        if part == "Any" {
            return part;
        }
        if !seen.contains(&part) {
            seen.push(part);
        }
    }
    seen.join(" | ")
}

/// A JSON value as Python writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        // JSON's numbers and strings are Python's.
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", Value::String(name.clone()), literal(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A name as an identifier that is not taken: runs of other characters become `_`, a keyword gets one behind; a tool's
/// name too where programs use it for something else.
fn identifier(name: &str, taken: &HashSet<String>, tool: bool) -> String {
    let fits = |c: char| c.is_alphabetic() || c.is_ascii_digit() || c == '_';
    let words: Vec<&str> = name.split(|c| !fits(c)).filter(|word| !word.is_empty()).collect();
    let mut text = words.join("_");
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    let is_in = |names: &str| names.split_whitespace().any(|one| one == text);
    if is_in(KEYWORDS) || tool && is_in(TAKEN) {
        text.push('_');
    }
    let mut found = text.clone();
    for number in 2.. {
        if !taken.contains(&found) {
            break;
        }
        found = format!("{text}_{number}");
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_declared_as_python_has_them() {
        let weather =
            ToolSpec::new("get-weather", "The weather of a place.\nFor up to ten days.").with_parameters(json!({
                "type": "object",
                "properties": {
                    "days": {"type": "integer", "default": 3, "description": "1 to 10"},
                    "from": {"type": "string", "description": "a \"place\""},
                    "unit": {"enum": ["c", "f"]},
                    "tags": {"type": "array", "items": {"type": "string"}, "default": ["a", null]},
                    "note": {"type": ["string", "null"]},
                    "more": {"anyOf": [{"type": "object"}, {"type": "array"}, {"type": "boolean"}]},
                    "odd": {"$ref": "#/x"},
                },
                "required": ["from"],
                "additionalProperties": {"type": "string"},
            }));
        let now = ToolSpec::new("now", "The time.");
        let bare = ToolSpec::new("print", "");
        let quoted = ToolSpec::new("text-to-speech", "Says \"\"\"hello\"\"\" and C:\\ and \"bye\"");
        insta::assert_snapshot!(python_stubs(&[weather, now, bare, quoted]), @r##"
        def get_weather(from_: str, days: int = 3, unit: Literal["c", "f"] = ..., tags: list[str] = ["a", None], note: str | None = ..., more: dict | list | bool = ..., odd: Any = ..., **extra):
            """The weather of a place.
            For up to ten days.

            from_: a "place"
            days: 1 to 10
            """

        def now():
            """The time."""

        def print_():
            ...

        def text_to_speech():
            """Says \"\"\"hello\"\"\" and C:\\ and "bye"
            """
        "##);
    }

    #[test]
    fn names_are_those_of_the_guest() {
        let list: Value = serde_json::from_str(include_str!("../guest/tests/names.json")).unwrap();
        for (key, tool) in [("tools", true), ("parameters", false)] {
            let mut taken = HashSet::new();
            for pair in list.get(key).and_then(Value::as_array).unwrap() {
                let [name, wanted] = [0, 1].map(|at| pair.get(at).and_then(Value::as_str).unwrap());
                let given = identifier(name, &taken, tool);
                assert_eq!(given, wanted);
                taken.insert(given);
            }
        }
    }
}
