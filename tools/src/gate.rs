//! The one door through which every call passes.

mod clip;
mod coerce;
mod event;
mod limits;
mod preview;
mod problems;
mod run;
mod schema;
mod store;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

pub use coerce::{Coercion, CoercionRule};
pub use event::{GateEvent, GateObserver, ToolOutcome, Truncation};
pub use limits::{Limits, OutputBudget, TokenCounter};
pub use store::{OutputPart, OutputStore};

use crate::nesting::{MAX_DEPTH, deeper_than, dismantle};
use crate::registry::Registered;
use crate::{
    Approval, ApprovalRequest, Approver, CallId, OutputSink, Registry, ToolCall, ToolContext, ToolError, ToolOutput,
};

/// The name under which a tool that reads on in stored outputs is looked for.
pub(crate) const READER: &str = "read_output";

/// Runs calls against a [`Registry`], whoever makes them: the model, code in a sandbox, a client of the server, MCP.
///
/// Every call goes the same way, and every way out is an observation for the model:
///
/// 1. **Lookup.** An unknown name is answered with the nearest known one.
/// 2. **Arguments.** Nested deeper than [`Limits::argument_depth`], they are refused before anything recurses into
///    them. Harmless mistakes are corrected and reported ([`CoercionRule`]). Then the schema is checked, and members
///    that it does not mention are refused where it declares others and says nothing about the rest.
/// 3. **Approval**, where the [`Approver`] wants to be asked.
/// 4. **The run**, in a task of its own, until it is done, its time is up, or the turn is cancelled. A panic is caught.
/// 5. **The output**, cut to [`Limits::output`], with the whole kept in the [`OutputStore`].
///
/// Needs a Tokio runtime with time. A clone shares everything.
///
/// ```
/// use std::sync::Arc;
/// use glassbox_tools::{AutoApprover, CancellationToken, Gate, Limits, Registry, ToolCall, builtin, tools};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::of(tools![builtin::calculator])?;
/// let gate = Gate::new(registry, Arc::new(AutoApprover), Limits::default());
/// let call = ToolCall::new("call-1", "calculator", json!({"expression": "2 ** 10 / 4"}));
/// let outcome = gate.dispatch(call, &CancellationToken::new(), Arc::new(())).await;
/// assert_eq!(outcome.for_model, "256");
///
/// let call = ToolCall::new("call-2", "calculater", json!({"expression": "1 + 1"}));
/// let outcome = gate.dispatch(call, &CancellationToken::new(), Arc::new(())).await;
/// assert!(outcome.for_model.contains("Did you mean `calculator`?"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gate {
    registry: Registry,
    approver: Arc<dyn Approver>,
    limits: Limits,
    outputs: OutputStore,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("registry", &self.registry).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate to the tools of `registry`, with an output store of its own.
    pub fn new(registry: Registry, approver: Arc<dyn Approver>, limits: Limits) -> Self {
        Self { registry, approver, limits, outputs: OutputStore::default() }
    }

    /// Keeps long outputs in `outputs`: the store of a `read_output` tool, or one that several gates share.
    #[must_use]
    pub fn with_outputs(mut self, outputs: OutputStore) -> Self {
        self.outputs = outputs;
        self
    }

    /// The tools.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The outputs that were too long for the model.
    pub fn outputs(&self) -> &OutputStore {
        &self.outputs
    }

    /// Cuts a text that did not come through [`Gate::dispatch`], such as what a program printed, to
    /// [`Limits::output`]; the whole is kept.
    pub fn clip(&self, text: String) -> (String, Option<Truncation>) {
        clip::clip(text, &self.limits.output, &self.outputs, self.registry.get(READER).is_some())
    }

    /// Beginning and end of `text`, about `bytes` bytes together and whole characters only, with a notice between that
    /// says what is missing. `handle` is where the whole is kept. For a caller that counts tokens itself.
    pub fn shorten(&self, text: &str, bytes: usize, handle: &str) -> (String, Truncation) {
        clip::shorten(text, bytes, handle, self.registry.get(READER).is_some())
    }

    /// Takes one call through the gate. Never fails: what goes wrong is in the outcome, with a text for the model.
    ///
    /// Cancelling `cancellation` ends the call with [`ToolError::Cancelled`]; dropping the future ends it without a word.
    /// Either way the tool's future is dropped and its context cancelled. `observer` hears of every step.
    pub fn dispatch<'a>(
        &'a self,
        call: ToolCall,
        cancellation: &'a CancellationToken,
        observer: Arc<dyn GateObserver>,
    ) -> impl Future<Output = ToolOutcome> + Send + 'a {
        let started = Instant::now();
        let ToolCall { id, name, arguments } = call;
        // Now, not in the future: a future that is dropped before it runs would drop deep arguments by recursion.
        let depth = self.limits.argument_depth.min(MAX_DEPTH);
        let arguments = if deeper_than(&arguments, depth) {
            dismantle(arguments);
            Err(format!("they are nested deeper than {depth} levels"))
        } else {
            Ok(arguments)
        };
        // The fields of OpenTelemetry's semantic conventions for generative AI, "execute tool span".
        let span = tracing::info_span!(
            "execute_tool",
            otel.name = %format_args!("execute_tool {}", preview::name(&name)),
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = %preview::name(&name),
            gen_ai.tool.call.id = %id,
            "gen_ai.tool.type" = "function",
            "error.type" = field::Empty,
        );
        async move {
            let mut coercions = Vec::new();
            let passage = Passage { gate: self, id: &id, name: &name, cancellation, observer: &observer };
            let result = passage.pass(arguments, &mut coercions).await;
            let text = match &result {
                Ok(output) => output.for_model(),
                Err(error) => {
                    tracing::Span::current().record("error.type", error.kind());
                    tracing::warn!(error.kind = error.kind(), %error, "tool call failed");
                    error.for_model()
                }
            };
            let reader = self.registry.get(READER).is_some();
            let (for_model, truncated) = clip::clip(text, &self.limits.output, &self.outputs, reader);
            let elapsed = started.elapsed();
            observer.on_event(GateEvent::Finished {
                call_id: id.clone(),
                name: name.clone(),
                for_model: for_model.clone(),
                error: result.as_ref().err().map(|error| error.kind().to_owned()),
                truncated: truncated.clone(),
                elapsed,
            });
            ToolOutcome { call_id: id, name, result, for_model, coercions, truncated, elapsed }
        }
        .instrument(span)
    }
}

