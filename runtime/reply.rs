//! What came of a turn.

use std::time::Duration;

use glassbox_model::{AssistantMessage, Message};
use glassbox_sandbox::{CellUsage, Execution, FileInfo, Output};
use glassbox_tools::{CallId, ToolOutput};
use serde_json::Value;

use crate::{StopReason, ToolFailure, TurnTimings, TurnUsage};

/// What came of a turn: the model's last reply, and all that led to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reply {
    pub(crate) messages: Vec<Message>,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) code: Vec<CodeRecord>,
    pub(crate) stop: StopReason,
    pub(crate) usage: TurnUsage,
    pub(crate) timings: TurnTimings,
}

impl Reply {
    /// The prose of the last reply. Empty where the turn ended before the model said anything.
    pub fn text(&self) -> String {
        self.message().map(AssistantMessage::text).unwrap_or_default()
    }

    /// The last reply with all its parts.
    pub fn message(&self) -> Option<&AssistantMessage> {
        self.messages
            .iter()
            .rev()
            .find_map(|message| if let Message::Assistant(reply) = message { Some(reply) } else { None })
    }

    /// What this turn added to the session after the user's message: replies and observations, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The tool calls that were run or refused, in the order in which they ended. Calls that the end of the turn cut
    /// off are not among them; they have their observations in [`Reply::messages`].
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }

    /// The programs that were run, in order.
    pub fn code(&self) -> &[CodeRecord] {
        &self.code
    }

    /// Why the turn ended.
    pub fn stop(&self) -> StopReason {
        self.stop
    }

    /// What it cost.
    pub fn usage(&self) -> TurnUsage {
        self.usage
    }

    /// How long it took.
    pub fn timings(&self) -> TurnTimings {
        self.timings
    }
}

/// A tool call and its outcome.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// The arguments, as the model wrote them.
    pub arguments: Value,
    /// What the model read.
    pub observation: String,
    /// What the tool gave back, whole; `None` where it failed.
    pub output: Option<ToolOutput>,
    /// Why it failed, where it did.
    pub error: Option<ToolFailure>,
    /// How long it took, checks and approval included.
    pub elapsed: Duration,
}

/// A program and its outcome.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CodeRecord {
    /// The call.
    pub id: CallId,
    /// The program.
    pub source: String,
    /// All that it gave out.
    pub outputs: Vec<Output>,
    /// How it ended; `None` where it could not be run at all.
    pub execution: Option<Execution>,
    /// What the model read.
    pub observation: String,
    /// Why it could not be run, where it could not.
    pub error: Option<ToolFailure>,
    /// The session's files that it made, or changed in size; [`Session::file`](crate::Session::file) gives their bytes.
    pub files: Vec<FileInfo>,
    /// What it took.
    pub usage: CellUsage,
    /// How long it took.
    pub elapsed: Duration,
}
