//! The trait behind every interpreter.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Execution, Limits, Output};

/// A program to run.
#[derive(Debug, Clone)]
pub struct ExecuteRequest {
    /// The source.
    pub source: String,
    /// Cancels the cell.
    pub cancellation: CancellationToken,
}

impl ExecuteRequest {
    /// A cell that nobody cancels.
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), cancellation: CancellationToken::new() }
    }
}

/// What an interpreter can do beyond running programs. All false by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// A running cell can be interrupted and the session lives on.
    pub interrupt: bool,
    /// The state can be saved and restored ([`Interpreter::snapshot`], [`Interpreter::restore`]).
    pub snapshot: bool,
    /// The session can be branched ([`Interpreter::fork`]).
    pub fork: bool,
    /// Files can be put, got and listed.
    pub files: bool,
    /// Programs cannot reach the host: neither its files nor its network nor its processes.
    pub isolated: bool,
}

/// Saved state of a session. Opaque; belongs to the backend that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The backend that made it, such as `wasm`.
    pub backend: String,
    /// The state.
    pub data: Vec<u8>,
}

/// A file of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Absolute path inside the sandbox, such as `/mnt/data/table.csv`.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// Why something could not be done. An exception in a program is an [`Output::Error`], not this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterpreterError {
    /// The session is closed.
    #[error("the interpreter session is closed")]
    Closed,
    /// The backend cannot do this; [`Interpreter::capabilities`] says what it can.
    #[error("this interpreter cannot {action}")]
    Unsupported {
        /// What was asked for.
        action: &'static str,
    },
    /// There is no such file in the session.
    #[error("no file {path} in the session")]
    NoFile {
        /// The path.
        path: String,
    },
    /// The snapshot was made by another backend or another version of it.
    #[error("the snapshot does not fit: {problem}")]
    BadSnapshot {
        /// What differs.
        problem: String,
    },
    /// The backend failed.
    #[error("the interpreter failed: {problem}")]
    Backend {
        /// What it said.
        problem: String,
    },
}

impl InterpreterError {
    /// What to do now, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Closed => Some("open a new session"),
            Self::Unsupported { .. } => Some("ask `capabilities()` first, or take another backend"),
            Self::NoFile { .. } => Some("`list_files()` names what is there"),
            Self::BadSnapshot { .. } => Some("run the session's cells again in a new one"),
            Self::Backend { .. } => None,
        }
    }
}

/// The outputs of a cell in their order, then how it ended.
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

    /// What it can do beyond running programs.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Runs a program. Cells of one session run one after another. Dropping the stream interrupts the cell.
    fn execute(&self, request: ExecuteRequest) -> OutputStream;

    /// Throws the session's state away and begins anew.
    ///
    /// # Errors
    /// [`InterpreterError`] where the backend cannot.
    async fn restart(&self) -> Result<(), InterpreterError>;

    /// Ends the session. Later calls give [`InterpreterError::Closed`].
    async fn close(&self);

    /// Interrupts the running cell, if one runs, as Ctrl-C would.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn interrupt(&self) -> Result<(), InterpreterError> {
        Err(InterpreterError::Unsupported { action: "interrupt a cell" })
    }

    /// Saves the state between two cells.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "save its state" })
    }

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], or [`InterpreterError::BadSnapshot`].
    async fn restore(&self, _snapshot: &Snapshot) -> Result<(), InterpreterError> {
        Err(InterpreterError::Unsupported { action: "restore a state" })
    }

    /// Branches the session: both go on from here on their own.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn fork(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "fork a session" })
    }

    /// Puts a file into the session, replacing one of the same path.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], or the backend's error where a limit is passed.
    async fn put_file(&self, _path: &str, _data: &[u8]) -> Result<(), InterpreterError> {
        Err(InterpreterError::Unsupported { action: "take files" })
    }

    /// Gets a file out of the session.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], or [`InterpreterError::NoFile`].
    async fn get_file(&self, _path: &str) -> Result<Vec<u8>, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "give files" })
    }

    /// The files that programs have written or that were put, in order of their paths.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "list files" })
    }
}
