//! What goes into the machine and what comes out.

use std::collections::BTreeMap;

use glassbox_model::ToolChoice;
use glassbox_tools::{CallId, ToolCall};
use serde::{Deserialize, Serialize};

use super::INTERPRETER;
use crate::StopReason;

/// Whether calls of a tool may run beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// Beside any other parallel call of the same reply.
    Parallel,
    /// Alone, in the order written.
    Serial,
}

/// The rules of one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRules {
    /// The most generations. Calls of the last one are answered with "not run".
    pub max_turns: u32,
    /// The most forced generations in a row after calls that could not be used.
    pub max_retries: u32,
    /// The most programs in a row that may correct one that failed; then the model is to answer in words.
    #[serde(default)]
    pub max_repairs: u32,
    /// The caller's choice. `Required` and `Named` hold for the first generation, so that the turn can end; `None`
    /// holds for all, and calls written in spite of it are not run.
    pub tool_choice: ToolChoice,
    /// Runs calls of one reply beside each other, where their tools allow it.
    pub parallel_calls: bool,
    /// Whether code can be run.
    pub interpreter: bool,
    /// The known tools.
    pub tools: BTreeMap<String, Concurrency>,
}

impl TurnRules {
    /// True for what [`ToolChoice::Named`] can ask for.
    pub(super) fn can_name(&self, name: &str) -> bool {
        self.tools.contains_key(name) || (self.interpreter && name == INTERPRETER)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Let the model generate, then call [`TurnMachine::reply_finished`](super::TurnMachine::reply_finished).
    Generate {
        /// What the model may or must call.
        tool_choice: ToolChoice,
        /// The number of this forced retry in a row; 0 where it is none.
        retry: u32,
    },
    /// Run the actions, and call [`TurnMachine::action_finished`](super::TurnMachine::action_finished) for each, in any order.
    Act {
        /// One group after the other; the actions of a group beside each other.
        groups: Vec<Vec<Action>>,
    },
    /// Nothing: the turn is over.
    Done {
        /// Why.
        stop: StopReason,
    },
}

/// Something that the model asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// A tool is to be called.
    Call {
        /// The call; its tool may be unknown.
        call: ToolCall,
    },
    /// A program is to be run.
    Code {
        /// The call.
        id: CallId,
        /// The program.
        source: String,
    },
}

impl Action {
    /// The call's name within its session.
    pub fn id(&self) -> &CallId {
        match self {
            Self::Call { call } => &call.id,
            Self::Code { id, .. } => id,
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the model reads.
    pub content: String,
    /// What was wrong with the call itself, if it was never run because of that.
    pub fault: Option<Fault>,
    /// The call and its result are those of an earlier reply of this turn: see [`TurnMachine::repeats`](super::TurnMachine::repeats).
    #[serde(default)]
    pub repeated: bool,
    /// A program that did not run to its end: the model may correct it.
    #[serde(default)]
    pub failed: bool,
}

impl Answer {
    /// The call was run, well or not.
    pub fn ran(content: impl Into<String>) -> Self {
        Self { content: content.into(), fault: None, repeated: false, failed: false }
    }

    /// The program was run, and raised an exception or was stopped.
    pub fn failed(content: impl Into<String>) -> Self {
        Self { failed: true, ..Self::ran(content) }
    }

    /// The call was run again, and gave what it had given before.
    pub fn repeated(content: impl Into<String>) -> Self {
        Self { repeated: true, ..Self::ran(content) }
    }

    /// The call could not be used.
    pub fn fault(fault: Fault, content: impl Into<String>) -> Self {
        Self { fault: Some(fault), ..Self::ran(content) }
    }
}

/// Why a call could not be used. The model tries again, held to the grammar of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It could not be read.
    Malformed,
    /// No tool has this name.
    UnknownTool,
    /// Its arguments do not fit the schema.
    InvalidArguments,
}

/// An input that the machine did not ask for. The machine is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexpected {
    /// A reply came while none was asked for.
    #[error("a reply came, but the turn does not wait for one")]
    Reply,
    /// An answer came to a call that does not wait.
    #[error("an answer came for `{id}`, which does not wait for one")]
    Answer {
        /// The call.
        id: CallId,
    },
}
