//! What the converters of JSON Schema share: keywords, references, and errors that name the place.

use serde_json::{Map, Value};

/// Keywords that constrain values and that cannot be written as a grammar.
const UNSUPPORTED: [&str; 21] = [
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "multipleOf",
    "additionalItems",
    "$dynamicRef",
    "$recursiveRef",
];

/// Keywords that constrain values and are understood.
const UNDERSTOOD: [&str; 23] = [
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
];

/// What cannot be written as a grammar, and where it stands.
pub(super) type Problem = String;

/// A place in a schema, as a JSON pointer.
#[derive(Debug, Clone)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn root() -> Self {
        Self("#".to_owned())
    }

    pub(super) fn with(&self, part: impl std::fmt::Display) -> Self {
        Self(format!("{}/{part}", self.0))
    }

    /// How deep it is.
    pub(super) fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    pub(super) fn problem(&self, what: impl std::fmt::Display) -> Problem {
        format!("{what} (at {})", self.0)
    }

    pub(super) fn keyword(&self, keyword: &str) -> Problem {
        self.problem(format!("the keyword `{keyword}` cannot be turned into a grammar"))
    }
}

/// Refuses keywords that would be left unheeded. All others are annotations.
pub(super) fn check_keywords(schema: &Map<String, Value>, path: &Path) -> Result<(), Problem> {
    for (key, value) in schema {
        let harmless = match key.as_str() {
            "uniqueItems" => *value == Value::Bool(false),
            "minProperties" => value.as_f64() == Some(0.0),
            "multipleOf" => is_whole_number_step(schema),
            _ => false,
        };
        if UNSUPPORTED.contains(&key.as_str()) && !harmless {
            return Err(path.keyword(key));
        }
    }
    Ok(())
}

/// `multipleOf: 1` says no more than `type: integer` does.
fn is_whole_number_step(schema: &Map<String, Value>) -> bool {
    schema.get("multipleOf").and_then(Value::as_f64) == Some(1.0)
        && schema.get("type").and_then(Value::as_str) == Some("integer")
}

/// The constraining keywords of `schema` besides `but`.
pub(super) fn others<'a>(schema: &'a Map<String, Value>, but: &[&str]) -> Option<&'a str> {
    schema.keys().map(String::as_str).find(|key| UNDERSTOOD.contains(key) && !but.contains(key))
}

/// What `reference` (`#/$defs/…`) points to.
pub(super) fn resolve<'a>(root: &'a Value, reference: &str, path: &Path) -> Result<&'a Value, Problem> {
    let pointer = reference
        .strip_prefix('#')
        .ok_or_else(|| path.problem(format!("`{reference}` points out of the schema; only `#/…` is followed")))?;
    let pointer = percent_decoded(pointer);
    root.pointer(&pointer).ok_or_else(|| path.problem(format!("`{reference}` points to nothing")))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A keyword that holds a count.
pub(super) fn count(schema: &Map<String, Value>, keyword: &str, path: &Path) -> Result<Option<u32>, Problem> {
    let Some(value) = schema.get(keyword) else { return Ok(None) };
    let count = value.as_u64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64));
    let count = count.and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= 1_000_000);
    count.map(Some).ok_or_else(|| path.problem(format!("`{keyword}` is {value}, not a count up to a million")))
}

/// A keyword that holds a number.
pub(super) fn bound(schema: &Map<String, Value>, keyword: &str, path: &Path) -> Result<Option<f64>, Problem> {
    match schema.get(keyword) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().map(Some).ok_or_else(|| path.problem(format!("`{keyword}` is {value}, not a number")))
        }
    }
}

/// The names under `required`.
pub(in crate::dialect) fn required(schema: &Map<String, Value>) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
