//! What host and worker say to each other. The host numbers sessions, requests and cells; the worker numbers its calls.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use glassbox_tools::ToolSpec;

use super::frame::Caps;
use crate::wasm::{Image, missing};
use crate::{Capabilities, CellEvent, FileInfo, InterpreterError, Limits};

/// What the host asks of the worker. `id` comes back in [`Say`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// First: what sessions are like. Answered by [`Say::Ready`] or [`Say::Failed`].
    Begin { limits: Limits, image: Start, packages: bool },
    /// A new session; in the state of the body where it is `saved`.
    Open { id: u64, session: u64, saved: bool },
    /// A cell, with these tools.
    Run { id: u64, session: u64, source: String, tools: Option<Vec<ToolSpec>>, input: bool },
    /// The cell `id` is to end.
    Cancel { id: u64 },
    /// Something else of a session.
    Do { id: u64, session: u64, act: Act },
    /// What a call gave.
    Answer { call: u64, answer: Result<Value, Refused> },
    /// What was typed.
    Line { call: u64, line: Option<String> },
}

/// Something to be done with a session between cells, or with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub(super) enum Act {
    Restart,
    /// The state comes in the answer's body.
    Snapshot,
    /// To the state in the body.
    Restore,
    Close,
    /// The body is the file.
    Put {
        path: String,
    },
    /// The file comes in the answer's body.
    Get {
        path: String,
    },
    List,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Say {
    /// Sessions can be opened.
    Ready { capabilities: Capabilities },
    /// They cannot.
    Failed { fault: Fault },
    /// The cell `id` gave this.
    Event { id: u64, event: CellEvent },
    /// The cell `id` is over with an error in place of an end.
    Over { id: u64, fault: Fault },
    /// What was asked for is done.
    Done { id: u64, result: Result<Vec<FileInfo>, Fault> },
    /// The cell `id` calls a tool.
    Call { id: u64, call: u64, name: String, arguments: Value },
    /// The cell `id` asks for a line.
    Question { id: u64, call: u64, prompt: String, hidden: bool },
    /// Nobody waits for this call of the cell `id` any more.
    Withdrawn { id: u64 },
}

/// A warm image.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start {
    Bare,
    Scientific,
}

impl From<Image> for Start {
    fn from(image: Image) -> Self {
        match image {
            Image::Bare => Self::Bare,
            Image::Scientific => Self::Scientific,
        }
    }
}

impl From<Start> for Image {
    fn from(start: Start) -> Self {
        match start {
            Start::Bare => Self::Bare,
            Start::Scientific => Self::Scientific,
        }
    }
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) kind: String,
    pub(super) message: String,
}

/// An [`InterpreterError`] on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Fault {
    Closed,
    NotSetUp { problem: String },
    NoFile { path: String },
    BadPath { path: String, problem: String },
    Limit { what: String, limit: String },
    BadSnapshot { problem: String },
    Backend { problem: String },
}

impl From<InterpreterError> for Fault {
    fn from(error: InterpreterError) -> Self {
        match error {
            InterpreterError::Closed => Self::Closed,
            InterpreterError::NotSetUp { problem, .. } => Self::NotSetUp { problem },
            InterpreterError::NoFile { path } => Self::NoFile { path },
            InterpreterError::BadPath { path, problem } => Self::BadPath { path, problem: problem.into_owned() },
            InterpreterError::Limit { what, limit } => Self::Limit { what, limit },
            InterpreterError::BadSnapshot { problem } => Self::BadSnapshot { problem },
            InterpreterError::Backend { problem } => Self::Backend { problem },
            other => Self::Backend { problem: other.to_string() },
        }
    }
}

impl From<Fault> for InterpreterError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed => Self::Closed,
            Fault::NotSetUp { problem } => missing(problem),
            Fault::NoFile { path } => Self::NoFile { path },
            Fault::BadPath { path, problem } => Self::BadPath { path, problem: problem.into() },
            Fault::Limit { what, limit } => Self::Limit { what, limit },
            Fault::BadSnapshot { problem } => Self::BadSnapshot { problem },
            Fault::Backend { problem } => Self::Backend { problem },
        }
    }
}

/// The longest frames under these limits: a whole display or a whole answer of a tool in a head, a whole state or file in
/// a body.
pub(super) fn caps(limits: &Limits) -> Caps {
    const SLACK: u64 = 1 << 20;
    // A text of control characters takes six times its length in JSON; a request of a program is no longer than that.
    let texts = limits.output.saturating_mul(6).max(crate::door::MAX_REQUEST as u64);
    let head = limits.display.saturating_mul(2).max(texts).saturating_add(SLACK);
    let memory = limits.memory.saturating_add(limits.memory >> 8);
    let body = memory.saturating_add(limits.disk).saturating_add(SLACK << 3);
    Caps { head: head.min(u64::from(u32::MAX)), body }
}
