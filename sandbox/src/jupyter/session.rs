//! A session: the handle that callers hold. What it does, one task does in order (see [`worker`](super::worker)); files
//! need no kernel and wait for nothing.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::kernel::{Place, Source};
use super::state::State;
use super::worker::{Command, Worker};
use crate::cell::{self, CellSender};
use crate::{Capabilities, ExecuteRequest, FileInfo, Interpreter, InterpreterError, Limits, OutputStream, Snapshot};

/// The place of a session; another one after a restore.
#[derive(Clone)]
pub(super) struct CurrentPlace(Arc<RwLock<Arc<dyn Place>>>);

impl CurrentPlace {
    pub(super) fn new(place: Arc<dyn Place>) -> Self {
        Self(Arc::new(RwLock::new(place)))
    }

    pub(super) fn get(&self) -> Arc<dyn Place> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place, and gives back the old one.
    pub(super) fn replace(&self, place: Arc<dyn Place>) -> Arc<dyn Place> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), place)
    }
}

/// A session. Dropped, its kernel is killed and its folder removed.
pub(super) struct Session {
    source: Arc<dyn Source>,
    commands: mpsc::UnboundedSender<Command>,
    interrupts: watch::Sender<u64>,
    place: CurrentPlace,
    /// Cancelled when the session shall end.
    closed: CancellationToken,
    /// Cancelled when its kernel has ended.
    ended: CancellationToken,
}

impl Session {
    /// Starts a kernel in a new place; with a state, in that.
    pub(super) async fn open(source: Arc<dyn Source>, state: Option<&State>) -> Result<Arc<Self>, InterpreterError> {
        let (interrupts, interrupted) = watch::channel(0);
        let (closed, ended) = (CancellationToken::new(), CancellationToken::new());
        let worker = Worker::open(Arc::clone(&source), state, interrupted, closed.clone()).await?;
        let place = worker.place();
        let (commands, receiver) = mpsc::unbounded_channel();
        let guard = ended.clone().drop_guard();
        tokio::spawn(async move {
            worker.work(receiver).await;
            drop(guard);
        });
        Ok(Arc::new(Self { source, commands, interrupts, place, closed, ended }))
    }

    /// Asks the worker for something, and waits for it.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, InterpreterError>>) -> Command,
    ) -> Result<T, InterpreterError> {
        let (reply, replied) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| InterpreterError::Closed)?;
        replied.await.map_err(|_| InterpreterError::Closed)?
    }

    fn open_place(&self) -> Result<Arc<dyn Place>, InterpreterError> {
        if self.closed.is_cancelled() { Err(InterpreterError::Closed) } else { Ok(self.place.get()) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ends a cell whose stream somebody still holds.
        self.closed.cancel();
    }
}

/// A cell on its way to the worker.
pub(super) struct Cell {
    pub(super) request: ExecuteRequest,
    pub(super) sender: CellSender,
    /// Cancelled with the request, or when its stream is dropped.
    pub(super) cancellation: CancellationToken,
}

#[async_trait]
impl Interpreter for Session {
    fn language(&self) -> &str {
        self.source.language()
    }

    fn limits(&self) -> Limits {
        self.source.limits()
    }

    fn capabilities(&self) -> Capabilities {
        self.source.capabilities()
    }

    fn execute(&self, request: ExecuteRequest) -> OutputStream {
        let (sender, cancellation, stream) = cell::channel(&request.cancellation);
        let cell = Cell { request, sender, cancellation };
        match self.commands.send(Command::Execute(Box::new(cell))) {
            Ok(()) => stream,
            Err(_) => futures::stream::iter([Err(InterpreterError::Closed)]).boxed(),
        }
    }

    async fn restart(&self) -> Result<(), InterpreterError> {
        let _ = self.interrupt().await;
        self.ask(Command::Restart).await
    }

    async fn close(&self) {
        self.closed.cancel();
        self.ended.cancelled().await;
    }

    async fn interrupt(&self) -> Result<(), InterpreterError> {
        if self.closed.is_cancelled() {
            return Err(InterpreterError::Closed);
        }
        self.interrupts.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    async fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        self.ask(Command::Save).await?.snapshot(self.source.name())
    }

    async fn restore(&self, snapshot: &Snapshot) -> Result<(), InterpreterError> {
        let state = State::read(snapshot, self.source.name(), self.source.language())?;
        self.ask(|reply| Command::Restore(state, reply)).await
    }

    async fn fork(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let state = self.ask(Command::Save).await?;
        Ok(Self::open(Arc::clone(&self.source), Some(&state)).await?)
    }

    async fn put_file(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        self.open_place()?.put(path, data).await
    }

    async fn get_file(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        self.open_place()?.get(path).await
    }

    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        self.open_place()?.list().await
    }
}
