//! The trait behind every interpreter.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Execution, Output};

/// What a session may use. All limits are on by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// After this much wall-clock time the cell is interrupted (`KeyboardInterrupt`). Default 30 s.
    pub soft_time: Duration,
    /// This long after the soft limit the cell is killed. Default 0.5 s.
    pub grace: Duration,
    /// Memory of the session in bytes. Default 256 MiB.
    pub memory: u64,
    /// Bytes kept of each output stream of a cell. Default 1 MiB.
    pub output: u64,
    /// Bytes of files. Default 64 MiB.
    pub disk: u64,
    /// Number of files. Default 1024.
    pub files: u32,
    /// Host calls of one cell. Default 1000.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft_time: Duration::from_secs(30),
            grace: Duration::from_millis(500),
            memory: 256 << 20,
            output: 1 << 20,
            disk: 64 << 20,
            files: 1024,
            host_calls: 1000,
        }
    }
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct ExecuteRequest {
    /// The source.
    pub source: String,
    /// Cancels the cell.
    pub cancellation: CancellationToken,
}

/// Why a cell could not be run at all. An exception in the program is an [`Output::Error`], not this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterpreterError {
    /// The session is closed.
    #[error("the interpreter session is closed")]
    Closed,
    /// The backend failed.
    #[error("the interpreter failed: {problem}")]
    Backend {
        /// What it said.
        problem: String,
    },
}

/// The outputs of a cell, then how it ended.
pub type OutputStream = BoxStream<'static, Result<CellEvent, InterpreterError>>;

/// An item of a cell's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CellEvent {
    /// The next output.
    Output {
        /// The output.
        output: Output,
    },
    /// The end; nothing follows.
    Finished {
        /// How.
        execution: Execution,
    },
}

/// A session that runs programs one after another and keeps their variables.
#[async_trait]
pub trait Interpreter: Send + Sync + 'static {
    /// The language, such as `python`.
    fn language(&self) -> &str;

    /// The limits in force.
    fn limits(&self) -> Limits;

    /// Runs a program. Cells of one session run one after another. Dropping the stream interrupts the cell.
    fn execute(&self, request: ExecuteRequest) -> OutputStream;

    /// Throws the session's state away and begins anew.
    ///
    /// # Errors
    /// [`InterpreterError`] where the backend cannot.
    async fn restart(&self) -> Result<(), InterpreterError>;

    /// Ends the session. Later calls give [`InterpreterError::Closed`].
    async fn close(&self);
}
