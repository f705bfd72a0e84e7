//! Harmless corrections of arguments.
//!
//! Small models write `"10"` where 10 is asked for. Sending that back costs a whole turn and often gives the same
//! again, while its meaning was never in doubt. So what can mean only one thing is corrected, and every correction is
//! reported. What could mean two things is left for the schema check to refuse. The whole list is [`CoercionRule`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::preview::{self, Step};
use super::schema::{alternatives, is_of, item, properties, requires, resolve, types};

/// One correction of a call's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coercion {
    /// Where: `days`, `range[0]`, `address.city`; `arguments` for the whole.
    pub path: String,
    /// Why it was allowed.
    pub rule: CoercionRule,
    /// What stood there, as JSON, cut where it is long.
    pub from: String,
    /// What stands there now, as JSON, cut where it is long; empty where it was dropped.
    pub to: String,
}

impl std::fmt::Display for Coercion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, from, to, .. } = self;
        if to.is_empty() { write!(f, "`{path}`: {from} dropped") } else { write!(f, "`{path}`: {from} read as {to}") }
    }
}

/// The corrections that are made. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoercionRule {
    /// The arguments were a JSON text that holds an object, or null where none were meant.
    ArgumentsText,
    /// `"10"` for an integer or a number.
    TextToNumber,
    /// `"true"` or `"false"`, in any case, for a boolean.
    TextToBoolean,
    /// `10` for a string.
    NumberToText,
    /// `3.0` for an integer.
    WholeFloat,
    /// One value for a list of such values.
    ListOfOne,
    /// Null for an optional parameter that cannot be null: left out.
    OptionalNull,
    /// `"Celsius"` for `"celsius"`, where only one choice differs in nothing but case.
    ChoiceCase,
}

/// Corrects `arguments` towards `schema`. They must not be nested deep.
pub(super) fn coerce(arguments: &mut Value, schema: &Value) -> Vec<Coercion> {
    let mut coercer = Coercer { root: schema, path: Vec::new(), made: Vec::new(), fuel: FUEL };
    coercer.whole(arguments);
    coercer.value(arguments, schema);
    coercer.made
}

/// How many schemas are looked at for one call. Alternatives within alternatives multiply; a schema that would take more
/// than this is not coerced further, only checked.
const FUEL: usize = 200_000;

/// How deep schemas and values are followed together. Values and schemas are each at most 64 deep, but a schema may
/// refer to itself.
const DEPTH: usize = 160;

struct Coercer<'s> {
    root: &'s Value,
    path: Vec<Step>,
    made: Vec<Coercion>,
    fuel: usize,
}

impl<'s> Coercer<'s> {
    fn note(&mut self, rule: CoercionRule, from: &Value, to: Option<&Value>) {
        let to = to.map(preview::value).unwrap_or_default();
        self.made.push(Coercion { path: preview::path(&self.path), rule, from: preview::value(from), to });
    }

    fn replace(&mut self, value: &mut Value, rule: CoercionRule, new: Value) {
        self.note(rule, value, Some(&new));
        *value = new;
    }

    fn within(&mut self, step: Step, go: impl FnOnce(&mut Self)) {
        self.path.push(step);
        go(self);
        self.path.pop();
    }

