//! The cell that runs: what it asked for, and what it may still ask.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_tools::ToolSpec;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{DenialKind, Execution, HostTools, InputSource, MimeBundle, Output};

use super::answer::Refusal;
use super::outlet::Outlet;
use super::request::{Request, Status};

/// A cell to run, as the Python side gets it.
pub(crate) struct Job {
    /// The source.
    pub(crate) source: String,
    /// Its number in the session, from 1.
    pub(crate) number: u32,
    /// The tools it may call.
    pub(crate) tools: Option<HostTools>,
    /// Who answers `input()`.
    pub(crate) input: Option<Arc<dyn InputSource>>,
    /// Ends tool calls and questions at once.
    pub(crate) cancellation: CancellationToken,
    /// Tool calls that it may make.
    pub(crate) host_calls: u32,
    /// What the Python side was last told of tools, as JSON; the same is not told twice.
    pub(crate) told: Option<String>,
}

/// A cell while it runs.
pub(crate) struct RunningCell {
    job: Job,
    outlet: Outlet,
    fetched: bool,
    calls: u32,
    raised: bool,
    waited: Duration,
    done: Option<(Status, i32)>,
    told: Option<String>,
}

/// How the Python side ended a cell.
pub(crate) struct Ending {
    /// How, as the caller reads it; `None` where it never said, as a program has broken it.
    pub(crate) execution: Option<Execution>,
    /// It asked for the cell, so some of it may have run.
    pub(crate) fetched: bool,
    /// Tool calls made.
    pub(crate) calls: u32,
    /// What the Python side now knows of tools.
    pub(crate) told: Option<String>,
}

impl RunningCell {
    /// Starts a cell, whose outputs go to `outlet`.
    pub(crate) fn new(job: Job, outlet: Outlet) -> Self {
        let told = job.told.clone();
        Self { job, outlet, fetched: false, calls: 0, raised: false, waited: Duration::ZERO, done: None, told }
    }

    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The turn is over: how it ended. `exit()` with a code is told as the exception it is.
    pub(crate) fn ending(self) -> Ending {
        let execution = self.done.map(|(status, code)| match (status, code) {
            (Status::Ok, _) | (Status::Exit, 0) => Execution::Ok,
            (Status::Interrupted, _) => Execution::Interrupted,
            (Status::Error, _) => Execution::Error,
            (Status::Exit, code) => {
                if !self.raised {
                    let (name, value) = ("SystemExit".to_owned(), code.to_string());
                    let traceback = vec![format!("{name}: {value}")];
                    self.outlet.report(Output::Error { name, value, traceback });
                }
                Execution::Error
            }
        });
        Ending { execution, fetched: self.fetched, calls: self.calls, told: self.told }
    }

    pub(super) async fn handle(&mut self, request: Request) -> Result<Value, Refusal> {
        match request {
            Request::Boot => return Err(Refusal::new("request", "the session has started already")),
            Request::Cell => return self.fetch(),
            Request::Tool { name, arguments } => return self.tool(name, arguments).await,
            Request::Input { prompt, hidden } => return self.input(&prompt, hidden).await,
            Request::Display { data, id: Some(id), update: true } => self.update(data, id),
            Request::Display { data, id, .. } => self.outlet.display(data, |data| Output::Display { data, id }),
            Request::Result { data } => self.outlet.display(data, |data| Output::Result { data }),
            Request::Clear { wait } => self.outlet.clear(wait),
            Request::Error { name, value, traceback } => {
                self.raised = true;
                self.outlet.report(Output::Error { name, value, traceback });
            }
            Request::Denied(denial) => self.outlet.report(Output::Denied { denial }),
            Request::Done { status, code } => self.done = Some((status, code)),
        }
        Ok(Value::Null)
    }

    fn update(&self, data: MimeBundle, id: String) {
        self.outlet.display(data, |data| Output::DisplayUpdate { data, id });
    }

    /// The cell's source, once: a program that asks for it again would otherwise run itself for ever.
    fn fetch(&mut self) -> Result<Value, Refusal> {
        if std::mem::replace(&mut self.fetched, true) {
            return Err(Refusal::new("request", "the cell has been fetched already"));
        }
        let specs = self.job.tools.as_ref().map(HostTools::specs).unwrap_or_default();
        let tools = Value::Array(specs.iter().map(described).collect());
        let told = tools.to_string();
        let tools = if self.told.as_ref() == Some(&told) { Value::Null } else { tools };
        self.told = Some(told);
        Ok(json!({ "source": self.job.source, "number": self.job.number, "tools": tools }))
    }

    async fn tool(&mut self, name: String, arguments: Map<String, Value>) -> Result<Value, Refusal> {
        let Some(tools) = self.job.tools.clone() else {
            return Err(Refusal::new("not_found", format!("no tool named `{name}`: this cell has none")));
        };
        if self.calls >= self.job.host_calls {
            let message = format!("a cell may make {} tool calls", self.job.host_calls);
            let hint = "call tools less often: gather what is asked for, or spread the work over several cells";
            self.outlet.denied(DenialKind::HostCalls, message.clone(), hint);
            return Err(Refusal::new("host_calls", format!("{message}; {hint}")));
        }
        self.calls = self.calls.saturating_add(1);
        // What was printed before the call is seen before its events.
        self.outlet.flush();
        let cancellation = self.job.cancellation.clone();
        let call = tools.call(name, Value::Object(arguments), &cancellation);
        self.wait(call).await?.map_err(|error| Refusal::new(error.kind, error.message))
    }

    async fn input(&mut self, prompt: &str, hidden: bool) -> Result<Value, Refusal> {
        let Some(source) = self.job.input.clone() else {
            let message = "nobody is there to answer `input()`".to_owned();
            let hint = "put the values into the program";
            self.outlet.denied(DenialKind::Input, message.clone(), hint);
            // The guest says what to do instead.
            return Err(Refusal::new("input", message));
        };
        self.outlet.flush();
        let line = self.wait(source.line(prompt, hidden)).await?;
        line.map(Value::String).ok_or_else(|| Refusal::new("eof", "there is no more input"))
    }

    /// Waits for somebody else, for as long as the cell is not cancelled.
    async fn wait<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Refusal> {
        let start = Instant::now();
        let result = tokio::select! {
            biased;
            () = self.job.cancellation.cancelled() => Err(Refusal::new("cancelled", "the cell was cancelled")),
            result = other => Ok(result),
        };
        self.waited = self.waited.saturating_add(start.elapsed());
        result
    }
}

fn described(spec: &ToolSpec) -> Value {
    json!({ "name": spec.name, "description": spec.description, "parameters": spec.parameters })
}
