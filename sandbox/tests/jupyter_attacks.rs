//! The attacks on Jupyter kernels behind the launcher's walls, each named after the threat. With a real ipykernel in the
//! environment that `scripts/jupyter` makes.

#![cfg(all(feature = "jupyter", target_os = "linux"))]
#![allow(
    unreachable_pub,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test may panic; its helpers are shared between test files"
)]

#[macro_use]
mod attacks;
mod kernels;
mod suite;

use std::sync::Arc;

use glassbox_sandbox::jupyter::{Isolation, Jupyter};
use glassbox_sandbox::{Backend, Limits};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let builder = Jupyter::builder().kernel("python3").environment(kernels::environment());
    Arc::new(builder.isolation(Isolation::Sandboxed).limits(limits).build().unwrap())
}

attacked!(backend);
tried_by_kernels!(backend);
