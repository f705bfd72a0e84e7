#![allow(unused)]

use glassbox_tools::tool;

struct Opaque;

/// Takes what has no schema.
#[tool]
async fn takes(value: Opaque) {
    let _ = value;
}

fn main() {}
