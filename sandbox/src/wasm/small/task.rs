//! The task that owns a session's instance and runs its cells one after another.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use wasmtime_wasi::I32Exit;

use crate::door::{Job, Outlet};
use crate::{CellUsage, Execution, InterpreterError, Limits, Output, Recovery};

use super::super::folder::Folder;
use super::super::session::{Cell, Command, Current};
use super::super::watch::{Cause, Watch};
use super::backend::Program;
use super::instance::{Instance, Lost};

/// A session's task.
pub(super) struct Task {
    pub(super) program: Arc<Program>,
    pub(super) folder: Arc<Folder>,
    pub(super) limits: Limits,
    pub(super) current: Arc<Current>,
    /// None where an instance was lost and could not be replaced.
    pub(super) instance: Option<Instance>,
    pub(super) cells: u32,
    /// What the Python side knows of tools, as JSON.
    pub(super) told: Option<String>,
}

impl Task {
    /// Runs until the session is closed or nobody holds it any more.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Run(cell) => self.run_cell(*cell).await,
                // The memory of a component cannot be read from outside.
                Command::Snapshot(reply) => {
                    let _ = reply.send(Err(InterpreterError::Unsupported { action: "save its state" }));
                }
                Command::Restore(_, reply) => {
                    let _ = reply.send(Err(InterpreterError::Unsupported { action: "restore a state" }));
                }
                Command::Fork(reply) => {
                    let _ = reply.send(Err(InterpreterError::Unsupported { action: "fork a session" }));
                }
                Command::Restart(reply) => {
                    let cleared = self.folder.clear().map_err(InterpreterError::backend);
                    let begun = match cleared {
                        Ok(()) => self.begin().await,
                        Err(error) => Err(error),
                    };
                    let _ = reply.send(begun);
                }
                Command::Close(reply) => {
                    // What still waits is told that the session is closed, as its command is dropped.
                    commands.close();
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    /// Begins anew, with the files that are there.
    async fn begin(&mut self) -> Result<(), InterpreterError> {
        self.instance = None;
        self.told = None;
        self.instance = Some(Instance::new(&self.program, Arc::clone(&self.folder), self.limits).await?);
        Ok(())
    }

    async fn run_cell(&mut self, cell: Cell) {
        let Cell { request, sender, token } = cell;
        if token.is_cancelled() {
            sender.finished(Execution::Interrupted, CellUsage::default());
            return;
        }
        let Some(instance) = &mut self.instance else {
            sender.failed(InterpreterError::backend("the session was lost and could not begin anew"));
            return;
        };
        let started = Instant::now();
        self.cells = self.cells.saturating_add(1);
        self.current.set(Some(token.clone()));
        let watch = Watch::new(&self.limits, false, token, started);
        let job = Job {
            source: request.source,
            number: self.cells,
            tools: request.tools,
            input: request.input,
            cancellation: watch.calls(),
            host_calls: self.limits.host_calls,
            told: self.told.take(),
        };
        let outlet = Outlet::new(sender.clone(), &self.limits);
        let turned = instance.run_cell(job, outlet.clone(), watch).await;
        self.current.set(None);
        let memory = instance.memory_bytes();
        let host_calls = turned.ending.as_ref().map_or(0, |ending| ending.calls);
        let execution = if let Some(lost) = turned.lost {
            let recovery = match self.begin().await {
                Ok(()) => Recovery::Restarted,
                Err(error) => {
                    tracing::error!(%error, "a lost session could not begin anew");
                    Recovery::Closed
                }
            };
            outlet.finish([Output::SessionLost { reason: reason(&lost), recovery }]);
            Execution::Restarted
        } else {
            outlet.finish([]);
            let (execution, told) = turned.ending.map_or((None, None), |ending| (ending.execution, ending.told));
            self.told = told;
            // Where the Python side never said, the program has changed it.
            execution.unwrap_or(Execution::Ok)
        };
        sender.finished(execution, CellUsage { elapsed: started.elapsed(), memory, host_calls });
    }
}

fn reason(lost: &Lost) -> String {
    match lost {
        Lost::Killed(Cause::Time) => "the program's time was over, and this tier can only end it".to_owned(),
        Lost::Killed(Cause::Cancelled) => "the cell was cancelled, and this tier can only end it".to_owned(),
        Lost::Failed(error) => match error.downcast_ref() {
            Some(I32Exit(code)) => format!("the program ended the interpreter with exit code {code}"),
            None => format!("the interpreter crashed: {}", error.root_cause()),
        },
    }
}
