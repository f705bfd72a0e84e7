#![allow(unused)]

use glassbox_tools::tool;

/// Generic.
#[tool]
fn show<T: ToString>(value: T) -> String {
    value.to_string()
}

/// With a lifetime.
#[tool]
fn borrow<'a>(text: &'a str) -> &'a str {
    text
}

fn main() {}
