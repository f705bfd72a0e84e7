//! Many sessions of CPython in WebAssembly: one after another and at once. A file of its own, because it measures the
//! memory of its whole process. Needs what `glassbox setup` makes.

#![cfg(feature = "wasm")]

mod attacks;
mod backends;
mod suite;

use std::time::Duration;

use glassbox_sandbox::Limits;

/// One after the other: the second would be seen in the memory that the first measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_leave_nothing_and_fifty_under_attack_finish() {
    let backend = backends::wasm(attacks::limits()).await;
    attacks::many::sessions_leave_nothing(&backend, 200).await;
    // Time enough for the good ones, however busy this machine is.
    let limits = Limits { soft_time: Duration::from_secs(5), ..attacks::limits() };
    attacks::many::sessions_under_mixed_attack(&backends::wasm(limits).await, 50).await;
}
