//! What does the gate cost? The same trivial function, called directly and dispatched as a tool: lookup, coercion, schema
//! check, task, clip and events. The sync tool's figure includes its thread.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up should stop")]

use std::sync::Arc;

use glassbox_tools::{AutoApprover, CancellationToken, Gate, Limits, Registry, ToolCall, tool, tools};
use serde_json::json;

fn main() {
    divan::main();
}

/// Add two numbers.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Add two numbers.
#[tool]
fn add_blocking(a: i64, b: i64) -> i64 {
    a + b
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[divan::bench]
fn direct(bencher: divan::Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.bench_local(|| runtime.block_on(add(divan::black_box(2), divan::black_box(3))));
}

#[divan::bench(args = ["add", "add_blocking"])]
fn through_the_gate(bencher: divan::Bencher<'_, '_>, name: &str) {
    let runtime = runtime();
    let registry = Registry::of(tools![add, add_blocking]).unwrap();
    let gate = Gate::new(registry, Arc::new(AutoApprover), Limits::default());
    let turn = CancellationToken::new();
    bencher.with_inputs(|| ToolCall::new("call-1", name, json!({"a": 2, "b": 3}))).bench_local_values(|call| {
        let outcome = runtime.block_on(gate.dispatch(call, &turn, Arc::new(())));
        assert_eq!(outcome.for_model, "5");
        outcome
    });
}
