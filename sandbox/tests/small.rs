//! The small tier behaves as every backend does. Needs what `glassbox setup --small` makes.

#![cfg(feature = "wasm")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; its helpers are shared between test files"
)]

#[macro_use]
mod suite;

use std::sync::Arc;

use glassbox_sandbox::wasm::small::Small;
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let small = Small::builder().limits(limits).build();
    let small = small.unwrap_or_else(|error| panic!("{error}; hint: {}", error.hint().unwrap_or_default()));
    Arc::new(small)
}

behaves!(backend);
