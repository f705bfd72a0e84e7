//! What a turn does between two replies: tool calls and programs, and how their answers are made to fit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::Execution;
use glassbox_tools::{CallId, GateEvent, GateObserver, ToolCall, ToolError, ToolOutcome, ToolOutput, Truncation};
use tokio::sync::mpsc::UnboundedSender;

use crate::driver::Driver;
use crate::machine::{Answer, Fault};
use crate::program::Ran;
use crate::room::Fitted;
use crate::turn::lock;
use crate::{Action, CallRecord, CodeRecord, Event, ToolFailure};

/// Said to a model that goes round in a circle. Of the wordings tried on the 0.5B of Qwen 2.5 Coder, this one is
/// followed by an answer.
const REPEATED: &str = "\n\nThis is the same result as before. Answer the user's question with it in plain words. \
                        Do not call a function.";

/// The same, after a program.
const RUN_AGAIN: &str = "\n\nThis is the same result as before. Answer the user's question with it in plain words. \
                         Do not run more code.";

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
    Code { id: CallId, source: String, ran: Ran },
}

impl End {
    fn id(&self) -> &CallId {
        match self {
            Self::Tool { call, .. } => &call.id,
            Self::Code { id, .. } => id,
        }
    }

    /// What is said where it brought nothing new.
    fn repetition(&self) -> &'static str {
        match self {
            Self::Tool { .. } => REPEATED,
            Self::Code { .. } => RUN_AGAIN,
        }
    }

    /// True for a program that did not come to its end.
    fn failed(&self) -> bool {
        matches!(self, Self::Code { ran, .. } if ran.execution != Some(Execution::Ok))
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
        if let Some(event) = Event::of_gate(event) {
            // Nobody listens any more when the turn was dropped.
            let _ = self.0.send(event);
        }
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
                let (whole, ran) = self.program(&id, &source).await;
                let (shown, truncated) = self.agent.gate.clip(whole.clone());
                let end = End::Code { id, source, ran };
                Performed { whole, shown, truncated, elapsed: started.elapsed(), end }
            }
        }
    }

    /// True for a program that the turn has run before, to the letter.
    fn is_unchanged(&self, end: &End) -> bool {
        let End::Code { source, .. } = end else { return false };
        lock(&self.turn).code.iter().any(|before| before.source.trim() == source.trim())
    }

    /// Makes the answer of an action final and tells it. False where the context is full and the turn over.
    pub(crate) async fn answer(&self, performed: Performed) -> bool {
        let Performed { whole, shown, truncated, elapsed, end } = performed;
        let (id, fault) = (end.id().clone(), end.fault());
        let failed = end.failed();
        let (repeated, left) = {
            let turn = lock(&self.turn);
            (fault.is_none() && !failed && turn.machine.repeats(&id, &shown), turn.machine.repairs_left())
        };
        let stuck = failed && self.is_unchanged(&end);
        let said = match (repeated, failed) {
            (true, _) => end.repetition().to_owned(),
            (_, true) => failure(left, stuck),
            _ => String::new(),
        };
        let (whole, shown) = (whole + &said, shown + &said);
        let Fitted { text, truncated, full } = self.fit(&id, &whole, shown, truncated).await;
        let event = {
            let mut turn = lock(&self.turn);
            if let Err(unexpected) =
                turn.machine.action_finished(&id, Answer { content: text.clone(), fault, repeated, failed })
            {
                // The machine asked for the action, so this is a fault of the driver.
                tracing::error!(%unexpected, "an answer was dropped");
            }
            if full {
                turn.machine.context_full();
            }
            turn.stuck = stuck;
            let repairs_left = failed.then_some(left);
            let (record, event) = record(end, text, truncated, elapsed, repairs_left);
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

/// Said after a program that failed: how often it may be corrected, and what to do when it may not.
fn failure(left: u32, unchanged: bool) -> String {
    let attempts = if left == 1 { "this is the last attempt".to_owned() } else { format!("{left} attempts are left") };
    match left {
        1.. if unchanged => {
            format!("\n\nThis is the program that failed before, unchanged. Write a different one; {attempts}.")
        }
        0 => "\n\nThe program failed, and there are no more attempts. Say in plain words what does not work. \
              Do not run more code."
            .to_owned(),
        _ => format!("\n\nThe program failed. Correct it; {attempts}."),
    }
}

/// What is kept of an action, and what is told of it.
fn record(
    end: End,
    observation: String,
    truncated: Option<Truncation>,
    elapsed: Duration,
    repairs_left: Option<u32>,
) -> (Record, Event) {
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
        End::Code { id, source, ran: Ran { outputs, execution, files, usage, error } } => {
            let event = Event::CodeFinished {
                id: id.clone(),
                execution,
                observation: observation.clone(),
                error: error.clone(),
                files: files.clone(),
                repairs_left,
                truncated,
                usage,
                elapsed,
            };
            let record = CodeRecord { id, source, outputs, execution, observation, error, files, usage, elapsed };
            (Record::Code(record), event)
        }
    }
}
