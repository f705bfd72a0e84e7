//! Running a program: its session, the tools it may call, its outputs and files.

use std::sync::Arc;

use futures::StreamExt;
use glassbox_sandbox::{
    CellEvent, CellUsage, ExecuteRequest, Execution, FileInfo, HostTools, Interpreter, InterpreterError, Output,
    python_names,
};
use glassbox_tools::{CallId, GateEvent, GateObserver};
use tokio::sync::mpsc::UnboundedSender;

use crate::code_session::CodeSession;
use crate::driver::Driver;
use crate::{Event, ToolFailure, cell};

/// A program that has been run, or could not be.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) outputs: Vec<Output>,
    /// `None` where it could not be run at all.
    pub(crate) execution: Option<Execution>,
    pub(crate) files: Vec<FileInfo>,
    pub(crate) usage: CellUsage,
    /// Why it could not be run.
    pub(crate) error: Option<ToolFailure>,
}

/// Tells of the calls that a program makes. They have their whole life within the program, so their end is told too.
struct Calls(UnboundedSender<Event>);

impl GateObserver for Calls {
    fn on_event(&self, event: GateEvent) {
        let event = match event {
            GateEvent::Finished { call_id, name, for_model, error, truncated, elapsed } => {
                let error = error.map(|kind| ToolFailure { kind, message: for_model.clone(), hint: None });
                Event::ToolFinished { id: call_id, name, observation: for_model, error, truncated, elapsed }
            }
            event => match Event::of_gate(event) {
                Some(event) => event,
                None => return,
            },
        };
        // Nobody listens any more when the turn was dropped.
        let _ = self.0.send(event);
    }
}

impl Driver {
    /// Runs a program. Gives what the model shall read of it.
    pub(crate) async fn program(&self, id: &CallId, source: &str) -> (String, Ran) {
        let Some(session) = &self.code else {
            return ("Error: no code interpreter is available.".to_owned(), Ran::default());
        };
        match session.ready().await {
            Ok(interpreter) => self.cell(session, interpreter, id, source).await,
            Err(error) => {
                tracing::warn!(%error, "no session of the interpreter could be opened");
                (format!("Error: {error}."), Ran { error: Some(ToolFailure::from(&error)), ..Ran::default() })
            }
        }
    }

    async fn cell(
        &self,
        session: &CodeSession,
        interpreter: Arc<dyn Interpreter>,
        id: &CallId,
        source: &str,
    ) -> (String, Ran) {
        let mut ran = Ran::default();
        let mut text = String::new();
        if session.take_lost().await {
            text.push_str("[This is a new session: variables and files of the earlier programs are gone.]\n");
        }
        match self.run_cell(interpreter.as_ref(), id, source, &mut ran).await {
            Ok(execution) => text.push_str(&cell::observation(&ran.outputs, execution, interpreter.limits())),
            Err(error) => {
                tracing::warn!(%error, "a program could not be run");
                if !ran.outputs.is_empty() {
                    text.push_str(&cell::observation(&ran.outputs, Execution::Ok, interpreter.limits()));
                    text.push('\n');
                }
                text.push_str(&format!("Error: {error}."));
                ran.error = Some(ToolFailure::from(&error));
            }
        }
        for name in self.replaced(interpreter.as_ref(), source) {
            text.push_str(&format!(
                "\n[The program defines `{name}` itself, so the given one was not called. \
                 Leave the definition out; `from tools import {name}` brings it back.]"
            ));
        }
        let changes = session.look().await;
        for line in changes.lines() {
            text.push('\n');
            text.push_str(&line);
        }
        ran.files = changes.files;
        (text, ran)
    }

    /// The tools in whose place a program puts a function of its own: small models make up a tool that they were given,
    /// and what it gives.
    fn replaced(&self, interpreter: &dyn Interpreter, source: &str) -> Vec<String> {
        if !self.offers_tools(interpreter) {
            return Vec::new();
        }
        let defines = |name: &str| {
            source.lines().any(|line| {
                let line = line.strip_prefix("async ").unwrap_or(line);
                line.strip_prefix("def ")
                    .and_then(|line| line.trim_start().strip_prefix(name))
                    .is_some_and(|rest| rest.trim_start().starts_with('('))
            })
        };
        python_names(&self.agent.specs).into_iter().filter(|name| defines(name)).collect()
    }

    fn offers_tools(&self, interpreter: &dyn Interpreter) -> bool {
        self.agent.access.in_code() && interpreter.capabilities().tools && !self.agent.specs.is_empty()
    }

    /// Takes the cell's outputs as they come.
    async fn run_cell(
        &self,
        interpreter: &dyn Interpreter,
        id: &CallId,
        source: &str,
        ran: &mut Ran,
    ) -> Result<Execution, InterpreterError> {
        let mut request = ExecuteRequest::new(source).with_cancellation(self.cancellation.child_token());
        if self.offers_tools(interpreter) {
            let calls = Arc::new(Calls(self.events.clone()));
            request = request.with_tools(HostTools::new(self.agent.gate.clone(), calls, id.clone())?);
        }
        if let Some(input) = &self.agent.input {
            request = request.with_input(Arc::clone(input));
        }
        let mut events = interpreter.execute(request);
        while let Some(event) = events.next().await {
            match event? {
                CellEvent::Output { output } => {
                    self.tell(Event::CodeOutput { id: id.clone(), output: output.clone() });
                    ran.outputs.push(output);
                }
                CellEvent::Finished { execution, usage } => {
                    ran.execution = Some(execution);
                    ran.usage = usage;
                    return Ok(execution);
                }
            }
        }
        Err(InterpreterError::Backend { problem: "it ended in the middle of a program".to_owned() })
    }
}
