//! Many sessions of CPython in WebAssembly: one after another and at once. A file of its own, because it measures the
//! memory of its whole process. Needs what `glassbox setup` makes.

#![cfg(feature = "wasm")]
#![allow(
    unreachable_pub,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; its helpers are shared between test files"
)]

#[macro_use]
mod attacks;
mod suite;

use std::sync::Arc;

use glassbox_sandbox::wasm::Sandbox;
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let sandbox = Sandbox::builder().limits(limits).build();
    let sandbox = sandbox.unwrap_or_else(|error| panic!("{error}; hint: {}", error.hint().unwrap_or_default()));
    Arc::new(sandbox)
}

/// One after the other: the second would be seen in the memory that the first measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_leave_nothing_and_fifty_under_attack_finish() {
    let backend = backend(attacks::limits()).await;
    attacks::many::two_hundred_sessions_leave_no_memory(&backend).await;
    attacks::many::fifty_sessions_under_mixed_attack(&backend).await;
}
