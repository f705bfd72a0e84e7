//! A session as its user holds it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::BACKEND;
use super::backend::Pool;
use super::process::Seat;
use super::protocol::Act;
use super::task::Task;
use crate::cell::{CellSender, channel};
use crate::{Capabilities, ExecuteRequest, FileInfo, Interpreter, InterpreterError, Limits, OutputStream, Snapshot};

/// What a session's task is asked to do, one after another.
pub(super) enum Command {
    Run(Box<Cell>),
    Snapshot(oneshot::Sender<Result<Snapshot, InterpreterError>>),
    Restore(Snapshot, oneshot::Sender<Result<(), InterpreterError>>),
    Fork(oneshot::Sender<Result<Arc<dyn Interpreter>, InterpreterError>>),
    Restart(oneshot::Sender<Result<(), InterpreterError>>),
    Close(oneshot::Sender<()>),
}

/// A cell that waits for its turn.
pub(super) struct Cell {
    pub(super) request: ExecuteRequest,
    pub(super) sender: CellSender,
    /// Cancelled by the caller, or where nobody reads the stream any more.
    pub(super) token: CancellationToken,
}

/// What a session's task and its handle share.
#[derive(Default)]
pub(super) struct Shared {
    seat: Mutex<Option<Arc<Seat>>>,
    current: Mutex<Option<CancellationToken>>,
    /// Files were put since the state was last saved.
    pub(super) put: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Where the session is, if it is anywhere.
    pub(super) fn seat(&self) -> Option<Arc<Seat>> {
        locked(&self.seat).clone()
    }

    /// It is there now. The earlier place is left.
    pub(super) fn sit(&self, seat: Option<Seat>) {
        *locked(&self.seat) = seat.map(Arc::new);
    }

    /// The cell that runs, or none.
    pub(super) fn run(&self, token: Option<CancellationToken>) {
        *locked(&self.current) = token;
    }

    fn cancel(&self) {
        if let Some(token) = &*locked(&self.current) {
            token.cancel();
        }
    }
}

/// A session. Its task ends when it is dropped and its cells are over.
pub(super) struct Session {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
    limits: Limits,
    capabilities: Capabilities,
}

/// Refuses the states of other backends.
pub(super) fn check(snapshot: &Snapshot) -> Result<(), InterpreterError> {
    if snapshot.backend == BACKEND {
        return Ok(());
    }
    Err(InterpreterError::BadSnapshot { problem: format!("it is one of the `{}` backend", snapshot.backend) })
}

impl Session {
    /// Opens one, in a saved state where one is given.
    pub(super) fn open(
        pool: Arc<Pool>,
        saved: Option<Arc<Snapshot>>,
    ) -> BoxFuture<'static, Result<Self, InterpreterError>> {
        // Boxed, as the task of a session opens its forks.
        Box::pin(Self::start(pool, saved))
    }

    async fn start(pool: Arc<Pool>, saved: Option<Arc<Snapshot>>) -> Result<Self, InterpreterError> {
        let seat = pool.open(saved.as_deref()).await?;
        let (limits, capabilities) = (pool.limits(), seat.process.capabilities);
        let shared = Arc::new(Shared::default());
        shared.sit(Some(seat));
        let (commands, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Task { pool, shared: Arc::clone(&shared), saved, cells: 0 }.run(receiver));
        Ok(Self { commands, shared, limits, capabilities })
    }

    /// Sends a command and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, InterpreterError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| InterpreterError::Closed)?;
        answer.await.map_err(|_| InterpreterError::Closed)
    }

    /// Does something with its files, also while a cell runs.
    async fn files(&self, act: Act, body: Vec<u8>) -> Result<(Vec<FileInfo>, Vec<u8>), InterpreterError> {
        if self.commands.is_closed() {
            return Err(InterpreterError::Closed);
        }
        let seat = self.shared.seat().ok_or(InterpreterError::Closed)?;
        seat.act(act, body).await
    }
}

#[async_trait]
impl Interpreter for Session {
    fn language(&self) -> &str {
        "python"
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn execute(&self, request: ExecuteRequest) -> OutputStream {
        let (sender, token, stream) = channel(&request.cancellation);
        let cell = Cell { request, sender: sender.clone(), token };
        if self.commands.send(Command::Run(Box::new(cell))).is_err() {
            sender.failed(InterpreterError::Closed);
        }
        stream
    }

    async fn restart(&self) -> Result<(), InterpreterError> {
        self.shared.cancel();
        self.ask(Command::Restart).await?
    }

    async fn close(&self) {
        self.shared.cancel();
        let _ = self.ask(Command::Close).await;
    }

    async fn interrupt(&self) -> Result<(), InterpreterError> {
        if !self.capabilities.interrupt {
            return Err(InterpreterError::Unsupported { action: "interrupt a cell" });
        }
        self.shared.cancel();
        Ok(())
    }

    async fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        self.ask(Command::Snapshot).await?
    }

    async fn restore(&self, snapshot: &Snapshot) -> Result<(), InterpreterError> {
        check(snapshot)?;
        self.ask(|reply| Command::Restore(snapshot.clone(), reply)).await?
    }

    async fn fork(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        self.ask(Command::Fork).await?
    }

    async fn put_file(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        // Noted first: should the worker die on the way, the file may have been there.
        self.shared.put.store(true, Ordering::Release);
        self.files(Act::Put { path: path.to_owned() }, data.to_vec()).await.map(drop)
    }

    async fn get_file(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let (_, data) = self.files(Act::Get { path: path.to_owned() }, Vec::new()).await?;
        Ok(data)
    }

    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        let (files, _) = self.files(Act::List, Vec::new()).await?;
        Ok(files)
    }
}
