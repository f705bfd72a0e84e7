//! What happens in a turn, as it happens.

use std::time::Duration;

use glassbox_model::ToolChoice;
use glassbox_sandbox::{CellUsage, Execution, FileInfo, InterpreterError, Output};
use glassbox_tools::{Approval, ApprovalRequest, CallId, Coercion, GateEvent, ToolCall, ToolError, Truncation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{StopReason, TurnTimings, TurnUsage};

/// The next thing that happens in a turn. The same type reaches a program, the command line, a server and a
/// transcript; in JSON it is one flat object with its name under `type`.
///
/// A turn begins with [`Event::TurnStarted`] and ends with [`Event::Finished`], or with an error in place of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The message fits and the turn begins.
    TurnStarted {
        /// Tokens of the prompt, the new message included.
        prompt_tokens: u32,
        /// Tokens that fit in the context.
        context_tokens: u32,
    },
    /// The model is asked to write.
    GenerationStarted {
        /// Counts from 1 within the turn.
        number: u32,
        /// What it may or must call.
        tool_choice: ToolChoice,
    },
    /// The prompt is being read.
    Prefill {
        /// Tokens read so far, those found in the KV cache included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
        /// Tokens found in the KV cache.
        reused: u32,
    },
    /// The model says something to the person.
    Text {
        /// Whole characters.
        text: String,
    },
    /// The model thinks.
    Reasoning {
        /// Whole characters.
        text: String,
    },
    /// A call has begun and its tool is known.
    CallStarted {
        /// The call.
        id: CallId,
        /// The tool's name, as the model wrote it.
        name: String,
    },
    /// More of a call's arguments, in the model's own syntax.
    CallArguments {
        /// The call.
        id: CallId,
        /// Whole characters.
        text: String,
    },
    /// A call is complete; it has not been checked.
    CallReady {
        /// The call.
        call: ToolCall,
    },
    /// A call waits for somebody's yes.
    ApprovalRequested {
        /// What is to be decided.
        request: ApprovalRequest,
    },
    /// The yes or no is there.
    ApprovalDecided {
        /// The call.
        id: CallId,
        /// The decision.
        approval: Approval,
    },
    /// A tool runs, after all checks. Called by a program, it is named after the program: `call-3.1` is the first call
    /// that `call-3` makes.
    ToolStarted {
        /// The call.
        id: CallId,
        /// The tool.
        name: String,
        /// The arguments as the tool gets them.
        arguments: Value,
        /// What was put right in the arguments, such as a number that was written as text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coercions: Vec<Coercion>,
    },
    /// A running tool shows something to the person.
    ToolOutput {
        /// The call.
        id: CallId,
        /// The text.
        text: String,
    },
    /// A call has its observation, whether it was run or refused.
    ToolFinished {
        /// The call.
        id: CallId,
        /// The tool.
        name: String,
        /// What the model reads.
        observation: String,
        /// Why it failed, where it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ToolFailure>,
        /// What the model does not read of the output, where something is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        truncated: Option<Truncation>,
        /// How long the call took, checks and approval included.
        #[serde(rename = "elapsed_ms", with = "crate::millis")]
        elapsed: Duration,
    },
    /// A program for the interpreter has begun.
    CodeStarted {
        /// The call.
        id: CallId,
    },
    /// More of the program.
    CodeText {
        /// The call.
        id: CallId,
        /// Whole characters.
        text: String,
    },
    /// The program is complete.
    CodeReady {
        /// The call.
        id: CallId,
        /// The program.
        source: String,
    },
    /// The running program gives something out.
    CodeOutput {
        /// The call.
        id: CallId,
        /// The output.
        output: Output,
    },
    /// The program has its observation.
    CodeFinished {
        /// The call.
        id: CallId,
        /// How it ended; `None` where it could not be run at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        execution: Option<Execution>,
        /// What the model reads.
        observation: String,
        /// Why it could not be run, where it could not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ToolFailure>,
        /// The session's files that are new or of another size.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileInfo>,
        /// Where the program failed, how many more may correct it. At 0 the model is to answer in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repairs_left: Option<u32>,
        /// What the model does not read of the output, where something is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        truncated: Option<Truncation>,
        /// What the program took.
        #[serde(default)]
        usage: CellUsage,
        /// How long all of it took, opening the session included.
        #[serde(rename = "elapsed_ms", with = "crate::millis")]
        elapsed: Duration,
    },
    /// Something meant as a call could not be read. The model is told what was wrong.
    Malformed {
        /// The call.
        id: CallId,
        /// The tool's name, where that much could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What the model wrote.
        raw: String,
        /// What was wrong.
        problem: String,
    },
    /// The model tries again, held to the grammar of the calls.
    Retried {
        /// Counts from 1 within a row of retries.
        attempt: u32,
        /// What it must call.
        tool_choice: ToolChoice,
    },
    /// The turn is over.
    Finished {
        /// Why.
        stop: StopReason,
        /// What it cost, all generations together.
        usage: TurnUsage,
        /// How long it took.
        timings: TurnTimings,
    },
}

impl Event {
    /// What a gate tells of a call that goes on; `None` for its end.
    pub(crate) fn of_gate(event: GateEvent) -> Option<Self> {
        Some(match event {
            GateEvent::ApprovalRequested { request } => Self::ApprovalRequested { request },
            GateEvent::ApprovalDecided { call_id, approval } => Self::ApprovalDecided { id: call_id, approval },
            GateEvent::Started { call_id, name, arguments, coercions } => {
                Self::ToolStarted { id: call_id, name, arguments, coercions }
            }
            GateEvent::Output { call_id, text } => Self::ToolOutput { id: call_id, text },
            _ => return None,
        })
    }
}

/// Why a call gave no output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFailure {
    /// `unknown_tool`, `invalid_arguments`, `denied`, `timeout`, `cancelled`, `panicked` or `failed`; for a program
    /// `interpreter`.
    pub kind: String,
    /// What the operator reads.
    pub message: String,
    /// What the operator can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&ToolError> for ToolFailure {
    fn from(error: &ToolError) -> Self {
        Self { kind: error.kind().to_owned(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl From<&InterpreterError> for ToolFailure {
    fn from(error: &InterpreterError) -> Self {
        Self { kind: "interpreter".to_owned(), message: error.to_string(), hint: error.hint() }
    }
}
