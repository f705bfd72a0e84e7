//! Values and places as they are named in sentences.

use serde_json::Value;

/// The most characters of a value that a sentence shows.
const SHOWN: usize = 60;

/// `value` as compact JSON, cut where it is long.
pub(super) fn value(value: &Value) -> String {
    match value {
        // Cut before it is written out: the text may be megabytes.
        Value::String(text) => {
            let short: String = text.chars().take(SHOWN).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            let mut json = Value::String(short).to_string();
            json.insert_str(json.len().saturating_sub(1), more);
            json
        }
        value => name(&value.to_string()),
    }
}

/// `text`, cut where it is long.
pub(super) fn name(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// One step from a value to one within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

/// The way to a value: `range[0]`, `address.city`; `arguments` for the whole.
pub(super) fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(member) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&name(member));
            }
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.is_empty() { "arguments".to_owned() } else { path }
}

/// The members' names in quotes, for a list in a sentence; at most 12 of them.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let all = names.collect::<Vec<_>>();
    let mut list = all.iter().take(12).map(|known| format!("`{}`", name(known))).collect::<Vec<_>>().join(", ");
    if all.len() > 12 {
        list.push_str(&format!(" and {} more", all.len() - 12));
    }
    list
}
