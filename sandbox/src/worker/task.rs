//! The task that runs a session's cells one after another, and finds it a new worker where one dies.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::BACKEND;
use super::backend::Pool;
use super::cell::{End, HostCell};
use super::link::lost_between_cells;
use super::process::Seat;
use super::protocol::{Act, Ask};
use super::session::{Cell, Command, Session, Shared};
use crate::{
    CellUsage, ExecuteRequest, Execution, HostTools, Interpreter, InterpreterError, Limits, Output, Recovery, Snapshot,
};

/// The worker ends a cell at its limits. One that has not so long after them is stuck, or worse; in between it restores a
/// session, on a busy machine.
const SLACK: Duration = Duration::from_secs(15);

/// A session's task.
pub(super) struct Task {
    pub(super) pool: Arc<Pool>,
    pub(super) shared: Arc<Shared>,
    /// What a new session starts from, should the worker die.
    pub(super) saved: Option<Arc<Snapshot>>,
    /// Cells run since then.
    pub(super) cells: u32,
}

/// How a cell's turn ended.
enum Turned {
    By(End),
    /// With the worker, for this reason.
    Lost(String),
}

impl Task {
    /// Runs until the session is closed or nobody holds it any more.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Run(cell) => self.run_cell(*cell).await,
                Command::Snapshot(reply) => {
                    let saved = self.snapshot().await;
                    let _ = reply.send(saved.map(|saved| saved.as_ref().clone()));
                }
                Command::Restore(snapshot, reply) => {
                    let _ = reply.send(self.go_back(snapshot).await);
                }
                Command::Fork(reply) => {
                    let _ = reply.send(self.fork().await);
                }
                Command::Restart(reply) => {
                    let _ = reply.send(self.restart().await);
                }
                Command::Close(reply) => {
                    // What still waits is told that the session is closed, as its command is dropped.
                    commands.close();
                    if let Ok(seat) = self.seat() {
                        let _ = seat.act(Act::Close, Vec::new()).await;
                    }
                    self.shared.sit(None);
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
            }
        }
        self.shared.sit(None);
    }

    /// Where the session is; an error that says so where its worker died.
    fn seat(&self) -> Result<Arc<Seat>, InterpreterError> {
        let seat = self.shared.seat().ok_or_else(|| InterpreterError::backend("the session was lost"))?;
        match seat.lost() {
            None => Ok(seat),
            Some(reason) => Err(lost_between_cells(&reason)),
        }
    }

    async fn run_cell(&mut self, cell: Cell) {
        let Cell { request, sender, token } = cell;
        if token.is_cancelled() {
            sender.finished(Execution::Interrupted, CellUsage::default());
            return;
        }
        let started = Instant::now();
        let limits = self.pool.limits();
        let (running, ended) = HostCell::new(&request, sender.clone(), &limits, &token);
        let before = self.shared.seat();
        if before.as_ref().is_none_or(|seat| seat.lost().is_some()) {
            // The worker died between two cells: nothing of this one has run, so it can run in a new one.
            let reason = before.and_then(|seat| seat.lost()).unwrap_or_else(|| "the worker process is gone".to_owned());
            let recovery = self.recover().await;
            running.say(Output::SessionLost { reason, recovery });
        }
        let Ok(seat) = self.seat() else {
            sender.failed(InterpreterError::backend("the session was lost and could not begin anew"));
            return;
        };
        self.shared.run(Some(token.clone()));
        let turned = turn(&seat, &request, &running, ended, &token, &limits).await;
        self.shared.run(None);
        drop(seat);
        let usage = |usage: CellUsage| CellUsage { elapsed: started.elapsed(), host_calls: running.calls(), ..usage };
        match turned {
            Turned::By(End::Failed(error)) => sender.failed(error),
            Turned::By(End::Finished(execution, told)) => {
                running.finish(None);
                self.cells = self.cells.saturating_add(1);
                sender.finished(execution, usage(told));
            }
            Turned::Lost(reason) => {
                let recovery = self.recover().await;
                running.finish(Some(Output::SessionLost { reason, recovery }));
                sender.finished(Execution::Restarted, usage(CellUsage::default()));
            }
        }
    }

    /// Opens the session in another worker: in the state that was last saved, else from nothing.
    async fn recover(&mut self) -> Recovery {
        self.shared.sit(None);
        match self.pool.open(self.saved.as_deref()).await {
            Ok(seat) => {
                self.shared.sit(Some(seat));
                let cells = std::mem::take(&mut self.cells);
                let put = self.shared.put.swap(false, Ordering::AcqRel);
                match &self.saved {
                    _ if cells == 0 && !put => Recovery::Restored,
                    Some(_) => Recovery::RestoredEarlier { cells },
                    None => Recovery::Restarted,
                }
            }
            Err(error) => {
                tracing::error!(%error, "a session that lost its worker could not begin anew");
                Recovery::Closed
            }
        }
    }

    /// The state is now this one.
    fn is_in(&mut self, saved: Option<Arc<Snapshot>>) {
        self.saved = saved;
        self.cells = 0;
    }

    async fn snapshot(&mut self) -> Result<Arc<Snapshot>, InterpreterError> {
        let seat = self.seat()?;
        self.shared.put.store(false, Ordering::Release);
        let (_, data) = seat.act(Act::Snapshot, Vec::new()).await?;
        let saved = Arc::new(Snapshot { backend: BACKEND.to_owned(), data });
        self.is_in(Some(Arc::clone(&saved)));
        Ok(saved)
    }

    async fn go_back(&mut self, snapshot: Snapshot) -> Result<(), InterpreterError> {
        match self.seat() {
            Ok(seat) => {
                seat.act(Act::Restore, snapshot.data.clone()).await?;
            }
            Err(_) => {
                let seat = self.pool.open(Some(&snapshot)).await?;
                self.shared.sit(Some(seat));
            }
        }
        self.shared.put.store(false, Ordering::Release);
        self.is_in(Some(Arc::new(snapshot)));
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), InterpreterError> {
        match self.seat() {
            Ok(seat) => {
                seat.act(Act::Restart, Vec::new()).await?;
            }
            Err(_) => {
                let seat = self.pool.open(None).await?;
                self.shared.sit(Some(seat));
            }
        }
        self.shared.put.store(false, Ordering::Release);
        self.is_in(None);
        Ok(())
    }

    async fn fork(&mut self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let saved = self.snapshot().await?;
        Ok(Arc::new(Session::open(Arc::clone(&self.pool), Some(saved)).await?))
    }
}

