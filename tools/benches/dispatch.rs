//! What does the gate cost? The same trivial function, called directly and dispatched as a tool: lookup, coercion, schema
//! check, task, clip and events. The sync tool's figure includes its thread.
//!
//! `cargo bench --workspace --bench dispatch`. `GLASSBOX_BENCH_ROUNDS` sets the rounds (default 20).

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up should stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use glassbox_bench::{begin, median, only_asked, rounds, row, us};
use glassbox_tools::{AutoApprover, CancellationToken, Gate, Limits, Registry, ToolCall, tool, tools};
use serde_json::json;

/// Calls of a round.
const CALLS: u32 = 2000;

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

fn main() {
    if only_asked() {
        return;
    }
    let rounds = rounds(20);
    begin(&format!("a tool that adds two numbers, medians of {rounds} rounds of {CALLS} calls"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let registry = Registry::of(tools![add, add_blocking]).unwrap();
    let gate = Gate::new(registry, Arc::new(AutoApprover), Limits::default());
    let turn = CancellationToken::new();
    for (name, question) in [("add", "async"), ("add_blocking", "sync, with its thread")] {
        let (mut dispatched, mut direct) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let calls: Vec<ToolCall> =
                (0..CALLS).map(|_| ToolCall::new("call-1", name, json!({"a": 2, "b": 3}))).collect();
            let begun = Instant::now();
            for call in calls {
                assert_eq!(runtime.block_on(gate.dispatch(call, &turn, Arc::new(()))).for_model, "5");
            }
            let through = begun.elapsed();
            let begun = Instant::now();
            for _ in 0..CALLS {
                black_box(runtime.block_on(add(black_box(2), black_box(3))));
            }
            // The first round warms each up.
            if round > 0 {
                dispatched.push(us(through) / f64::from(CALLS));
                direct.push(us(begun.elapsed()) / f64::from(CALLS));
            }
        }
        row(&format!("a call through the gate, {question}, µs | bare"), median(&mut dispatched), median(&mut direct));
    }
}
