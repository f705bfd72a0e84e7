#![allow(unused)]

use glassbox_tools::tool;

/// Unknown.
#[tool(readonly)]
fn unknown() {}

/// Twice.
#[tool(serial, serial)]
fn twice() {}

/// Both.
#[tool(read_only, destructive)]
fn both() {}

/// No value.
#[tool(name)]
fn no_value() {}

/// Bad value.
#[tool(name = speak)]
fn bad_value() {}

/// Bad name.
#[tool(name = "two\nlines")]
fn bad_name() {}

/// Bad time.
#[tool(timeout = 0)]
fn bad_time() {}

/// Words for a time.
#[tool(timeout = "1s")]
fn words() {}

/// Unknown on an argument.
#[tool]
fn argument(#[tool(description = "x")] value: i64) {}

fn main() {}
