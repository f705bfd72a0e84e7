//! Tools that a running program may call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use glassbox_tools::{CallId, Content, Gate, GateObserver, ToolCall, ToolError, ToolOutput, ToolSpec};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::InterpreterError;

/// The registry's tools, as a program sees them. Every call goes through the one [`Gate`], as the model's own do:
/// lookup, schema, approval, limits, events, trace.
///
/// A clone counts on with the same numbers.
#[derive(Clone)]
pub struct HostTools {
    way: Arc<dyn Way>,
    made: Arc<AtomicU32>,
}

/// How calls reach the gate: it is in this process, or in that of the host.
#[async_trait]
pub(crate) trait Way: Send + Sync + 'static {
    /// What the tools are.
    fn specs(&self) -> Vec<ToolSpec>;

    /// Takes call number `number` there.
    async fn call(
        &self,
        number: u32,
        name: String,
        arguments: Value,
        cancellation: CancellationToken,
    ) -> Result<Value, HostToolError>;
}

/// A gate in this process.
struct Here {
    gate: Gate,
    observer: Arc<dyn GateObserver>,
    /// The call of the model that runs the program; calls of the program are named after it.
    parent: CallId,
    /// The caller's runtime: tools must not run on an interpreter's threads, and their clients belong to it.
    runtime: Handle,
}

impl std::fmt::Debug for HostTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTools").field("made", &self.made()).finish_non_exhaustive()
    }
}

impl HostTools {
    /// Tools behind `gate`, whose calls are named `PARENT.1`, `PARENT.2`, …, and told to `observer`. They run on the
    /// Tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`InterpreterError::Backend`] outside a Tokio runtime.
    pub fn new(
        gate: Gate,
        observer: Arc<dyn GateObserver>,
        parent: impl Into<CallId>,
    ) -> Result<Self, InterpreterError> {
        let runtime = Handle::try_current().map_err(InterpreterError::backend)?;
        Ok(Self::by(Arc::new(Here { gate, observer, parent: parent.into(), runtime })))
    }

    /// Tools that are reached by `way`.
    pub(crate) fn by(way: Arc<dyn Way>) -> Self {
        Self { way, made: Arc::default() }
    }

    /// What the tools are.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.way.specs()
    }

    /// Calls made so far, refused ones included.
    pub fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Takes one call through the gate. The program gets the whole output, not what would be cut out for the model.
    ///
    /// # Errors
    /// [`HostToolError`], for the program to catch.
    pub async fn call(
        &self,
        name: String,
        arguments: Value,
        cancellation: &CancellationToken,
    ) -> Result<Value, HostToolError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.way.call(number, name, arguments, cancellation.child_token()).await
    }
}

#[async_trait]
impl Way for Here {
    fn specs(&self) -> Vec<ToolSpec> {
        self.gate.registry().specs()
    }

    async fn call(
        &self,
        number: u32,
        name: String,
        arguments: Value,
        cancellation: CancellationToken,
    ) -> Result<Value, HostToolError> {
        let call = ToolCall::new(format!("{}.{number}", self.parent), name, arguments);
        let (gate, observer) = (self.gate.clone(), Arc::clone(&self.observer));
        // Cancels the task where this future is dropped.
        let guard = cancellation.clone().drop_guard();
        let task = self.runtime.spawn(async move { gate.dispatch(call, &cancellation, observer).await });
        let outcome = task.await;
        drop(guard);
        match outcome {
            Ok(outcome) => outcome.result.map(|output| value(&output)).map_err(|error| HostToolError::from(&error)),
            Err(lost) => Err(HostToolError { kind: "cancelled".to_owned(), message: lost.to_string() }),
        }
    }
}

/// Why a call of a program gave nothing. In Python: `ToolError`, with `kind` as an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostToolError {
    /// As [`ToolError::kind`].
    pub kind: String,
    /// What the model would read.
    pub message: String,
}

impl From<&ToolError> for HostToolError {
    fn from(error: &ToolError) -> Self {
        Self { kind: error.kind().to_owned(), message: error.for_model() }
    }
}

/// An output as a program gets it: one piece as it is (text as a string, JSON as its value), several as a list.
fn value(output: &ToolOutput) -> Value {
    let piece = |content: &Content| match content {
        Content::Text { text } => Value::String(text.clone()),
        Content::Json { value } => value.clone(),
        Content::Image { mime, data } => json!({"mime": mime, "data": data}),
        Content::File { path, mime, bytes } => json!({"path": path, "mime": mime, "bytes": bytes}),
        other => Value::String(other.for_model()),
    };
    match output.content.as_slice() {
        [one] => piece(one),
        several => Value::Array(several.iter().map(piece).collect()),
    }
}
