//! The traits behind every interpreter: a [`Backend`] opens sessions, an [`Interpreter`] is one.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ExecuteRequest, InterpreterError, Limits, OutputStream};

/// How a session's state can be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotSupport {
    /// Not at all.
    #[default]
    None,
    /// As the list of its cells, which are run again: what depends on time, chance or the outside may differ.
    Replay,
    /// As its memory and files: every variable is as it was.
    Exact,
}

/// What an interpreter can do beyond running programs. All false by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// A running cell can be interrupted and the session lives on.
    pub interrupt: bool,
    /// How the state can be saved and restored ([`Interpreter::snapshot`], [`Interpreter::restore`]), and so whether
    /// the session can be branched ([`Interpreter::fork`]).
    pub snapshot: SnapshotSupport,
    /// Files can be put, got and listed.
    pub files: bool,
    /// Programs can call the tools of [`ExecuteRequest::tools`].
    pub tools: bool,
    /// Programs can ask for input ([`ExecuteRequest::input`]).
    pub input: bool,
    /// The memory limit is held.
    pub memory_limit: bool,
    /// Programs cannot reach the host: neither its files nor its network nor its processes.
    pub isolated: bool,
}

/// Saved state of a session. Opaque; belongs to the backend that made it. Written to disk, it outlives the process.
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
    /// Another after each write, whatever the size. To be compared and not read; empty where the backend cannot tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl FileInfo {
    /// A file whose version is not known.
    pub fn new(path: impl Into<String>, bytes: u64) -> Self {
        Self { path: path.into(), bytes, version: String::new() }
    }
}

/// Opens sessions. Cheap to share; whatever is slow (compiling, loading) is done once for all sessions.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// `wasm`, `small`, `jupyter`, …
    fn name(&self) -> &str;

    /// The language, such as `python`.
    fn language(&self) -> &str;

    /// What its sessions can do.
    fn capabilities(&self) -> Capabilities;

    /// One or two sentences for the model: the language's version, what is installed, where files lie, what is not
    /// there.
    fn describe(&self) -> String;

    /// True where `open` gives a session that others use too: who gets it does not close it.
    fn is_shared(&self) -> bool {
        false
    }

    /// Opens a session with the backend's own limits.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where artifacts are missing, with the command that makes them.
    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError>;

    /// Opens a session in a saved state, such as one of an earlier process.
    ///
    /// # Errors
    /// [`InterpreterError::BadSnapshot`] where it is not one of this backend; otherwise as [`Backend::open`].
    async fn reopen(&self, snapshot: &Snapshot) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let session = self.open().await?;
        session.restore(snapshot).await?;
        Ok(session)
    }
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

    /// Runs a program. Cells of one session run one after another, in the order of these calls. Dropping the stream
    /// interrupts the cell.
    fn execute(&self, request: ExecuteRequest) -> OutputStream;

    /// Throws the session's state away and begins anew: no variables, no files. A cell that runs is interrupted and has
    /// its end in its stream; cells that wait run first.
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

    /// Saves the state between two cells; waits for a running one.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "save its state" })
    }

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], or [`InterpreterError::BadSnapshot`]; the session is then as it was.
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

    /// Puts a file into the session, replacing one of the same path. A relative path is one below `/mnt/data`.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], [`InterpreterError::BadPath`], or [`InterpreterError::Limit`].
    async fn put_file(&self, _path: &str, _data: &[u8]) -> Result<(), InterpreterError> {
        Err(InterpreterError::Unsupported { action: "take files" })
    }

    /// Gets a file out of the session. A relative path is one below `/mnt/data`.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`], [`InterpreterError::BadPath`], or [`InterpreterError::NoFile`].
    async fn get_file(&self, _path: &str) -> Result<Vec<u8>, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "give files" })
    }

    /// The files below `/mnt/data` and `/tmp`, written by programs or put, in order of their paths.
    ///
    /// # Errors
    /// [`InterpreterError::Unsupported`] unless the backend can.
    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        Err(InterpreterError::Unsupported { action: "list files" })
    }
}

/// A backend whose `open` gives the same session every time: for an interpreter that all conversations share.
pub struct Shared {
    session: Arc<dyn Interpreter>,
}

impl Shared {
    /// Hands out `session`.
    pub fn new(session: Arc<dyn Interpreter>) -> Self {
        Self { session }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("language", &self.session.language()).finish()
    }
}

#[async_trait]
impl Backend for Shared {
    fn name(&self) -> &str {
        "shared"
    }

    fn language(&self) -> &str {
        self.session.language()
    }

    fn capabilities(&self) -> Capabilities {
        self.session.capabilities()
    }

    fn describe(&self) -> String {
        String::new()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Arc::clone(&self.session))
    }
}
