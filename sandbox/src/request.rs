//! A program on its way to an interpreter, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Execution, HostTools, InterpreterError, Output};

/// A program to run.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExecuteRequest {
    /// The source.
    pub source: String,
    /// Cancels the cell. It is interrupted, and killed where it does not end within [`Limits::grace`](crate::Limits::grace).
    pub cancellation: CancellationToken,
    /// Tools that the program may call as functions. Default: none.
    pub tools: Option<HostTools>,
    /// Who answers `input()`. Default: nobody; it raises an exception that says so.
    pub input: Option<Arc<dyn InputSource>>,
}

impl ExecuteRequest {
    /// A cell that nobody cancels, without tools and input.
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), cancellation: CancellationToken::new(), tools: None, input: None }
    }

    /// Cancels the cell when `cancellation` is cancelled.
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: CancellationToken) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// Offers tools.
    #[must_use]
    pub fn with_tools(mut self, tools: HostTools) -> Self {
        self.tools = Some(tools);
        self
    }

    /// Answers `input()`.
    #[must_use]
    pub fn with_input(mut self, input: Arc<dyn InputSource>) -> Self {
        self.input = Some(input);
        self
    }
}

impl std::fmt::Debug for ExecuteRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecuteRequest").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Answers a program that asks for a line of input.
#[async_trait]
pub trait InputSource: Send + Sync + 'static {
    /// The line, without its end; `None` where there is none (the program gets an `EOFError`). `hidden` for passwords.
    async fn line(&self, prompt: &str, hidden: bool) -> Option<String>;
}

/// The outputs of a cell in their order, then how it ended.
pub type OutputStream = BoxStream<'static, Result<CellEvent, InterpreterError>>;

/// An item of a cell's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CellEvent {
    /// The next output.
    Output {
        /// The output.
        output: Output,
    },
    /// The end; nothing follows.
    Finished {
        /// How.
        execution: Execution,
        /// What it took.
        #[serde(default)]
        usage: CellUsage,
    },
}

/// What a cell took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CellUsage {
    /// Wall-clock time.
    #[serde(rename = "elapsed_ms", with = "millis")]
    pub elapsed: Duration,
    /// Bytes of the session's memory after the cell; 0 where the backend cannot tell.
    pub memory: u64,
    /// Tool calls and other calls of the program to the host.
    pub host_calls: u32,
}

/// A duration as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
