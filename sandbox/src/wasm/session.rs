//! A session as its user holds it: commands to the task that owns the instance.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::cell::{CellSender, channel};
use crate::{Capabilities, ExecuteRequest, FileInfo, Interpreter, InterpreterError, Limits, OutputStream, Snapshot};

use super::folder::{Folder, SandboxPath};

/// What a session's task is asked to do.
pub(super) enum Command {
    /// Run a cell.
    Run(Box<Cell>),
    /// Save its state.
    Snapshot(oneshot::Sender<Result<Snapshot, InterpreterError>>),
    /// Go back to a saved state.
    Restore(Snapshot, oneshot::Sender<Result<(), InterpreterError>>),
    /// Open another session in the same state.
    Fork(oneshot::Sender<Result<Arc<dyn Interpreter>, InterpreterError>>),
    /// Begin anew.
    Restart(oneshot::Sender<Result<(), InterpreterError>>),
    /// End.
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
pub(super) struct Current(Mutex<Option<CancellationToken>>);

impl Current {
    /// The cell that runs, or none.
    pub(super) fn set(&self, token: Option<CancellationToken>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn cancel(&self) {
        if let Some(token) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            token.cancel();
        }
    }
}

/// A session. Its task ends when it is dropped and its cells are over.
pub(super) struct Session {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) current: Arc<Current>,
    pub(super) folder: Arc<Folder>,
    pub(super) limits: Limits,
    pub(super) capabilities: Capabilities,
}

impl Session {
    /// Sends a command and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, InterpreterError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| InterpreterError::Closed)?;
        answer.await.map_err(|_| InterpreterError::Closed)
    }

    /// Does something with the session's files, off the caller's thread.
    async fn files<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Folder) -> Result<T, InterpreterError> + Send + 'static,
    ) -> Result<T, InterpreterError> {
        if self.commands.is_closed() {
            return Err(InterpreterError::Closed);
        }
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || act(&folder)).await.map_err(InterpreterError::backend)?
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
        self.current.cancel();
        self.ask(Command::Restart).await?
    }

    async fn close(&self) {
        self.current.cancel();
        let _ = self.ask(Command::Close).await;
    }

    async fn interrupt(&self) -> Result<(), InterpreterError> {
        if !self.capabilities.interrupt {
            return Err(InterpreterError::Unsupported { action: "interrupt a cell" });
        }
        self.current.cancel();
        Ok(())
    }

    async fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        self.ask(Command::Snapshot).await?
    }

    async fn restore(&self, snapshot: &Snapshot) -> Result<(), InterpreterError> {
        self.ask(|reply| Command::Restore(snapshot.clone(), reply)).await?
    }

    async fn fork(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        self.ask(Command::Fork).await?
    }

    async fn put_file(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        let (path, data, limits) = (SandboxPath::new(path)?, data.to_vec(), self.limits);
        self.files(move |folder| folder.put_within(&path, &data, &limits)).await
    }

    async fn get_file(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let (path, limit) = (SandboxPath::new(path)?, self.limits.disk);
        self.files(move |folder| folder.get(&path, limit)).await
    }

    async fn list_files(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        self.files(|folder| folder.list()).await
    }
}