    /// Arguments as text, or as null where a model has nothing to say.
    fn whole(&mut self, arguments: &mut Value) {
        let object = match arguments {
            Value::Null => Value::Object(Map::new()),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(object @ Value::Object(_)) => object,
                _ => return,
            },
            _ => return,
        };
        self.replace(arguments, CoercionRule::ArgumentsText, object);
    }

    fn value(&mut self, value: &mut Value, schema: &'s Value) {
        self.deeper(value, schema, 0);
    }

    fn deeper(&mut self, value: &mut Value, schema: &'s Value, depth: usize) {
        if depth > DEPTH || self.fuel == 0 {
            return;
        }
        self.fuel -= 1;
        let depth = depth + 1;
        let schema = resolve(self.root, schema);
        if let Some(Value::Array(all)) = schema.get("allOf") {
            for one in all {
                self.deeper(value, one, depth);
            }
        }
        for branches in alternatives(schema) {
            self.alternative(value, branches, depth);
        }
        let types = types(schema);
        if !is_of(value, &types) {
            self.convert(value, &types);
        }
        self.choice(value, schema);
        self.members(value, schema, depth);
    }

    /// The first branch that fits the value as it is; else the first that fits it once it is corrected.
    fn alternative(&mut self, value: &mut Value, branches: &'s [Value], depth: usize) {
        if let Some(branch) = branches.iter().find(|branch| self.fits(value, branch, depth)) {
            self.deeper(value, branch, depth);
            return;
        }
        for branch in branches {
            let made = self.made.len();
            let mut candidate = value.clone();
            self.deeper(&mut candidate, branch, depth);
            if self.fits(&candidate, branch, depth) {
                *value = candidate;
                return;
            }
            self.made.truncate(made);
        }
    }

    fn convert(&mut self, value: &mut Value, types: &[&str]) {
        let asks = |name: &str| types.contains(&name);
        let new = match value {
            Value::String(text) => {
                let text = text.trim();
                let number = number(text).filter(|_| asks("number") || asks("integer"));
                match number {
                    Some(number) if asks("number") || number.is_i64() || number.is_u64() => {
                        Some((CoercionRule::TextToNumber, Value::Number(number)))
                    }
                    Some(number) => whole(&number).map(|number| (CoercionRule::TextToNumber, Value::Number(number))),
                    None if asks("boolean") && text.eq_ignore_ascii_case("true") => {
                        Some((CoercionRule::TextToBoolean, Value::Bool(true)))
                    }
                    None if asks("boolean") && text.eq_ignore_ascii_case("false") => {
                        Some((CoercionRule::TextToBoolean, Value::Bool(false)))
                    }
                    None => None,
                }
            }
            Value::Number(number) if asks("integer") && whole(number).is_some() => {
                whole(number).map(|number| (CoercionRule::WholeFloat, Value::Number(number)))
            }
            Value::Number(number) if asks("string") => {
                Some((CoercionRule::NumberToText, Value::String(number.to_string())))
            }
            _ => None,
        };
        if let Some((rule, new)) = new {
            self.replace(value, rule, new);
        } else if asks("array") && !value.is_null() && !looks_like_a_list(value) {
            let list = Value::Array(vec![value.clone()]);
            self.replace(value, CoercionRule::ListOfOne, list);
        }
    }

    /// A choice in another case, where only one can be meant.
    fn choice(&mut self, value: &mut Value, schema: &Value) {
        let choices = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(choices)), _) => choices.as_slice(),
            (_, Some(constant)) => std::slice::from_ref(constant),
            _ => return,
        };
        let Value::String(text) = &*value else { return };
        if choices.contains(value) {
            return;
        }
        let wanted = text.trim().to_lowercase();
        let mut alike =
            choices.iter().filter(|choice| choice.as_str().is_some_and(|choice| choice.to_lowercase() == wanted));
        if let (Some(only), None) = (alike.next(), alike.next()) {
            let only = only.clone();
            self.replace(value, CoercionRule::ChoiceCase, only);
        }
    }

    fn members(&mut self, value: &mut Value, schema: &'s Value, depth: usize) {
        match value {
            Value::Array(items) => {
                for (index, value) in items.iter_mut().enumerate() {
                    if let Some(schema) = item(schema, index) {
                        self.within(Step::Item(index), |coercer| coercer.deeper(value, schema, depth));
                    }
                }
            }
            Value::Object(members) => {
                let declared = properties(schema);
                let others = schema.get("additionalProperties");
                let mut unwanted = Vec::new();
                for (name, value) in members.iter_mut() {
                    let property = declared.and_then(|declared| declared.get(name));
                    let Some(inner) = property.or(others) else { continue };
                    self.path.push(Step::Member(name.clone()));
                    if value.is_null()
                        && property.is_some()
                        && !requires(schema, name)
                        && !self.fits(value, inner, depth)
                    {
                        self.note(CoercionRule::OptionalNull, value, None);
                        unwanted.push(name.clone());
                    } else {
                        self.deeper(value, inner, depth);
                    }
                    self.path.pop();
                }
                for name in unwanted {
                    members.shift_remove(&name);
                }
            }
            _ => {}
        }
    }

    /// Whether the value has the form that the schema asks for: types, choices and members, not ranges or patterns.
    fn fits(&mut self, value: &Value, schema: &Value, depth: usize) -> bool {
        if depth > DEPTH || self.fuel == 0 {
            return false;
        }
        self.fuel -= 1;
        let depth = depth + 1;
        let schema = resolve(self.root, schema);
        if schema.as_bool() == Some(false) || !is_of(value, &types(schema)) {
            return false;
        }
        if schema.get("const").is_some_and(|constant| constant != value) {
            return false;
        }
        if schema.get("enum").and_then(Value::as_array).is_some_and(|choices| !choices.contains(value)) {
            return false;
        }
        if let Some(Value::Array(all)) = schema.get("allOf")
            && !all.iter().all(|one| self.fits(value, one, depth))
        {
            return false;
        }
        for branches in alternatives(schema) {
            if !branches.iter().any(|branch| self.fits(value, branch, depth)) {
                return false;
            }
        }
        match value {
            Value::Array(items) => items.iter().enumerate().all(|(index, value)| match item(schema, index) {
                Some(schema) => self.fits(value, schema, depth),
                None => true,
            }),
            Value::Object(members) => {
                let missing = |name: &Value| name.as_str().is_some_and(|name| !members.contains_key(name));
                if schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(missing)) {
                    return false;
                }
                members.iter().all(|(name, value)| match properties(schema).and_then(|declared| declared.get(name)) {
                    Some(schema) => self.fits(value, schema, depth),
                    None => schema.get("additionalProperties") != Some(&Value::Bool(false)),
                })
            }
            _ => true,
        }
    }
}

/// A number as JSON writes it; also with a plus sign, which models write.
fn number(text: &str) -> Option<Number> {
    serde_json::from_str::<Number>(text.strip_prefix('+').unwrap_or(text)).ok()
}

/// The integer that a float with nothing behind the point is. Only where every integer is exact: up to 2^53.
fn whole(number: &Number) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT)?;
    #[allow(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    Some(Number::from(float as i64))
}

/// A text that was meant as a list: wrapping it would hide that it could not be read.
fn looks_like_a_list(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.trim_start().starts_with('['))
}

#[cfg(test)]
#[path = "coerce_tests.rs"]
mod tests;
