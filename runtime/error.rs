//! What can go wrong outside of a tool or a program.

use std::path::PathBuf;

use glassbox_model::ModelError;
use glassbox_sandbox::InterpreterError;
use glassbox_tools::SpecError;

/// Why an agent could not be built, or a turn not go on. `Display` says what failed, [`Error::hint`] what to do.
///
/// What a tool or a program does wrong is no error here: the model reads it and answers. After any of these errors
/// the session takes the next message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message does not fit in the context. The session is as before.
    #[error("with this message the conversation needs {needed} tokens, and the context holds {limit}")]
    ContextOverflow {
        /// Tokens of the prompt with the new message, and the room kept for a reply.
        needed: u32,
        /// Tokens that fit.
        limit: u32,
    },
    /// The model failed.
    #[error(transparent)]
    Model(ModelError),
    /// A tool cannot be registered.
    #[error(transparent)]
    Tool(#[from] SpecError),
    /// The tool that must be called is not registered. The session is as before.
    #[error("the tool choice names `{name}`, which is not registered")]
    UnknownChoice {
        /// The name.
        name: String,
        /// Every registered name.
        known: Vec<String>,
    },
    /// A call is required and there is nothing that could be called. The session is as before.
    #[error("a call is required, but the agent has neither tools nor an interpreter")]
    NothingToCall,
    /// The agent has no interpreter.
    #[error("the agent has no interpreter")]
    NoInterpreter,
    /// The interpreter's session could not be opened, or a file not be put or got.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// A conversation cannot be saved, or not go on from its file.
    #[error("the saved conversation {}: {problem}", path.display())]
    SavedSession {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The model's stream ended in the middle of a reply.
    #[error("the reply of model `{model}` ended without its end")]
    IncompleteReply {
        /// The model's name.
        model: String,
    },
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::ContextOverflow { needed, limit } => Self::ContextOverflow { needed, limit },
            error => Self::Model(error),
        }
    }
}

impl Error {
    /// In one word, for traces.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ContextOverflow { .. } => "context_overflow",
            Self::Model(error) => error.kind(),
            Self::NoInterpreter => "no_interpreter",
            Self::Interpreter(_) => "interpreter",
            Self::Tool(_) => "tool",
            Self::UnknownChoice { .. } => "unknown_choice",
            Self::SavedSession { .. } => "saved_session",
            Self::NothingToCall => "nothing_to_call",
            Self::IncompleteReply { .. } => "incomplete_reply",
        }
    }

    /// What to do now, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ContextOverflow { .. } => Some(
                "shorten the message, clear the session, or load the model with a larger context (`--context`)"
                    .to_owned(),
            ),
            Self::Model(error) => error.hint(),
            Self::NoInterpreter => Some("give it one with `Agent::builder(…).interpreter(…)`".to_owned()),
            Self::Interpreter(error) => error.hint(),
            Self::Tool(SpecError::Duplicate { .. }) => None, // its message already says what to do
            Self::Tool(_) => Some("the tool's name and schema come from `Tool::spec`".to_owned()),
            Self::UnknownChoice { known, .. } if known.is_empty() => {
                Some("register the tool with `Agent::builder(…).tools(…)`".to_owned())
            }
            Self::UnknownChoice { known, .. } => Some(format!("registered are: {}", known.join(", "))),
            Self::SavedSession { .. } => {
                Some("take a file that `Session::save` wrote, and a folder that may be written".to_owned())
            }
            Self::NothingToCall => {
                Some("register tools with `Agent::builder(…).tools(…)`, or leave the tool choice at auto".to_owned())
            }
            Self::IncompleteReply { .. } => {
                Some("send the message again; if it happens again, the model's backend is at fault".to_owned())
            }
        }
    }
}
