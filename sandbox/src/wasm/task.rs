//! The task that owns a session's instance and runs its cells one after another.
//!
//! Whatever ends an instance, the session goes on from the state before the cell. For that the state is saved when a
//! session has nothing to do, so that no cell waits for it. Where cells come faster than that, it is saved between two of
//! them once saving takes little beside what they took; until then, an older state is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi::I32Exit;

use crate::door::{Job, Outlet};
use crate::{
    CellUsage, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, Output, Recovery, Snapshot, guest,
};

use super::folder::Folder;
use super::instance::{Instance, Turned};
use super::program::Program;
use super::sandbox::Sandbox;
use super::saved::{Saved, SavedMemory, bad};
use super::saved_files::SavedFiles;
use super::session::{Cell, Command, Current};
use super::state::Killed;
use super::watch::{Cause, Watch};

/// A session that has had nothing to do for so long saves its state.
const IDLE: Duration = Duration::from_millis(5);
/// Bytes of changed pages that are saved without being asked for; a session with more goes back to an older state.
const CHECKPOINT_LIMIT: u64 = 128 << 20;
/// Saving may take so small a part of the time of cells that follow each other at once.
const CHECKPOINT_SHARE: u32 = 20;

/// Why a session is lost whose Python side does not answer any more.
const BROKEN: &str = "a program broke the Python side of the session";

/// How a cell's turn ended.
enum Ended {
    /// As the Python side says.
    Well(Execution),
    /// With the instance, for this reason.
    Lost(String),
    /// Before any of the cell ran, as an earlier cell broke the Python side.
    NotBegun,
}

/// A session's task.
pub(super) struct Task {
    /// Keeps the threads for as long as the session runs.
    pub(super) sandbox: Sandbox,
    pub(super) program: Arc<Program>,
    pub(super) folder: Arc<Folder>,
    pub(super) limits: Limits,
    pub(super) current: Arc<Current>,
    /// None where an instance was lost and could not be replaced.
    pub(super) instance: Option<Instance>,
    /// The last cell's number.
    pub(super) number: u32,
    /// Cells whose effects the state holds.
    pub(super) cells: u32,
    /// What the Python side knows of tools, as JSON.
    pub(super) told: Option<String>,
    /// The state to go back to; its files are those of the last look.
    pub(super) checkpoint: Option<Saved>,
    /// The files as the last cell found them.
    pub(super) files: SavedFiles,
    /// The state has changed since the checkpoint.
    pub(super) changed: bool,
    /// What cells have taken since then.
    pub(super) spent: Duration,
    /// What saving took last time.
    pub(super) cost: Duration,
}