/// One call on its way.
struct Passage<'a> {
    gate: &'a Gate,
    id: &'a CallId,
    name: &'a str,
    cancellation: &'a CancellationToken,
    observer: &'a Arc<dyn GateObserver>,
}

impl Passage<'_> {
    async fn pass(
        &self,
        arguments: Result<Value, String>,
        coercions: &mut Vec<Coercion>,
    ) -> Result<ToolOutput, ToolError> {
        let limits = &self.gate.limits;
        let tool = self.lookup()?;
        let mut arguments = arguments.map_err(|problem| self.invalid(vec![problem]))?;
        *coercions = coerce::coerce(&mut arguments, &tool.spec.parameters);
        if deeper_than(&arguments, limits.argument_depth.min(MAX_DEPTH)) {
            // They came as a text, which hid how deep they are.
            dismantle(arguments);
            return Err(self.invalid(vec!["they are nested too deep".to_owned()]));
        }
        let problems = problems::find(&tool.validator, &tool.spec.parameters, &arguments, limits.problems);
        if !problems.is_empty() {
            return Err(self.invalid(problems));
        }
        self.approve(&tool, &arguments).await?;
        self.observer.on_event(GateEvent::Started {
            call_id: self.id.clone(),
            name: tool.spec.name.clone(),
            arguments: arguments.clone(),
            coercions: coercions.clone(),
        });
        let cancellation = self.cancellation.child_token();
        let context = ToolContext::new(self.id.clone(), cancellation.clone()).with_output(Arc::new(Progress {
            call_id: self.id.clone(),
            observer: Arc::clone(self.observer),
            left: AtomicUsize::new(limits.progress_bytes),
            over: cancellation,
        }));
        let limit = tool.spec.timeout.unwrap_or(limits.timeout);
        run::run(Arc::clone(&tool.tool), self.name, arguments, context, limit, self.cancellation).await
    }

    fn lookup(&self) -> Result<Arc<Registered>, ToolError> {
        let registry = &self.gate.registry;
        registry.registered(self.name).cloned().ok_or_else(|| ToolError::UnknownTool {
            name: preview::name(self.name),
            nearest: registry.nearest(self.name).map(str::to_owned),
            known: registry.names().map(str::to_owned).collect(),
        })
    }

    fn invalid(&self, problems: Vec<String>) -> ToolError {
        ToolError::InvalidArguments { name: self.name.to_owned(), problems }
    }

    /// Asks the approver where it wants to be asked. One that panics has not said yes.
    async fn approve(&self, tool: &Registered, arguments: &Value) -> Result<(), ToolError> {
        let (name, approver) = (self.name.to_owned(), &self.gate.approver);
        if self.cancellation.is_cancelled() {
            return Err(ToolError::Cancelled { name });
        }
        let needed = std::panic::catch_unwind(AssertUnwindSafe(|| approver.needs_approval(&tool.spec)));
        match needed.map_err(|panic| run::message(&*panic)) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(message) => {
                return Err(ToolError::Denied { name, reason: format!("the approver panicked: {message}") });
            }
        }
        let request = ApprovalRequest {
            call: ToolCall { id: self.id.clone(), name: name.clone(), arguments: arguments.clone() },
            hints: tool.spec.hints,
            description: tool.spec.description.clone(),
        };
        self.observer.on_event(GateEvent::ApprovalRequested { request: request.clone() });
        let approval = tokio::select! {
            biased;
            () = self.cancellation.cancelled() => return Err(ToolError::Cancelled { name }),
            answer = AssertUnwindSafe(approver.approve(&request)).catch_unwind() => answer.unwrap_or_else(|panic| {
                Approval::Deny { reason: format!("the approver panicked: {}", run::message(&*panic)) }
            }),
        };
        self.observer.on_event(GateEvent::ApprovalDecided { call_id: self.id.clone(), approval: approval.clone() });
        match approval {
            Approval::Allow => Ok(()),
            Approval::Deny { reason } => Err(ToolError::Denied { name, reason }),
        }
    }
}

/// Passes on what a tool prints, so much and no more, and nothing once the call is over.
struct Progress {
    call_id: CallId,
    observer: Arc<dyn GateObserver>,
    left: AtomicUsize,
    over: CancellationToken,
}

impl OutputSink for Progress {
    fn write(&self, text: &str) {
        if text.is_empty() || self.over.is_cancelled() {
            return;
        }
        let Ok(left) = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left > 0).then(|| left.saturating_sub(text.len()))
        }) else {
            return;
        };
        let mut shown = text.get(..text.floor_char_boundary(left)).unwrap_or_default().to_owned();
        if shown.len() < text.len() {
            shown.push_str("\n[more is printed, but not shown]\n");
        }
        self.observer.on_event(GateEvent::Output { call_id: self.call_id.clone(), text: shown });
    }
}
