//! Where code runs: the [`Interpreter`] trait, its [`Limits`] and its [`Output`]s, and the backends behind it.

mod capture;
mod cell;
#[cfg(feature = "wasm")]
mod door;
mod error;
#[cfg(any(feature = "wasm", feature = "jupyter"))]
mod folder;
#[cfg(all(test, any(feature = "wasm", feature = "jupyter")))]
mod fuzz;
#[cfg(feature = "wasm")]
mod guest;
#[cfg(any(feature = "wasm", feature = "jupyter"))]
mod hex;
mod host;
mod interpreter;
#[cfg(feature = "jupyter")]
pub mod jupyter;
#[cfg(all(feature = "launch", target_os = "linux"))]
pub mod launch;
mod limits;
mod output;
mod request;
#[cfg(feature = "wasm")]
pub mod setup;
mod stubs;
#[cfg(any(feature = "wasm", feature = "jupyter"))]
mod sweep;
#[cfg(feature = "wasm")]
pub mod wasm;
#[cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
pub mod worker;

pub use error::InterpreterError;
pub use host::{HostToolError, HostTools};
pub use interpreter::{Backend, Capabilities, FileInfo, Interpreter, Shared, Snapshot, SnapshotSupport};
pub use limits::Limits;
pub use output::{Denial, DenialKind, Execution, MimeBundle, Output, Recovery};
pub use request::{CellEvent, CellUsage, ExecuteRequest, InputSource, OutputStream};
pub use stubs::{python_names, python_stubs};
#[cfg(feature = "wasm")]
pub use wasm::Sandbox;
#[cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
pub use worker::Worker;
