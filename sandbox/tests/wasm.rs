//! CPython in WebAssembly behaves as every backend does.
//!
//! Needs what `glassbox setup` makes.

#![cfg(feature = "wasm")]

#[macro_use]
mod suite;

use std::sync::Arc;

use glassbox_sandbox::wasm::Sandbox;
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let sandbox = Sandbox::builder().limits(limits).build();
    let sandbox = sandbox.unwrap_or_else(|error| panic!("{error}; hint: {}", error.hint().unwrap_or_default()));
    Arc::new(sandbox)
}

behaves!(backend);
