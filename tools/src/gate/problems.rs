//! What is wrong with arguments, in sentences that a model can act on.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::preview::{self, Step};
use super::schema::{article, is_closed, item, one_of, properties, resolve, wish};

/// Every problem, at most `limit` of them and then a word about the others; empty where the arguments fit.
pub(super) fn find(validator: &Validator, schema: &Value, arguments: &Value, limit: usize) -> Vec<String> {
    let mut unknown = Vec::new();
    unknown_members(schema, schema, arguments, &mut Vec::new(), &mut unknown, limit);
    if unknown.is_empty() && validator.is_valid(arguments) {
        return unknown;
    }
    let mut errors = validator.iter_errors(arguments);
    // What is missing first: a wrong name is often the right value of the missing one.
    let mut problems = errors.by_ref().take(limit + 1).map(|error| sentence(schema, &error)).collect::<Vec<_>>();
    let more = problems.len() > limit || problems.len() + unknown.len() > limit;
    problems.truncate(limit);
    problems.extend(unknown);
    problems.truncate(limit);
    if more {
        problems.push("and more".to_owned());
    }
    problems
}

/// Members that no schema knows. Follows what is certain: members and items, not alternatives.
fn unknown_members(
    root: &Value,
    schema: &Value,
    value: &Value,
    path: &mut Vec<Step>,
    found: &mut Vec<String>,
    limit: usize,
) {
    let schema = resolve(root, schema);
    match value {
        _ if found.len() > limit => {}
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                if let Some(schema) = item(schema, index) {
                    path.push(Step::Item(index));
                    unknown_members(root, schema, value, path, found, limit);
                    path.pop();
                }
            }
        }
        Value::Object(members) => {
            let Some(declared) = properties(schema) else { return };
            for (name, value) in members {
                path.push(Step::Member(name.clone()));
                match declared.get(name) {
                    Some(schema) => unknown_members(root, schema, value, path, found, limit),
                    None if is_closed(schema) && found.len() <= limit => found.push(unknown(path, declared.keys())),
                    None => {}
                }
                path.pop();
            }
        }
        _ => {}
    }
}

fn unknown<'a>(path: &[Step], known: impl Iterator<Item = &'a String>) -> String {
    let known = preview::names(known);
    let path = preview::path(path);
    if known.is_empty() {
        format!("`{path}` is unknown: there are no parameters")
    } else {
        format!("`{path}` is unknown; known are {known}")
    }
}

fn sentence(root: &Value, error: &ValidationError<'_>) -> String {
    let steps = error.instance_path().iter().map(|segment| match segment {
        LocationSegment::Property(name) => Step::Member(name.into_owned()),
        LocationSegment::Index(index) => Step::Item(index),
    });
    let mut steps = steps.collect::<Vec<_>>();
    let path = preview::path(&steps);
    let found = preview::value(error.instance());
    let asked = |wish: &str| format!("`{path}` is {found}, but {wish} is asked for");
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let wish = schema_at(root, &steps)
                .and_then(properties)
                .and_then(|declared| declared.get(name))
                .and_then(|schema| wish(root, schema));
            steps.push(Step::Member(name.to_owned()));
            let path = preview::path(&steps);
            wish.map_or_else(|| format!("`{path}` is missing"), |wish| format!("`{path}` is missing ({wish})"))
        }
        ValidationErrorKind::Type { kind: TypeKind::Single(name) } => asked(article(name.as_str())),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(names) } => {
            asked(&names.iter().map(|name| article(name.as_str())).collect::<Vec<_>>().join(" or "))
        }
        ValidationErrorKind::Enum { options } => asked(&one_of(options.as_array().map_or(&[], Vec::as_slice))),
        ValidationErrorKind::Constant { expected_value } => asked(&preview::value(expected_value)),
        ValidationErrorKind::Minimum { limit } => asked(&format!("at least {limit}")),
        ValidationErrorKind::Maximum { limit } => asked(&format!("at most {limit}")),
        ValidationErrorKind::ExclusiveMinimum { limit } => asked(&format!("more than {limit}")),
        ValidationErrorKind::ExclusiveMaximum { limit } => asked(&format!("less than {limit}")),
        ValidationErrorKind::MultipleOf { multiple_of } => asked(&format!("a multiple of {multiple_of}")),
        ValidationErrorKind::MinLength { limit } => asked(&format!("a text of at least {limit} characters")),
        ValidationErrorKind::MaxLength { limit } => asked(&format!("a text of at most {limit} characters")),
        ValidationErrorKind::MinItems { limit } => asked(&format!("a list of at least {limit} items")),
        ValidationErrorKind::MaxItems { limit } => asked(&format!("a list of at most {limit} items")),
        ValidationErrorKind::UniqueItems => asked("a list without repetition"),
        ValidationErrorKind::Pattern { pattern } => asked(&format!("a text that matches {}", preview::name(pattern))),
        ValidationErrorKind::Format { format } => asked(&format!("the format {}", preview::name(format))),
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            let wish = schema_at(root, &steps).and_then(|schema| wish(root, schema));
            wish.map_or_else(
                || format!("`{path}` is {found}, which fits none of the allowed forms"),
                |wish| asked(&wish),
            )
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = schema_at(root, &steps)
                .and_then(properties)
                .map(|declared| preview::names(declared.keys()))
                .unwrap_or_default();
            format!("`{path}` has unknown members: {}; known are {known}", preview::names(unexpected.iter()))
        }
        _ => format!("`{path}`: {}", preview::name(&error.masked().to_string())),
    }
}

/// The schema of the value at `steps`, where members and items alone lead there.
fn schema_at<'s>(root: &'s Value, steps: &[Step]) -> Option<&'s Value> {
    let mut schema = resolve(root, root);
    for step in steps {
        schema = resolve(
            root,
            match step {
                Step::Member(name) => properties(schema)?.get(name)?,
                Step::Item(index) => item(schema, *index)?,
            },
        );
    }
    Some(schema)
}

#[cfg(test)]
#[path = "problems_tests.rs"]
mod tests;
