//! CPython in WebAssembly in a process of its own, for programs of hostile tenants: should one get out of WebAssembly, it
//! is in a process that has no network, no files but CPython's own to read, and no other process.
//!
//! ```text
//! host: Session ── frames over a socket ── worker process: wasm::Sandbox ── programs
//!          └── tools, input: answered here
//! ```
//!
//! The worker is this very program, forked from the [launcher](crate::launch) before `main`. So a host needs no second
//! program beside it and no call at the start of its `main`, and no program file is to be seen inside: there is nothing
//! to execute. Programs, images and libraries are read from the sandbox's folder, which is bound read-only.
//!
//! What a worker says is taken for what a hostile program says: frames have a longest length and are never allocated
//! before they come, outputs pass the cell's limits once more, calls go through the gate of the host and are counted
//! there, and each answer has its time. A worker that breaks a rule is killed, and its sessions say so.
//!
//! **What bounds memory.** WebAssembly reserves gigabytes of addresses for each memory, so `RLIMIT_AS` would be of no use.
//! Programs are held by [`Limits::memory`](crate::Limits::memory) inside; the whole worker by `RLIMIT_DATA`, which
//! counts what can be written (`backend.rs` has the sum), and its files, which lie in memory, by the size of their mount.

mod backend;
mod cell;
mod frame;
pub(crate) mod inside;
mod link;
mod process;
mod protocol;
mod remote;
mod session;
mod task;

pub use backend::{Builder, Worker};

/// The backend's name.
const BACKEND: &str = "worker";
/// Where the sandbox's folder lies inside.
const HOME: &str = "/glassbox/home";
/// Where the folder of further packages lies inside.
const PACKAGES: &str = "/glassbox/packages";
