//! What a gate tells while a call passes through it, and afterwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Coercion;
use crate::{Approval, ApprovalRequest, CallId, ToolError, ToolOutput};

/// A step of one call. A call gives `ApprovalRequested` and `ApprovalDecided` where it must be approved, `Started` when
/// it runs, `Output` while it prints, and always `Finished` at the end, unless its future was dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateEvent {
    /// The approver is asked.
    ApprovalRequested {
        /// The call, with the arguments as they will be used.
        request: ApprovalRequest,
    },
    /// The approver answered.
    ApprovalDecided {
        /// The call.
        call_id: CallId,
        /// The answer.
        approval: Approval,
    },
    /// The tool runs.
    Started {
        /// The call.
        call_id: CallId,
        /// The tool.
        name: String,
        /// The arguments, as the tool gets them.
        arguments: Value,
        /// What was changed in them.
        coercions: Vec<Coercion>,
    },
    /// The tool printed something.
    Output {
        /// The call.
        call_id: CallId,
        /// The text.
        text: String,
    },
    /// The call is over.
    Finished {
        /// The call.
        call_id: CallId,
        /// The tool, as the model named it.
        name: String,
        /// What the model reads.
        for_model: String,
        /// [`ToolError::kind`], where it failed.
        error: Option<String>,
        /// What was cut from the output.
        truncated: Option<Truncation>,
        /// From the call to its end, waiting for approval included.
        elapsed: Duration,
    },
}

/// Sees what happens to calls. Called from the call's own task and, for output, from the tool's thread: return soon.
pub trait GateObserver: Send + Sync + 'static {
    /// Takes the next event.
    fn on_event(&self, event: GateEvent);
}

/// Looks away.
impl GateObserver for () {
    fn on_event(&self, _: GateEvent) {}
}

impl<F: Fn(GateEvent) + Send + Sync + 'static> GateObserver for F {
    fn on_event(&self, event: GateEvent) {
        self(event);
    }
}

/// How much of an output the model was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncation {
    /// Bytes of the output that the model reads, beginning and end together.
    pub shown: usize,
    /// Bytes of the whole output.
    pub total: usize,
    /// Where the whole output is kept: a key of [`OutputStore::get`](crate::OutputStore::get).
    pub handle: String,
}

/// What became of a call.
#[derive(Debug)]
#[non_exhaustive]
pub struct ToolOutcome {
    /// The call.
    pub call_id: CallId,
    /// The tool, as the model named it.
    pub name: String,
    /// The whole output, or why there is none.
    pub result: Result<ToolOutput, ToolError>,
    /// What the model reads: the output or the error's [`ToolError::for_model`], cut to [`Limits::output`](crate::Limits::output).
    pub for_model: String,
    /// What was changed in the arguments, before they were found right or wrong.
    pub coercions: Vec<Coercion>,
    /// What was cut, where something was.
    pub truncated: Option<Truncation>,
    /// From the call to its end, waiting for approval included.
    pub elapsed: Duration,
}
