//! Where code runs: the [`Interpreter`] trait, its [`Limits`] and its [`Output`]s.
//!
//! Only the face is here so far; CPython in WebAssembly and Jupyter kernels come behind it.

mod interpreter;
mod limits;
mod output;

pub use interpreter::{
    Capabilities, CellEvent, ExecuteRequest, FileInfo, Interpreter, InterpreterError, OutputStream, Snapshot,
};
pub use limits::Limits;
pub use output::{Execution, MimeBundle, Output};
