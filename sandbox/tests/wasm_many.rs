//! Many sessions of CPython in WebAssembly: one after another and at once. A file of its own, because it measures the
//! memory of its whole process. Needs what `glassbox setup` makes.

#![cfg(feature = "wasm")]

mod attacks;
mod backends;
mod suite;

/// One after the other: the second would be seen in the memory that the first measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_leave_nothing_and_fifty_under_attack_finish() {
    let backend = backends::wasm(attacks::limits()).await;
    attacks::many::two_hundred_sessions_leave_no_memory(&backend).await;
    attacks::many::fifty_sessions_under_mixed_attack(&backend).await;
}
