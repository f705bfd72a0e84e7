//! The task that owns a session's instance and runs its cells one after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use wasmtime_wasi::I32Exit;

use crate::door::{Job, Outlet};
use crate::{CellUsage, Execution, InterpreterError, Limits, Output, Recovery, guest};

use super::folder::Folder;
use super::instance::{Instance, Turned};
use super::program::Program;
use super::session::{Cell, Command, Current};
use super::state::Killed;
use super::watch::{Cause, Watch};

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

/// A session's first instance, or the next after one was lost.
pub(super) async fn start(
    program: &Program,
    folder: &Arc<Folder>,
    limits: Limits,
) -> Result<Instance, InterpreterError> {
    let mut instance = Instance::new(program, Arc::clone(folder), limits, Duration::ZERO).await?;
    instance.run_own(guest::BOOTSTRAP).await?;
    instance.host().interrupt = program.artifact.interrupt;
    Ok(instance)
}

impl Task {
    /// Runs until the session is closed or nobody holds it any more.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Run(cell) => self.run_cell(*cell).await,
                Command::Restart(reply) => {
                    let _ = reply.send(self.restart().await);
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

    async fn restart(&mut self) -> Result<(), InterpreterError> {
        self.instance = None;
        self.folder.clear().map_err(InterpreterError::backend)?;
        self.told = None;
        self.instance = Some(start(&self.program, &self.folder, self.limits).await?);
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
        let interruptible = !instance.host().interrupt.is_empty();
        let watch = Watch::new(&self.limits, interruptible, token, started);
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
        let mut usage = CellUsage {
            elapsed: started.elapsed(),
            memory: instance.memory_bytes(),
            host_calls: turned.ending.as_ref().map_or(0, |ending| ending.calls),
        };
        let execution = match lost(&turned, &self.limits) {
            None => {
                outlet.finish([]);
                let (execution, told) = turned.ending.map_or((None, None), |ending| (ending.execution, ending.told));
                self.told = told;
                execution.unwrap_or(match (turned.status, turned.interrupted) {
                    // The Python side never said: the program has changed it.
                    (Ok(0), _) => Execution::Ok,
                    (_, Some(_)) => Execution::Interrupted,
                    _ => Execution::Error,
                })
            }
            Some(reason) => {
                let recovery = self.recover().await;
                outlet.finish([Output::SessionLost { reason, recovery }]);
                Execution::Restarted
            }
        };
        usage.elapsed = started.elapsed();
        sender.finished(execution, usage);
    }

    /// Replaces a lost instance.
    async fn recover(&mut self) -> Recovery {
        match self.restart().await {
            Ok(()) => Recovery::Restarted,
            Err(error) => {
                tracing::error!(%error, "a lost session could not begin anew");
                Recovery::Closed
            }
        }
    }
}

/// Why the instance is lost, where it is.
fn lost(turned: &Turned, limits: &Limits) -> Option<String> {
    let error = turned.status.as_ref().err()?;
    if let Some(Killed(cause)) = error.downcast_ref() {
        let after = limits.grace.as_secs_f64();
        return Some(match cause {
            Cause::Time => format!("the program ran on for {after} s after its time was over, and was killed"),
            Cause::Cancelled => format!("the program ran on for {after} s after it was cancelled, and was killed"),
        });
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Some(format!("the program ended the interpreter with exit code {code}"));
    }
    Some(format!("the interpreter crashed: {}", error.root_cause()))
}
