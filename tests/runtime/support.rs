//! What the tests share.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox::model::{AssistantPart, ScriptedModel};
use glassbox::sandbox::{
    Backend, Capabilities, CellEvent, CellUsage, ExecuteRequest, Execution, FileInfo, Interpreter, InterpreterError,
    Limits, Output, OutputStream, SnapshotSupport,
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
    /// Calls these tools and prints what they give.
    Calls(Vec<(&'static str, serde_json::Value)>),
    /// Writes a file.
    Writes(&'static str, &'static [u8]),
    /// Prints how many files there are.
    CountsFiles,
}

/// A backend whose sessions follow a script, one entry a cell, whichever session runs it.
#[derive(Clone)]
pub(crate) struct ScriptedInterpreter(Arc<State>, Capabilities);

struct State {
    cells: Mutex<Vec<Cell>>,
    ran: Mutex<Vec<String>>,
    interrupted: Mutex<usize>,
    opened: AtomicUsize,
    forked: AtomicUsize,
    closed: AtomicUsize,
    refuses: Mutex<Option<InterpreterError>>,
}

/// A session of it.
struct ScriptedSession {
    state: Arc<State>,
    capabilities: Capabilities,
    files: Files,
}

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

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
        let state = State {
            cells: Mutex::new(cells),
            ran: Mutex::default(),
            interrupted: Mutex::default(),
            opened: AtomicUsize::default(),
            forked: AtomicUsize::default(),
            closed: AtomicUsize::default(),
            refuses: Mutex::default(),
        };
        let all =
            Capabilities { files: true, tools: true, snapshot: SnapshotSupport::Exact, ..Capabilities::default() };
        Self(Arc::new(state), all)
    }

    /// A backend that cannot fork.
    pub(crate) fn without_fork(mut self) -> Self {
        self.1.snapshot = SnapshotSupport::None;
        self
    }

    /// A backend whose programs cannot call tools, such as a Jupyter kernel.
    pub(crate) fn without_tools(mut self) -> Self {
        self.1.tools = false;
        self
    }

    /// A backend that opens no session but gives this error.
    pub(crate) fn refusing(error: InterpreterError) -> Self {
        let backend = Self::new([]);
        *backend.0.refuses.lock().unwrap() = Some(error);
        backend
    }

    /// Sessions opened, forked and closed so far.
    pub(crate) fn sessions(&self) -> (usize, usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (count(&self.0.opened), count(&self.0.forked), count(&self.0.closed))
    }

    fn session(&self) -> ScriptedSession {
        ScriptedSession { state: Arc::clone(&self.0), capabilities: self.1, files: Files::default() }
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
impl Backend for ScriptedInterpreter {
    fn name(&self) -> &str {
        "scripted"
    }

    fn language(&self) -> &str {
        "python"
    }

    fn capabilities(&self) -> Capabilities {
        self.1
    }

    fn describe(&self) -> String {
        "Python 3.15 with numpy.".to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        if let Some(error) = self.0.refuses.lock().unwrap().take() {
            return Err(error);
        }
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(self.session()))
    }
}

/// Calls one tool after the other.
fn calls(request: ExecuteRequest, calls: Vec<(&'static str, serde_json::Value)>) -> OutputStream {
    let tools = request.tools.expect("tools are offered");
    let cancellation = request.cancellation;
    let outputs = futures::stream::iter(calls).then(move |(name, arguments)| {
        let (tools, cancellation) = (tools.clone(), cancellation.clone());
        async move {
            let text = match tools.call(name.to_owned(), arguments, &cancellation).await {
                Ok(value) => format!("{value}\n"),
                Err(error) => format!("{}: {error}\n", error.kind),
            };
            Ok(CellEvent::Output { output: Output::Stdout { text } })
        }
    });
    outputs.chain(futures::stream::iter([Ok(ended(Execution::Ok))])).boxed()
}

fn ended(execution: Execution) -> CellEvent {
    CellEvent::Finished { execution, usage: CellUsage::default() }
}

#[async_trait::async_trait]
impl Interpreter for ScriptedSession {
    fn language(&self) -> &str {
        "python"
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn execute(&self, request: ExecuteRequest) -> OutputStream {
        self.state.ran.lock().unwrap().push(request.source.clone());
        let cell = self.state.cells.lock().unwrap().pop().expect("the script is over");
        let mut running = Running { state: Arc::clone(&self.state), ended: false };
        let output = |output| Ok(CellEvent::Output { output });
        match cell {
            Cell::Gives(outputs, execution) => {
                running.ended = true;
                let events: Vec<_> = outputs.into_iter().map(output).chain([Ok(ended(execution))]).collect();
                futures::stream::iter(events).boxed()
            }
            Cell::Calls(made) => {
                running.ended = true;
                calls(request, made)
            }
            Cell::Writes(path, data) => {
                running.ended = true;
                self.files.lock().unwrap().insert(path.to_owned(), data.to_vec());
                futures::stream::iter([Ok(ended(Execution::Ok))]).boxed()
            }
            Cell::CountsFiles => {
                running.ended = true;
                let text = format!("{} files", self.files.lock().unwrap().len());
                futures::stream::iter([output(Output::Stdout { text }), Ok(ended(Execution::Ok))]).boxed()
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

    async fn close(&self) {
        self.state.closed.fetch_add(1, Ordering::SeqCst);
    }

    async fn fork(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        if self.capabilities.snapshot == SnapshotSupport::None {
            return Err(InterpreterError::Unsupported { action: "fork a session" });
        }
        self.state.forked.fetch_add(1, Ordering::SeqCst);
        let files = self.files.lock().unwrap().clone();
        let (state, capabilities) = (Arc::clone(&self.state), self.capabilities);
        Ok(Arc::new(Self { state, capabilities, files: Arc::new(Mutex::new(files)) }))
    }

    async fn put_file(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        self.files.lock().unwrap().insert(path.to_owned(), data.to_vec());
        Ok(())
    }

    async fn get_file(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let found = self.files.lock().unwrap().get(path).cloned();
        found.ok_or_else(|| InterpreterError::NoFile { path: path.to_owned() })
    }

    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        let files = self.files.lock().unwrap();
        Ok(files.iter().map(|(path, data)| FileInfo::new(path, data.len() as u64)).collect())
    }
}
