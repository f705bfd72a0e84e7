//! How the test files open each backend. Those of WebAssembly need what `glassbox setup` makes; kernels, the environment
//! that `scripts/jupyter` makes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic, in its helpers too; each test file uses a part of them"
)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "jupyter")]
use glassbox_sandbox::jupyter::{Isolation, Jupyter, JupyterBuilder};
use glassbox_sandbox::{Backend, InterpreterError, Limits};
#[cfg(feature = "wasm")]
use glassbox_sandbox::{Sandbox, wasm::small::Small};

/// What was built; where it was not, what to type.
pub fn built<T>(built: Result<T, InterpreterError>) -> T {
    built.unwrap_or_else(|error| panic!("{error}; hint: {}", error.hint().unwrap_or_default()))
}

/// CPython in WebAssembly.
#[cfg(feature = "wasm")]
pub async fn wasm(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(built(Sandbox::builder().limits(limits).build()))
}

/// The small tier.
#[cfg(feature = "wasm")]
pub async fn small(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(built(Small::builder().limits(limits).build()))
}

/// CPython in WebAssembly, in a process for each session.
#[cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
pub async fn worker(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(built(glassbox_sandbox::Worker::builder().limits(limits).build()))
}

/// An ipykernel.
#[cfg(feature = "jupyter")]
pub fn kernel(isolation: Isolation) -> JupyterBuilder {
    Jupyter::builder().kernel("python3").environment(environment()).isolation(isolation)
}

/// An ipykernel that can do what this user can.
#[cfg(feature = "jupyter")]
pub async fn free_kernel(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(built(kernel(Isolation::Unsandboxed).limits(limits).build()))
}

/// An ipykernel behind the launcher's walls.
#[cfg(feature = "jupyter")]
pub async fn kept_kernel(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(built(kernel(Isolation::Sandboxed).limits(limits).build()))
}

/// The virtual environment with ipykernel. Made by `scripts/jupyter` where it is missing.
pub fn environment() -> PathBuf {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    let made = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let venv = root.join(".setup/jupyter");
        if !venv.join("packages").exists() {
            let status =
                Command::new(root.join("scripts/jupyter")).stdout(std::process::Stdio::null()).status().unwrap();
            assert!(status.success(), "scripts/jupyter failed");
        }
        venv
    };
    ENVIRONMENT.get_or_init(made).clone()
}
