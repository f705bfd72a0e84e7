//! How much one call may take and give.

use std::sync::Arc;
use std::time::Duration;

use crate::nesting::MAX_DEPTH;

/// Counts the tokens of a text, as the model that will read it does.
pub type TokenCounter = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// How much of a call's output the model reads.
#[derive(Clone)]
#[non_exhaustive]
pub enum OutputBudget {
    /// At most so many bytes of UTF-8.
    Bytes(usize),
    /// At most so many tokens.
    Tokens {
        /// The most tokens.
        limit: usize,
        /// Counts them.
        counter: TokenCounter,
    },
}

impl std::fmt::Debug for OutputBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(limit) => f.debug_tuple("Bytes").field(limit).finish(),
            Self::Tokens { limit, .. } => f.debug_struct("Tokens").field("limit", limit).finish_non_exhaustive(),
        }
    }
}

/// The limits of every call through one [`Gate`](crate::Gate).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// How long a tool may run. Waiting for approval does not count. Default: 60 s. A tool's own
    /// [`ToolSpec::timeout`](crate::ToolSpec::timeout) goes before it.
    pub timeout: Duration,
    /// How much of the output, or of an error's text, the model reads at once; the rest stays in the
    /// [`OutputStore`](crate::OutputStore). Default: 16 KiB.
    pub output: OutputBudget,
    /// How much of what a tool prints while it runs is passed on, in bytes. Default: 1 MiB.
    pub progress_bytes: usize,
    /// How deep arguments may be nested, at most (and by default) [`MAX_DEPTH`].
    pub argument_depth: usize,
    /// How many problems of wrong arguments the model is told at once. Default: 8.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            output: OutputBudget::Bytes(16 * 1024),
            progress_bytes: 1024 * 1024,
            argument_depth: MAX_DEPTH,
            problems: 8,
        }
    }
}

impl Limits {
    /// Sets how long a tool may run.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Cuts output to `bytes` bytes.
    #[must_use]
    pub fn with_output_bytes(mut self, bytes: usize) -> Self {
        self.output = OutputBudget::Bytes(bytes);
        self
    }

    /// Cuts output to `limit` tokens as `counter` counts them.
    #[must_use]
    pub fn with_output_tokens(mut self, limit: usize, counter: TokenCounter) -> Self {
        self.output = OutputBudget::Tokens { limit, counter };
        self
    }
}
