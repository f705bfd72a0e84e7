//! The small tier: CPython 3.14 with its standard library alone, as a component that `componentize-py` makes on this
//! machine. For a small footprint, and where the big artifact cannot be had.
//!
//! It shares the engine's settings, the door, the files and the session with the big one. Three things are other there: a
//! component shows its memory to nobody, so a cell cannot be interrupted, only ended, and a session cannot be saved; and
//! files are metered behind WASI's preview2 (`quota`).

mod backend;
mod host;
mod imports;
mod instance;
mod quota;
mod setup;
mod streams;
mod task;

pub use backend::{Builder, Small};
pub use setup::{build, is_built};

/// The backend's name.
const BACKEND: &str = "small";
/// What makes the component.
const SETUP_COMMAND: &str = "glassbox setup --small";
