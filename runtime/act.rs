//! What a turn does between two replies: tool calls and programs, and how their answers are made to fit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox_sandbox::{CellEvent, ExecuteRequest, Execution, Interpreter, InterpreterError, Output};
use glassbox_tools::{CallId, GateEvent, GateObserver, ToolCall, ToolError, ToolOutcome, ToolOutput, Truncation};
use tokio::sync::mpsc::UnboundedSender;

use crate::driver::Driver;
use crate::machine::{Answer, Fault};
use crate::room::Fitted;
use crate::turn::lock;
use crate::{Action, CallRecord, CodeRecord, Event, ToolFailure, cell};

/// Said to a model that goes round in a circle. Of the wordings tried on the 0.5B of Qwen 2.5 Coder, this one is
/// followed by an answer.
const REPEATED: &str = "\n\nThis is the same result as before. Answer the user's question with it in plain words. \
                        Do not call a function.";

/// An action that has been run.
pub(crate) struct Performed {
    /// What the model would read if the context had room for everything.
    whole: String,
    /// What it shall read, cut to the budget of one call.
    shown: String,
    truncated: Option<Truncation>,
    elapsed: Duration,
    end: End,
}

enum End {
    Tool { call: ToolCall, result: Result<ToolOutput, ToolError> },
    Code { id: CallId, source: String, outputs: Vec<Output>, execution: Option<Execution> },
}

impl End {
    fn id(&self) -> &CallId {
        match self {
            Self::Tool { call, .. } => &call.id,
            Self::Code { id, .. } => id,
        }
    }

    /// What was wrong with the call itself.
    fn fault(&self) -> Option<Fault> {
        match self {
            Self::Tool { result: Err(ToolError::UnknownTool { .. }), .. } => Some(Fault::UnknownTool),
            Self::Tool { result: Err(ToolError::InvalidArguments { .. }), .. } => Some(Fault::InvalidArguments),
            _ => None,
        }
    }
}

/// Passes on what the gate tells, but for the end: a call is finished when its observation is in the history.
struct Told(UnboundedSender<Event>);

impl GateObserver for Told {
    fn on_event(&self, event: GateEvent) {
        let event = match event {
            GateEvent::ApprovalRequested { request } => Event::ApprovalRequested { request },
            GateEvent::ApprovalDecided { call_id, approval } => Event::ApprovalDecided { id: call_id, approval },
            GateEvent::Started { call_id, name, arguments, coercions } => {
                Event::ToolStarted { id: call_id, name, arguments, coercions }
            }
            GateEvent::Output { call_id, text } => Event::ToolOutput { id: call_id, text },
            _ => return,
        };
        // Nobody listens any more when the turn was dropped.
        let _ = self.0.send(event);
    }
}

impl Driver {
    /// Runs one action. Never fails: what goes wrong is for the model to read.
    pub(crate) async fn perform(&self, action: Action) -> Performed {
        match action {
            Action::Call { call } => {
                let observer = Arc::new(Told(self.events.clone()));
                let outcome = self.agent.gate.dispatch(call.clone(), &self.cancellation, observer).await;
                let ToolOutcome { result, for_model, truncated, elapsed, .. } = outcome;
                let whole = match (&truncated, &result) {
                    (None, _) => for_model.clone(),
                    (Some(_), Ok(output)) => output.for_model(),
                    (Some(_), Err(error)) => error.for_model(),
                };
                Performed { whole, shown: for_model, truncated, elapsed, end: End::Tool { call, result } }
            }
            Action::Code { id, source } => {
                let started = Instant::now();
                let (whole, outputs, execution) = match &self.interpreter {
                    Some(interpreter) => self.cell(interpreter.as_ref(), &id, &source).await,
                    None => ("Error: no code interpreter is available.".to_owned(), Vec::new(), None),
                };
                let (shown, truncated) = self.agent.gate.clip(whole.clone());
                let end = End::Code { id, source, outputs, execution };
                Performed { whole, shown, truncated, elapsed: started.elapsed(), end }
            }
        }
    }

    async fn cell(
        &self,
        interpreter: &dyn Interpreter,
        id: &CallId,
        source: &str,
    ) -> (String, Vec<Output>, Option<Execution>) {
        let request = ExecuteRequest::new(source).with_cancellation(self.cancellation.child_token());
        let mut events = interpreter.execute(request);
        let mut outputs = Vec::new();
        let broken = loop {
            match events.next().await {
                Some(Ok(CellEvent::Output { output })) => {
                    self.tell(Event::CodeOutput { id: id.clone(), output: output.clone() });
                    outputs.push(output);
                }
                Some(Ok(CellEvent::Finished { execution, .. })) => {
                    let text = cell::observation(&outputs, execution, interpreter.limits());
                    return (text, outputs, Some(execution));
                }
                Some(Err(error)) => break error,
                None => break InterpreterError::Backend { problem: "it ended in the middle of a program".to_owned() },
            }
        };
        tracing::warn!(error = %broken, "a program could not be run");
        let mut text = if outputs.is_empty() {
            String::new()
        } else {
            cell::observation(&outputs, Execution::Ok, interpreter.limits())
        };
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&format!("Error: {broken}."));
        (text, outputs, None)
    }

    /// Makes the answer of an action final and tells it. False where the context is full and the turn over.
    pub(crate) async fn answer(&self, performed: Performed) -> bool {
        let Performed { whole, shown, truncated, elapsed, end } = performed;
        let (id, fault) = (end.id().clone(), end.fault());
        let repeated = fault.is_none() && lock(&self.turn).machine.repeats(&id, &shown);
        let (whole, shown) = if repeated { (whole + REPEATED, shown + REPEATED) } else { (whole, shown) };
        let Fitted { text, truncated, full } = self.fit(&id, &whole, shown, truncated).await;
        let event = {
            let mut turn = lock(&self.turn);
            if let Err(unexpected) =
                turn.machine.action_finished(&id, Answer { content: text.clone(), fault, repeated })
            {
                // The machine asked for the action, so this is a fault of the driver.
                tracing::error!(%unexpected, "an answer was dropped");
            }
            if full {
                turn.machine.context_full();
            }
            let (record, event) = record(end, text, truncated, elapsed);
            match record {
                Record::Call(call) => turn.calls.push(call),
                Record::Code(code) => turn.code.push(code),
            }
            event
        };
        self.emit(event).await;
        !full
    }
}

enum Record {
    Call(CallRecord),
    Code(CodeRecord),
}

/// What is kept of an action, and what is told of it.
fn record(end: End, observation: String, truncated: Option<Truncation>, elapsed: Duration) -> (Record, Event) {
    match end {
        End::Tool { call: ToolCall { id, name, arguments }, result } => {
            let error = result.as_ref().err().map(ToolFailure::from);
            let event = Event::ToolFinished {
                id: id.clone(),
                name: name.clone(),
                observation: observation.clone(),
                error: error.clone(),
                truncated,
                elapsed,
            };
            (Record::Call(CallRecord { id, name, arguments, observation, output: result.ok(), error, elapsed }), event)
        }
        End::Code { id, source, outputs, execution } => {
            let event =
                Event::CodeFinished { id: id.clone(), execution, observation: observation.clone(), truncated, elapsed };
            (Record::Code(CodeRecord { id, source, outputs, execution, observation, elapsed }), event)
        }
    }
}
