//! From a Rust type to the schema that a model reads.
//!
//! schemars describes a type for validators; a small model reads every word of it at each turn, and a grammar is built
//! from it. So what carries no information for them goes (`$schema`, `title`, `format: "uint8"`), what the format said
//! about an integer's range stays as `minimum` and `maximum`, and an optional parameter may be left out rather than
//! `null`, so that there is one way to say "nothing".

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of an object of arguments.
pub(crate) fn parameters_of<A: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<A>().to_value();
    lean(&mut schema);
    if let Value::Object(schema) = &mut schema {
        // The docs of the struct are the tool's, if anybody's.
        schema.shift_remove("description");
        for (key, empty) in [("properties", json!({})), ("required", json!([]))] {
            schema.entry(key).or_insert(empty);
        }
        order(schema, &["type", "properties", "required"]);
    }
    schema
}

/// Applies the rules of this module to `schema` and to every schema in it. Recursive: only for schemas of our own types.
fn lean(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    for noise in ["$schema", "title"] {
        schema.shift_remove(noise);
    }
    bounds_from_format(schema);
    for key in ["properties", "$defs", "patternProperties"] {
        if let Some(Value::Object(members)) = schema.get_mut(key) {
            members.values_mut().for_each(lean);
        }
    }
    for key in ["items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"] {
        if let Some(inner) = schema.get_mut(key) {
            lean(inner);
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(members)) = schema.get_mut(key) {
            members.iter_mut().for_each(lean);
        }
    }
    enum_from_constants(schema);
    without_null_where_optional(schema);
    order(schema, &["type", "description"]);
}

/// Replaces an integer's `format` by the range that it means. Those of 64 bits and more say nothing that a model could
/// use, and JSON numbers of other readers cannot hold them anyway.
fn bounds_from_format(schema: &mut Map<String, Value>) {
    let numeric = |name: &Value| matches!(name.as_str(), Some("integer" | "number"));
    let is_numeric = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(numeric),
        Some(name) => numeric(name),
        None => false,
    };
    if !is_numeric {
        return;
    }
    let Some(format) = schema.shift_remove("format") else { return };
    let (minimum, maximum) = match format.as_str() {
        Some("int8") => (Some(i64::from(i8::MIN)), Some(i64::from(i8::MAX))),
        Some("int16") => (Some(i64::from(i16::MIN)), Some(i64::from(i16::MAX))),
        Some("int32") => (Some(i64::from(i32::MIN)), Some(i64::from(i32::MAX))),
        Some("uint8") => (Some(0), Some(i64::from(u8::MAX))),
        Some("uint16") => (Some(0), Some(i64::from(u16::MAX))),
        Some("uint32") => (Some(0), Some(i64::from(u32::MAX))),
        Some("uint64" | "uint128" | "uint") => (Some(0), None),
        _ => (None, None),
    };
    for (key, bound) in [("minimum", minimum), ("maximum", maximum)] {
        if let Some(bound) = bound {
            schema.entry(key).or_insert_with(|| bound.into());
        }
    }
}

/// An enum whose variants have docs comes as `oneOf` of constants. One `enum`, with the docs in the description, says
/// the same in half the tokens and is simpler to constrain.
fn enum_from_constants(schema: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = schema.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut docs = Vec::new();
    for branch in branches {
        let Value::Object(branch) = branch else { return };
        if branch.keys().any(|key| !matches!(key.as_str(), "const" | "enum" | "type" | "description")) {
            return;
        }
        let of_branch = match (branch.get("const"), branch.get("enum")) {
            (Some(value @ Value::String(_)), None) => vec![value.clone()],
            (None, Some(Value::Array(values))) if values.iter().all(Value::is_string) => values.clone(),
            _ => return,
        };
        if let (Some(Value::String(doc)), [Value::String(value)]) = (branch.get("description"), of_branch.as_slice()) {
            docs.push(format!("`{value}`: {}", doc.trim_end_matches('.')));
        }
        values.extend(of_branch);
    }
    let own = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let docs = (!docs.is_empty()).then(|| format!("{}.", docs.join("; ")));
    schema.shift_remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    let description = own.into_iter().chain(docs).collect::<Vec<_>>().join("\n");
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
    schema.insert("enum".to_owned(), values.into());
}

fn without_null_where_optional(schema: &mut Map<String, Value>) {
    let required = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (name, property) in properties {
        if let (false, Value::Object(property)) = (required.contains(name), property) {
            without_null(property);
            order(property, &["type", "description"]);
        }
    }
}

/// `Option<T>` as `T`.
fn without_null(schema: &mut Map<String, Value>) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.shift_remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = schema.get_mut(key) else { continue };
        branches.retain(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            schema.shift_remove(key);
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
}

/// Moves `first` to the front, in this order.
fn order(schema: &mut Map<String, Value>, first: &[&str]) {
    let mut ordered = Map::with_capacity(schema.len());
    for key in first {
        if let Some((key, value)) = schema.shift_remove_entry(*key) {
            ordered.insert(key, value);
        }
    }
    ordered.append(schema);
    *schema = ordered;
}