/// Lets the worker run a cell.
async fn turn(
    seat: &Seat,
    request: &ExecuteRequest,
    running: &Arc<HostCell>,
    mut ended: oneshot::Receiver<End>,
    token: &CancellationToken,
    limits: &Limits,
) -> Turned {
    let (link, session) = (&seat.process.link, seat.session);
    let id = link.number();
    link.begin(id, Arc::clone(running));
    let tools = request.tools.as_ref().map(HostTools::specs);
    let run = Ask::Run { id, session, source: request.source.clone(), tools, input: request.input.is_some() };
    if !link.send(&run, Vec::new()) {
        link.forget(id);
        let error = InterpreterError::Limit { what: "the cell".to_owned(), limit: "what a worker reads".to_owned() };
        return Turned::By(End::Failed(error));
    }
    let started = Instant::now();
    let mut cancelled: Option<Instant> = None;
    loop {
        // From when it runs to its limits, or from when it was cancelled to the end of the grace.
        let (may, has) = match cancelled {
            Some(at) => (limits.grace, at.elapsed()),
            None => (limits.hard_time().saturating_add(running.waited()), started.elapsed()),
        };
        let most = may.saturating_add(SLACK).saturating_sub(has);
        if most.is_zero() {
            link.kill("the worker process did not end the cell in its time, and was killed");
            return Turned::Lost(link.gone().await);
        }
        tokio::select! {
            biased;
            end = &mut ended => match end {
                Ok(end) => return Turned::By(end),
                Err(_) => return Turned::Lost(link.gone().await),
            },
            reason = link.gone() => return Turned::Lost(reason),
            () = token.cancelled(), if cancelled.is_none() => {
                cancelled = Some(Instant::now());
                link.send(&Ask::Cancel { id }, Vec::new());
            }
            () = tokio::time::sleep(most) => {}
        }
    }
}