impl Task {
    /// Runs until the session is closed or nobody holds it any more.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let command = if self.changed {
                match tokio::time::timeout(IDLE, commands.recv()).await {
                    Ok(command) => command,
                    Err(_idle) => {
                        self.make_checkpoint().await;
                        continue;
                    }
                }
            } else {
                commands.recv().await
            };
            match command {
                None => return,
                Some(Command::Run(cell)) => {
                    if self.changed && self.spent > self.cost.saturating_mul(CHECKPOINT_SHARE) {
                        self.make_checkpoint().await;
                    }
                    self.run_cell(*cell).await;
                }
                Some(Command::Snapshot(reply)) => {
                    let _ = reply.send(self.snapshot().await);
                }
                Some(Command::Restore(snapshot, reply)) => {
                    let _ = reply.send(self.go_back(&snapshot).await);
                }
                Some(Command::Fork(reply)) => {
                    let _ = reply.send(self.fork().await);
                }
                Some(Command::Restart(reply)) => {
                    let _ = reply.send(self.restart().await);
                }
                Some(Command::Close(reply)) => {
                    // What still waits is told that the session is closed, as its command is dropped.
                    commands.close();
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    async fn run_cell(&mut self, cell: Cell) {
        let Cell { request, sender, token } = cell;
        if token.is_cancelled() {
            sender.finished(Execution::Interrupted, CellUsage::default());
            return;
        }
        let started = Instant::now();
        // Files may have been put since the last cell. Where they are too many to be kept, they stay as a cell leaves them.
        let files = SavedFiles::save(&self.folder, &self.limits, &self.files).ok();
        if let Some(files) = &files {
            self.files = files.clone();
        }
        self.number = self.number.saturating_add(1);
        self.current.set(Some(token.clone()));
        let outlet = Outlet::new(sender.clone(), &self.limits);
        let mut usage = CellUsage::default();
        let mut turned = self.turn(&request, &outlet, token.clone(), started, &mut usage).await;
        if let Some(Ended::NotBegun) = turned {
            // Nothing of this cell has run yet, so it can run where the Python side is whole.
            let recovery = self.recover(None).await;
            outlet.say(Output::SessionLost { reason: BROKEN.to_owned(), recovery });
            turned = self.turn(&request, &outlet, token, started, &mut usage).await;
        }
        self.current.set(None);
        let execution = match turned {
            None => {
                sender.failed(InterpreterError::backend("the session was lost and could not begin anew"));
                return;
            }
            Some(Ended::Well(execution)) => {
                outlet.finish([]);
                self.cells = self.cells.saturating_add(1);
                self.changed = true;
                self.spent = self.spent.saturating_add(started.elapsed());
                execution
            }
            Some(ended) => {
                let reason = if let Ended::Lost(reason) = ended { reason } else { BROKEN.to_owned() };
                let recovery = self.recover(files.as_ref()).await;
                outlet.finish([Output::SessionLost { reason, recovery }]);
                Execution::Restarted
            }
        };
        usage.elapsed = started.elapsed();
        sender.finished(execution, usage);
    }

    /// Lets the instance run the cell; none where there is no instance.
    async fn turn(
        &mut self,
        request: &ExecuteRequest,
        outlet: &Outlet,
        token: CancellationToken,
        started: Instant,
        usage: &mut CellUsage,
    ) -> Option<Ended> {
        let instance = self.instance.as_mut()?;
        if let Err(error) = instance.prepare().await {
            return Some(Ended::Lost(error.to_string()));
        }
        let interruptible = !instance.host().interrupt.is_empty();
        let watch = Watch::new(&self.limits, interruptible, token, started);
        let job = Job {
            source: request.source.clone(),
            number: self.number,
            tools: request.tools.clone(),
            input: request.input.clone(),
            cancellation: watch.calls(),
            host_calls: self.limits.host_calls,
            told: self.told.take(),
        };
        let turned = instance.run_cell(job, outlet.clone(), watch).await;
        usage.memory = instance.memory_bytes();
        usage.host_calls = turned.ending.as_ref().map_or(0, |ending| ending.calls);
        if let Some(reason) = lost(&turned, &self.limits, interruptible) {
            return Some(Ended::Lost(reason));
        }
        let ending = turned.ending?;
        self.told = ending.told;
        Some(match ending.execution {
            Some(execution) => Ended::Well(execution),
            None if ending.fetched => Ended::Lost(BROKEN.to_owned()),
            None => Ended::NotBegun,
        })
    }

    /// Replaces a lost instance by one in the state before the cell, or the nearest there is. `files` are those that the
    /// cell found.
    async fn recover(&mut self, files: Option<&SavedFiles>) -> Recovery {
        self.instance = None;
        if let Some(Err(error)) = files.map(|files| files.restore(&self.folder)) {
            tracing::error!(%error, "the files of a lost session could not be restored");
        }
        let (before, checkpoint) = (self.cells, self.checkpoint.take());
        let Some(saved) = checkpoint else {
            let started = self.begin(None).await;
            return match started {
                Ok(()) if before == 0 => Recovery::Restored,
                Ok(()) => Recovery::Restarted,
                Err(error) => closed(&error),
            };
        };
        let restored = self.begin(Some(&saved)).await;
        let cells = before.saturating_sub(saved.cells);
        self.checkpoint = Some(saved);
        match restored {
            Ok(()) if cells == 0 => Recovery::Restored,
            Ok(()) => Recovery::RestoredEarlier { cells },
            Err(error) => closed(&error),
        }
    }

    /// A new instance, in a saved state or from the beginning. The files are left alone.
    async fn begin(&mut self, saved: Option<&Saved>) -> Result<(), InterpreterError> {
        let (program, folder) = (&self.program, Arc::clone(&self.folder));
        let mut instance = match saved {
            Some(saved) => Instance::restore(program, folder, self.limits, saved).await?,
            None => Instance::start(program, folder, self.limits).await?,
        };
        if self.program.checks().await?.interrupt {
            instance.host().interrupt = self.program.artifact.interrupt;
        }
        self.instance = Some(instance);
        self.cells = saved.map_or(0, |saved| saved.cells);
        self.told = saved.and_then(|saved| saved.told.clone());
        self.changed = false;
        self.spent = Duration::ZERO;
        Ok(())
    }

    /// A new session's first instance, in a saved state where one is given.
    pub(super) async fn open(&mut self, saved: Option<Saved>) -> Result<(), InterpreterError> {
        if let Some(saved) = &saved {
            saved.files.restore(&self.folder)?;
            self.number = saved.cells;
        }
        self.begin(saved.as_ref()).await?;
        self.checkpoint = saved;
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), InterpreterError> {
        self.instance = None;
        self.checkpoint = None;
        self.folder.clear().map_err(InterpreterError::backend)?;
        self.files = SavedFiles::default();
        self.number = 0;
        self.begin(None).await
    }

    async fn save_memory(&mut self, limit: u64) -> Result<Option<SavedMemory>, InterpreterError> {
        let base = if self.program.checks().await?.page_map {
            None
        } else {
            let folder = Arc::clone(&self.folder);
            Some(Instance::based(&self.program, folder, self.limits, Duration::ZERO).await?)
        };
        self.instance.as_ref().ok_or(InterpreterError::Closed)?.save(base.as_ref(), limit)
    }

    async fn save(&mut self, limit: u64) -> Result<Option<Saved>, InterpreterError> {
        self.instance.as_mut().ok_or(InterpreterError::Closed)?.prepare().await?;
        let Some(memory) = self.save_memory(limit).await? else { return Ok(None) };
        let instance = self.instance.as_mut().ok_or(InterpreterError::Closed)?;
        let clock = instance.host().clock.elapsed();
        let (base, told) = (self.program.base().to_owned(), self.told.clone());
        Ok(Some(Saved { base, clock, cells: self.cells, told, memory, files: SavedFiles::default() }))
    }

    async fn make_checkpoint(&mut self) {
        let started = Instant::now();
        self.changed = false;
        self.spent = Duration::ZERO;
        // A state whose Python side is broken is none to go back to.
        let sound = match &mut self.instance {
            Some(instance) => instance.run_own(guest::PROBE).await.is_ok(),
            None => false,
        };
        if !sound {
            return;
        }
        match self.save(CHECKPOINT_LIMIT).await {
            Ok(Some(saved)) => self.checkpoint = Some(saved),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the state of a session could not be saved"),
        }
        self.cost = started.elapsed();
    }

    async fn save_all(&mut self) -> Result<Saved, InterpreterError> {
        let mut saved = self.save(u64::MAX).await?.ok_or(InterpreterError::Closed)?;
        saved.files = SavedFiles::save(&self.folder, &self.limits, &self.files)?;
        Ok(saved)
    }

    async fn snapshot(&mut self) -> Result<Snapshot, InterpreterError> {
        self.save_all().await?.snapshot()
    }

    async fn fork(&mut self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let saved = self.save_all().await?;
        Ok(Arc::new(self.sandbox.open_session(Some(saved)).await?))
    }

    async fn go_back(&mut self, snapshot: &Snapshot) -> Result<(), InterpreterError> {
        let saved = Saved::read(snapshot, &self.limits)?;
        check_base(&saved, &self.program)?;
        self.begin(Some(&saved)).await?;
        saved.files.restore(&self.folder)?;
        self.files = SavedFiles::default();
        self.number = saved.cells;
        if let Some(instance) = &mut self.instance {
            instance.host().quota.changed();
        }
        self.checkpoint = Some(Saved { files: SavedFiles::default(), ..saved });
        Ok(())
    }
}

/// Pages mean something only over the memory that they were taken from.
pub(super) fn check_base(saved: &Saved, program: &Program) -> Result<(), InterpreterError> {
    if saved.base == program.base() {
        return Ok(());
    }
    Err(bad("it was made with another version of the sandbox, or another warm image"))
}

fn closed(error: &InterpreterError) -> Recovery {
    tracing::error!(%error, "a lost session could not begin anew");
    Recovery::Closed
}

/// Why the instance is lost, where it is.
fn lost(turned: &Turned, limits: &Limits, interruptible: bool) -> Option<String> {
    let error = turned.status.as_ref().err()?;
    if let Some(Killed(cause)) = error.downcast_ref() {
        let over = match cause {
            Cause::Time => "its time was over",
            Cause::Cancelled => "it was cancelled",
        };
        return Some(if interruptible {
            format!("the program ran on for {} s after {over}, and was killed", limits.grace.as_secs_f64())
        } else {
            format!("the program was killed when {over}: it cannot be interrupted on this machine")
        });
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Some(format!("the program ended the interpreter with exit code {code}"));
    }
    Some(format!("the interpreter crashed: {}", error.root_cause()))
}
