//! What the tests share.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox::model::{AssistantPart, ScriptedModel};
use glassbox::sandbox::{
    CellEvent, CellUsage, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, Output, OutputStream,
};
use glassbox::{Agent, AgentBuilder, AutoApprover, Message, Session, tool};

/// The longest that anything in these tests may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(20);

/// Cancelling must be over within this.
pub(crate) const CANCEL_BOUND: Duration = Duration::from_millis(200);

/// Fails where `work` hangs.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HUNG, work).await.expect("it hangs")
}

/// Runs `work` and fails where it took longer than a cancellation may.
pub(crate) async fn promptly<T>(work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let value = within(work).await;
    assert!(started.elapsed() < CANCEL_BOUND, "it took {:?}", started.elapsed());
    value
}

/// The price of a stock.
#[tool(read_only)]
pub(crate) fn track(
    /// The stock's code.
    symbol: String,
) -> Result<u32, String> {
    if symbol == "10111" { Ok(12412) } else { Err(format!("no stock has the code {symbol}")) }
}

/// Add two numbers.
#[tool(read_only)]
pub(crate) fn add(a: i64, b: i64) -> i64 {
    a + b
}

pub(crate) fn agent(model: &ScriptedModel) -> AgentBuilder {
    Agent::builder(model.clone()).approver(AutoApprover).tools(glassbox::tools![track, add])
}

pub(crate) fn session(model: &ScriptedModel) -> Session {
    agent(model).build().unwrap().session()
}

/// The conversation in short: `user …`, `assistant …`, `call name`, `code`, `malformed`, `observation …`.
pub(crate) fn history(session: &Session) -> Vec<String> {
    let mut lines = Vec::new();
    for message in session.messages() {
        match message {
            Message::User { content } => lines.push(format!("user {content}")),
            Message::Observation(observation) => lines.push(format!("observation {}", observation.content)),
            Message::Assistant(reply) => {
                if reply.parts.is_empty() {
                    lines.push("assistant".to_owned());
                }
                for part in &reply.parts {
                    lines.push(match part {
                        AssistantPart::Text { text } => format!("assistant {text}"),
                        AssistantPart::Call { call } => format!("call {}", call.name),
                        AssistantPart::Code { .. } => "code".to_owned(),
                        AssistantPart::Malformed { .. } => "malformed".to_owned(),
                        part => panic!("unexpected: {part:?}"),
                    });
                }
            }
            message => panic!("unexpected: {message:?}"),
        }
    }
    lines
}

/// What a [`ScriptedInterpreter`] does with a cell.
#[derive(Clone)]
pub(crate) enum Cell {
    /// Gives these out and ends so.
    Gives(Vec<Output>, Execution),
    /// Gives this out and runs until it is interrupted.
    Runs(Output),
    /// Breaks.
    Breaks(&'static str),
}

/// An interpreter that follows a script, one entry a cell.
#[derive(Clone)]
pub(crate) struct ScriptedInterpreter(Arc<State>);

struct State {
    cells: Mutex<Vec<Cell>>,
    ran: Mutex<Vec<String>>,
    interrupted: Mutex<usize>,
}

/// Counts a cell as interrupted where it is dropped before its end.
struct Running {
    state: Arc<State>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            *self.state.interrupted.lock().unwrap() += 1;
        }
    }
}

impl ScriptedInterpreter {
    pub(crate) fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        let mut cells: Vec<_> = cells.into_iter().collect();
        cells.reverse();
        Self(Arc::new(State { cells: Mutex::new(cells), ran: Mutex::default(), interrupted: Mutex::default() }))
    }

    /// The programs that were run.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.0.ran.lock().unwrap().clone()
    }

    /// How many cells did not come to their end.
    pub(crate) fn interrupted(&self) -> usize {
        *self.0.interrupted.lock().unwrap()
    }
}

#[async_trait::async_trait]
impl Interpreter for ScriptedInterpreter {
    fn language(&self) -> &str {
        "python"
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn execute(&self, request: ExecuteRequest) -> OutputStream {
        self.0.ran.lock().unwrap().push(request.source);
        let cell = self.0.cells.lock().unwrap().pop().expect("the script is over");
        let mut running = Running { state: Arc::clone(&self.0), ended: false };
        let output = |output| Ok(CellEvent::Output { output });
        match cell {
            Cell::Gives(outputs, execution) => {
                running.ended = true;
                let events: Vec<_> = outputs
                    .into_iter()
                    .map(output)
                    .chain([Ok(CellEvent::Finished { execution, usage: CellUsage::default() })])
                    .collect();
                futures::stream::iter(events).boxed()
            }
            Cell::Runs(first) => futures::stream::iter([output(first)])
                .chain(futures::stream::once(async move {
                    let _running = running;
                    std::future::pending().await
                }))
                .boxed(),
            Cell::Breaks(problem) => {
                running.ended = true;
                futures::stream::iter([Err(InterpreterError::Backend { problem: problem.to_owned() })]).boxed()
            }
        }
    }

    async fn restart(&self) -> Result<(), InterpreterError> {
        Ok(())
    }

    async fn close(&self) {}
}
