#![allow(unused)]

use glassbox_tools::tool;

struct NotSerialisable;

/// Returns what no model can read.
#[tool]
async fn unreadable() -> NotSerialisable {
    NotSerialisable
}

/// The same in a `Result`.
#[tool]
fn unreadable_result() -> Result<NotSerialisable, String> {
    Ok(NotSerialisable)
}

/// Fails with what nobody can read.
#[tool]
async fn unshowable() -> Result<String, NotSerialisable> {
    Err(NotSerialisable)
}

fn main() {}
