//! The runtime through its public face: real tools, a real gate, a scripted model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod approvals;
mod budget;
mod cancelling;
mod chatglm3;
mod code;
mod code_repair;
mod code_sessions;
mod code_tools;
#[cfg(feature = "wasm")]
mod code_wasm;
mod events;
mod faults;
mod runaway;
mod saved;
mod sessions;
mod support;
mod turns;
