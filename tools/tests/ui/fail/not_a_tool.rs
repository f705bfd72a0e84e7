#![allow(unused)]

use glassbox_tools::{builtin, tools};

fn plain() {}

struct Plain;

fn main() {
    let variable = tools![builtin::track];
    let _ = tools![plain];
    let _ = tools![variable];
    let _ = tools![Plain];
    let _ = tools![Plain {}];
}
