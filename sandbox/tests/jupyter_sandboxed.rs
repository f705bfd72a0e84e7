//! Jupyter kernels behind the walls of the launcher, with a real ipykernel in the environment that `scripts/jupyter` makes.

#![cfg(all(feature = "jupyter", target_os = "linux"))]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test may panic; its helpers are shared between test files"
)]

mod kernels;
#[macro_use]
mod suite;

use std::sync::Arc;

use glassbox_sandbox::jupyter::{Isolation, Jupyter};
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let builder = Jupyter::builder().kernel("python3").environment(kernels::environment());
    Arc::new(builder.isolation(Isolation::Sandboxed).limits(limits).build().unwrap())
}

behaves!(backend);
