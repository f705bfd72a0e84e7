//! What can go wrong with a call, told to two readers.

use std::time::Duration;

/// Why a call gave no output. [`ToolError::for_model`] is what the model reads; `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// No tool has this name.
    #[error("no tool named `{name}`{}", nearest.as_ref().map(|n| format!(" (nearest: `{n}`)")).unwrap_or_default())]
    UnknownTool {
        /// The name asked for.
        name: String,
        /// The registered name most like it, if one is close.
        nearest: Option<String>,
        /// Every registered name.
        known: Vec<String>,
    },
    /// The arguments do not fit the tool's schema.
    #[error("arguments of `{name}` do not fit its schema: {}", problems.join("; "))]
    InvalidArguments {
        /// The tool.
        name: String,
        /// Each misfit: where it is, what was found, what is asked for.
        problems: Vec<String>,
    },
    /// The call was refused, by the approver or by policy.
    #[error("call of `{name}` denied: {reason}")]
    Denied {
        /// The tool.
        name: String,
        /// Who refused and why.
        reason: String,
    },
    /// The tool took too long.
    #[error("`{name}` did not finish within {limit:?}")]
    Timeout {
        /// The tool.
        name: String,
        /// The limit that was passed.
        limit: Duration,
    },
    /// The turn was cancelled.
    #[error("call of `{name}` cancelled")]
    Cancelled {
        /// The tool.
        name: String,
    },
    /// The tool panicked. The model is not told the message: it may hold anything.
    #[error("`{name}` panicked: {message}")]
    Panicked {
        /// The tool.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// The tool ran and reported an error.
    #[error("{source}")]
    Failed {
        /// The error that the tool returned.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ToolError {
    /// The tool itself failed with `error`; the model reads its `Display`. A [`ToolError`] stays the one it is.
    pub fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => Self::Failed { source },
        }
    }

    /// A short name for logs, events and metrics: `unknown_tool`, `invalid_arguments`, `denied`, `timeout`,
    /// `cancelled`, `panicked`, `failed`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownTool { .. } => "unknown_tool",
            Self::InvalidArguments { .. } => "invalid_arguments",
            Self::Denied { .. } => "denied",
            Self::Timeout { .. } => "timeout",
            Self::Cancelled { .. } => "cancelled",
            Self::Panicked { .. } => "panicked",
            Self::Failed { .. } => "failed",
        }
    }

    /// What the model reads as the observation: what was wrong and what it can do now.
    pub fn for_model(&self) -> String {
        match self {
            Self::UnknownTool { name, nearest, known } => {
                let mut text = format!("Error: there is no tool named `{name}`.");
                if let Some(nearest) = nearest {
                    text.push_str(&format!(" Did you mean `{nearest}`?"));
                }
                if known.is_empty() {
                    text.push_str(" No tools are available: answer directly.");
                } else {
                    text.push_str(&format!(" Available tools: {}.", known.join(", ")));
                }
                text
            }
            Self::InvalidArguments { name, problems } => {
                format!(
                    "Error: the arguments of `{name}` are wrong: {}. Call it again with correct arguments.",
                    problems.join("; ")
                )
            }
            Self::Denied { name, .. } => {
                format!(
                    "Error: the call of `{name}` was not allowed. Do not try it again; answer without it or say what you need."
                )
            }
            Self::Timeout { name, limit } => {
                format!("Error: `{name}` did not finish within {} s and was stopped.", limit.as_secs_f32())
            }
            Self::Cancelled { name } => format!("Error: the call of `{name}` was cancelled."),
            Self::Panicked { name, .. } => {
                format!("Error: `{name}` failed because of an internal fault. Do not call it again the same way.")
            }
            Self::Failed { source } => format!("Error: {source}"),
        }
    }

    /// What the operator can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownTool { .. } => Some("register the tool, or forbid free names with a constrained tool_choice"),
            Self::InvalidArguments { .. } => {
                Some("constrained decoding rules this out for models run by Glassbox itself")
            }
            Self::Denied { .. } => Some("pass another Approver, or mark the tool `read_only` if it is"),
            Self::Timeout { .. } => {
                Some("raise the limit with `Limits::timeout`, or make the tool report progress and stop early")
            }
            Self::Panicked { .. } => Some("this is a bug in the tool; run with RUST_BACKTRACE=1"),
            Self::Cancelled { .. } | Self::Failed { .. } => None,
        }
    }
}
