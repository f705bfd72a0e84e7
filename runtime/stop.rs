//! Why a turn ended.

use serde::{Deserialize, Serialize};

/// Why a turn ended. None of these is an error: whatever was finished is in the session, and it takes the next
/// message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The model gave a plain reply: it was done.
    Done,
    /// The model may not generate again in this turn. Calls of its last reply were not run.
    MaxTurns,
    /// The reply was cut at `max_tokens`.
    Length,
    /// The context is full.
    ContextFull,
    /// The turn was cancelled.
    Cancelled,
    /// The reply said the same again and again, and was stopped.
    Repetition,
}

impl StopReason {
    /// True where the model finished what it wanted to say.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }

    /// In one word, as its JSON has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::MaxTurns => "max_turns",
            Self::Length => "length",
            Self::ContextFull => "context_full",
            Self::Cancelled => "cancelled",
            Self::Repetition => "repetition",
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::MaxTurns => "the limit of model turns is reached",
            Self::Length => "the reply was cut at its token limit",
            Self::ContextFull => "the context is full",
            Self::Cancelled => "cancelled",
            Self::Repetition => "the reply repeated itself",
        })
    }
}
