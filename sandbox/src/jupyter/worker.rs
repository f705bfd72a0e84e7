//! The task behind a session: it owns the kernel and takes one thing at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use jupyter_protocol::ShutdownRequest;

use super::cell::{End, Run};
use super::kernel::{Incoming, Kernel, Place, Source};
use super::message::{Channel, Request};
use super::outlet::Outlet;
use super::session::{Cell, CurrentPlace};
use super::state::{State, bad};
use crate::{CellUsage, DenialKind, ExecuteRequest, Execution, InterpreterError, Limits, Output, Recovery};

/// How long a kernel that was asked to end may take.
const SHUTDOWN_TIME: Duration = Duration::from_millis(500);

type Reply<T> = oneshot::Sender<Result<T, InterpreterError>>;

/// What a session asks for.
pub(super) enum Command {
    Execute(Box<Cell>),
    Restart(Reply<()>),
    Save(Reply<State>),
    Restore(State, Reply<()>),
}

/// A cell that ran to its end.
struct Done {
    source: String,
    elapsed: Duration,
}

/// The kernel, or how it was lost.
enum Life {
    Running(Kernel),
    Lost(String),
}

/// Owns a session's kernel.
pub(super) struct Worker {
    source: Arc<dyn Source>,
    place: CurrentPlace,
    life: Life,
    /// What makes the kernel's state, when it is run again.
    done: Vec<Done>,
    interrupts: watch::Receiver<u64>,
    closed: CancellationToken,
}

impl Worker {
    /// A kernel in a new place, with a state where one is given.
    pub(super) async fn open(
        source: Arc<dyn Source>,
        state: Option<&State>,
        interrupts: watch::Receiver<u64>,
        closed: CancellationToken,
    ) -> Result<Self, InterpreterError> {
        let place = source.place().await?;
        let (kernel, done) = match begin(&*source, &*place, state, &interrupts, &closed).await {
            Ok(begun) => begun,
            Err(error) => {
                place.remove().await;
                return Err(error);
            }
        };
        let place = CurrentPlace::new(place);
        Ok(Self { source, place, life: Life::Running(kernel), done, interrupts, closed })
    }

    pub(super) fn place(&self) -> CurrentPlace {
        self.place.clone()
    }

