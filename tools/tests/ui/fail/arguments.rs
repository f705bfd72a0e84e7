#![allow(unused)]

use glassbox_tools::{ToolContext, tool};

/// Patterns.
#[tool]
fn patterns((a, b): (i64, i64), _: String) {}

/// Hidden types.
#[tool]
fn hidden(value: impl ToString) {}

/// References.
#[tool]
fn references(a: &String, b: &mut String, c: &[u8]) {}

/// An owned context.
#[tool]
fn context(context: ToolContext) {}

/// An attribute without meaning.
#[tool]
fn attribute(#[cfg(unix)] value: i64) {}

struct Holder;

#[tool]
impl Holder {
    /// Another `Self`.
    #[tool]
    fn compare(&self, other: Vec<Self>) {}
}

fn main() {}
