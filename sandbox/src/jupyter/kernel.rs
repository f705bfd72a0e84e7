//! What a running kernel is to a session, wherever it runs.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::message::{Message, Request};
use crate::{Capabilities, FileInfo, InterpreterError, Limits};

/// Messages of a kernel that wait to be looked at; more wait in its sockets.
pub(super) const WAITING: usize = 8;

/// What comes from a kernel.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    /// The kernel is gone; nothing follows. How, such as `the kernel died (signal: 9)`.
    Lost(String),
}

/// A kernel that answered. Dropped, it is killed.
pub(super) struct Kernel {
    pub(super) requests: mpsc::UnboundedSender<Request>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    /// Names us in the headers of our messages.
    pub(super) session: String,
    pub(super) process: Box<dyn Process>,
}

impl Kernel {
    /// Ends the kernel, and waits until it has ended.
    pub(super) async fn end(mut self) {
        // Whoever waits to hand over a message must not wait for us.
        self.incoming.close();
        self.process.kill().await;
    }
}

/// The kernel as a process.
#[async_trait]
pub(super) trait Process: Send + Sync {
    /// Interrupts the running cell, as Ctrl-C would.
    async fn interrupt(&mut self) -> Result<(), InterpreterError>;

    /// Kills it and all that it started, and waits until that is done.
    async fn kill(&mut self);

    /// Bytes of its memory; 0 where that is not known.
    fn memory(&self) -> u64;
}

/// A session's folder, and the kernels that run in it one after another. Dropped, the folder is removed.
#[async_trait]
pub(super) trait Place: Send + Sync + 'static {
    /// Starts a kernel and waits until it answers.
    async fn start(&self) -> Result<Kernel, InterpreterError>;

    /// As [`Interpreter::put_file`](crate::Interpreter::put_file).
    async fn put(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError>;

    /// As [`Interpreter::get_file`](crate::Interpreter::get_file).
    async fn get(&self, path: &str) -> Result<Vec<u8>, InterpreterError>;

    /// As [`Interpreter::list_files`](crate::Interpreter::list_files).
    async fn list(&self) -> Result<Vec<FileInfo>, InterpreterError>;

    /// Removes all files.
    async fn clear(&self) -> Result<(), InterpreterError>;

    /// Removes what a drop cannot.
    async fn remove(&self) {}
}

/// Makes places: the part of a backend that a session needs.
#[async_trait]
pub(super) trait Source: Send + Sync + 'static {
    /// The backend's name.
    fn name(&self) -> &'static str;

    fn language(&self) -> &str;

    fn limits(&self) -> Limits;

    fn capabilities(&self) -> Capabilities;

    /// A new, empty folder.
    async fn place(&self) -> Result<Arc<dyn Place>, InterpreterError>;
}
