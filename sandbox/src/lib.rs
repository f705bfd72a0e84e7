//! Where code runs: the [`Interpreter`] trait, its limits and its outputs.
//!
//! Only the face is here so far; CPython in WebAssembly and Jupyter kernels come behind it.

mod interpreter;
mod output;

pub use interpreter::{CellEvent, ExecuteRequest, Interpreter, InterpreterError, Limits, OutputStream};
pub use output::{Execution, MimeBundle, Output};