    /// Works until the session is closed or dropped, and ends the kernel.
    pub(super) async fn work(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let closed = self.closed.clone();
        loop {
            let idle = async {
                match &mut self.life {
                    Life::Running(kernel) => kernel.incoming.recv().await,
                    Life::Lost(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = closed.cancelled() => break,
                // Between cells, what comes is of threads and timers of earlier cells: nobody's.
                incoming = idle => match incoming {
                    Some(Incoming::Message(_)) => {}
                    Some(Incoming::Lost(how)) => self.life = Life::Lost(how),
                    None => self.life = Life::Lost("the kernel's connection is closed".to_owned()),
                },
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
            }
        }
        // Nobody's call waits for a session that is gone: those that are queued hear that it is closed.
        commands.close();
        drop(commands);
        if let Life::Running(kernel) = self.life {
            shut_down(kernel).await;
        }
        self.place.get().remove().await;
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Execute(cell) => self.execute(*cell).await,
            Command::Restart(reply) => {
                let _ = reply.send(self.restart().await);
            }
            Command::Save(reply) => {
                let cells = self.done.iter().map(|done| done.source.clone()).collect();
                let _ = reply.send(State::save(self.source.language(), cells, &*self.place.get()).await);
            }
            Command::Restore(state, reply) => {
                let _ = reply.send(self.restore(&state).await);
            }
        }
    }

    async fn execute(&mut self, cell: Cell) {
        let Cell { request, sender, cancellation } = cell;
        let limits = self.source.limits();
        if cancellation.is_cancelled() {
            return sender.finished(Execution::Interrupted, CellUsage::default());
        }
        let started = Instant::now();
        let mut outlet = Outlet::new(Some(sender.clone()), &limits);
        // Lost since the cell before: this one still runs, on what could be brought back.
        if let Life::Lost(reason) = &self.life {
            let reason = reason.clone();
            if let Err(error) = self.recover(&outlet, reason).await {
                return sender.failed(error);
            }
        }
        let mut ended = self.run(&request, &cancellation, &mut outlet).await;
        if let Ok(End::Lost { reason, begun: false }) = &ended
            && !self.closed.is_cancelled()
            && !cancellation.is_cancelled()
        {
            let reason = reason.clone();
            ended = match self.recover(&outlet, reason).await {
                Ok(()) => self.run(&request, &cancellation, &mut outlet).await,
                Err(error) => Err(error),
            };
        }
        outlet.close();
        let usage = CellUsage { elapsed: started.elapsed(), memory: self.memory(), ..CellUsage::default() };
        match ended {
            Ok(End::Replied(execution)) => {
                if execution == Execution::Ok {
                    self.done.push(Done { source: request.source, elapsed: usage.elapsed });
                }
                self.check_disk(&outlet, &limits).await;
                sender.finished(execution, usage);
            }
            Ok(End::Lost { .. }) if self.closed.is_cancelled() => {
                let reason = "the session was closed".to_owned();
                outlet.send(Output::SessionLost { reason, recovery: Recovery::Closed });
                sender.finished(Execution::Restarted, usage);
            }
            Ok(End::Lost { reason, .. }) => match self.recover(&outlet, reason).await {
                Ok(()) => sender.finished(Execution::Restarted, usage),
                Err(error) => sender.failed(error),
            },
            Err(error) => sender.failed(error),
        }
    }

    async fn run(
        &mut self,
        request: &ExecuteRequest,
        cancellation: &CancellationToken,
        outlet: &mut Outlet,
    ) -> Result<End, InterpreterError> {
        let Life::Running(kernel) = &mut self.life else { return Err(InterpreterError::Closed) };
        let run = Run {
            kernel,
            limits: self.source.limits(),
            interrupts: self.interrupts.clone(),
            cancellation,
            closed: &self.closed,
            input: request.input.clone(),
            python: self.source.language() == "python",
        };
        run.run(&request.source, outlet).await
    }

    fn memory(&self) -> u64 {
        match &self.life {
            Life::Running(kernel) => kernel.process.memory(),
            Life::Lost(_) => 0,
        }
    }

    /// Says when the files have passed their limits. A kernel's folder has no quota of its own: each file has one, and
    /// their sum is looked at here.
    async fn check_disk(&self, outlet: &Outlet, limits: &Limits) {
        let Ok(files) = self.place.get().list().await else { return };
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        let message = if bytes > limits.disk {
            format!("the files take {bytes} bytes, and {} are allowed", limits.disk)
        } else if files.len() as u64 > u64::from(limits.files) {
            format!("there are {} files, and {} are allowed", files.len(), limits.files)
        } else {
            return;
        };
        let kind = if bytes > limits.disk { DenialKind::Disk } else { DenialKind::Files };
        outlet.deny(kind, message, "remove files, or raise the limit");
    }

    /// Brings back as much as can be after the kernel was lost, and says what.
    async fn recover(&mut self, outlet: &Outlet, reason: String) -> Result<(), InterpreterError> {
        if let Life::Running(kernel) = std::mem::replace(&mut self.life, Life::Lost(reason.clone())) {
            kernel.end().await;
        }
        let place = self.place.get();
        let mut kernel = place.start().await?;
        let limits = self.source.limits();
        let recovery = if replayable(&self.done, &limits) && self.replay(&mut kernel).await {
            Recovery::Replayed { cells: u32::try_from(self.done.len()).unwrap_or(u32::MAX) }
        } else {
            // Half of a replay is no state. The files stay.
            if !self.done.is_empty() {
                kernel.end().await;
                kernel = place.start().await?;
                self.done.clear();
            }
            Recovery::Restarted
        };
        self.life = Life::Running(kernel);
        outlet.send(Output::SessionLost { reason, recovery });
        Ok(())
    }

    async fn replay(&self, kernel: &mut Kernel) -> bool {
        for done in &self.done {
            if !again(&*self.source, kernel, &done.source, &self.interrupts, &self.closed).await {
                return false;
            }
        }
        true
    }

    async fn restart(&mut self) -> Result<(), InterpreterError> {
        if let Life::Running(kernel) = std::mem::replace(&mut self.life, Life::Lost("it is restarted".to_owned())) {
            kernel.end().await;
        }
        self.done.clear();
        let place = self.place.get();
        place.clear().await?;
        self.life = Life::Running(place.start().await?);
        Ok(())
    }

    /// A second kernel gets the state, and takes the place of the first only when it has it.
    async fn restore(&mut self, state: &State) -> Result<(), InterpreterError> {
        let place = self.source.place().await?;
        match begin(&*self.source, &*place, Some(state), &self.interrupts, &self.closed).await {
            Ok((kernel, done)) => {
                self.done = done;
                let old = self.place.replace(place);
                if let Life::Running(kernel) = std::mem::replace(&mut self.life, Life::Running(kernel)) {
                    kernel.end().await;
                }
                old.remove().await;
                Ok(())
            }
            Err(error) => {
                place.remove().await;
                Err(error)
            }
        }
    }
}

/// A kernel in `place`, in `state` where one is given.
async fn begin(
    source: &dyn Source,
    place: &dyn Place,
    state: Option<&State>,
    interrupts: &watch::Receiver<u64>,
    closed: &CancellationToken,
) -> Result<(Kernel, Vec<Done>), InterpreterError> {
    let mut kernel = place.start().await?;
    let mut done = Vec::new();
    let Some(state) = state else { return Ok((kernel, done)) };
    // Cells may read what was put, and write what was kept: the files are there before them, and as they were after.
    state.put_files(place).await?;
    for source_text in &state.cells {
        let started = Instant::now();
        if !again(source, &mut kernel, source_text, interrupts, closed).await {
            kernel.end().await;
            return Err(bad(&format!("its cell did not run again: {}", first_line(source_text))));
        }
        done.push(Done { source: source_text.clone(), elapsed: started.elapsed() });
    }
    if !state.cells.is_empty() {
        state.put_files(place).await?;
    }
    Ok((kernel, done))
}

/// Runs a cell once more, unheard.
async fn again(
    source: &dyn Source,
    kernel: &mut Kernel,
    text: &str,
    interrupts: &watch::Receiver<u64>,
    closed: &CancellationToken,
) -> bool {
    let limits = source.limits();
    let mut outlet = Outlet::new(None, &limits);
    let run = Run {
        kernel,
        limits,
        interrupts: interrupts.clone(),
        cancellation: &CancellationToken::new(),
        closed,
        input: None,
        python: source.language() == "python",
    };
    matches!(run.run(text, &mut outlet).await, Ok(End::Replied(Execution::Ok)))
}

/// Whether running all cells again takes no longer than one cell may.
fn replayable(done: &[Done], limits: &Limits) -> bool {
    let total = done.iter().fold(Duration::ZERO, |sum, done| sum.saturating_add(done.elapsed));
    !done.is_empty() && total <= limits.soft_time
}

/// Asks a kernel to end, so that it can tidy up, and ends it where it does not.
async fn shut_down(mut kernel: Kernel) {
    let request = Request::new(Channel::Control, &kernel.session, ShutdownRequest { restart: false }, None);
    if let Ok(request) = request
        && kernel.requests.send(request).is_ok()
    {
        let lost = async { while let Some(Incoming::Message(_)) = kernel.incoming.recv().await {} };
        let _ = tokio::time::timeout(SHUTDOWN_TIME, lost).await;
    }
    kernel.end().await;
}

fn first_line(source: &str) -> &str {
    source.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}
