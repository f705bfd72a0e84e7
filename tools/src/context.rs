//! What a running tool may use.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::CallId;

/// Receives what a tool prints while it runs, before its result is there.
pub trait OutputSink: Send + Sync {
    /// Takes the next piece of output.
    fn write(&self, text: &str);
}

/// Handed to every call. A `#[tool]` function takes it as `&ToolContext`; it stays out of the schema.
#[derive(Clone)]
pub struct ToolContext {
    call_id: CallId,
    cancellation: CancellationToken,
    output: Option<Arc<dyn OutputSink>>,
}

impl std::fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolContext").field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

impl ToolContext {
    /// A context for the call `call_id` that ends when `cancellation` is cancelled.
    pub fn new(call_id: CallId, cancellation: CancellationToken) -> Self {
        Self { call_id, cancellation, output: None }
    }

    /// Sends progress to `output`.
    #[must_use]
    pub fn with_output(mut self, output: Arc<dyn OutputSink>) -> Self {
        self.output = Some(output);
        self
    }

    /// The call that runs.
    pub fn call_id(&self) -> &CallId {
        &self.call_id
    }

    /// Cancelled when the turn is, and when the call's time is up. An async tool is dropped then; one that blocks a
    /// thread must look here.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Shows `text` to the person while the tool still runs. The model does not read it.
    pub fn emit(&self, text: &str) {
        if let Some(output) = &self.output {
            output.write(text);
        }
    }
}

impl Default for ToolContext {
    /// A context for calling a tool by hand, as a test does: id `call-0`, never cancelled, output dropped.
    fn default() -> Self {
        Self::new(CallId::from("call-0"), CancellationToken::new())
    }
}
