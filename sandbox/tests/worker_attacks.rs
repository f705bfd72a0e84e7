//! The attacks on CPython in WebAssembly in a process of its own, each named after the threat.
//!
//! Needs what `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
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

use glassbox_sandbox::Worker;
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let sandbox = Worker::builder().limits(limits).build();
    let sandbox = sandbox.unwrap_or_else(|error| panic!("{error}; hint: {}", error.hint().unwrap_or_default()));
    Arc::new(sandbox)
}

attacked!(backend);
knocked!(backend);
