//! The host's end of a worker: what is asked, what is waited for, and what the worker says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::cell::{End, HostCell};
use super::frame::{self, Broken, Caps, Frame, fits};
use super::protocol::{Act, Ask, Fault, Say};
use crate::{CellEvent, FileInfo, InterpreterError};

/// How long a worker may take for anything but a cell. Saving half a gigabyte takes seconds.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// What came for a request.
type Answer = (Result<Vec<FileInfo>, Fault>, Vec<u8>);

/// The host's end of a worker.
pub(super) struct Link {
    out: UnboundedSender<Frame>,
    caps: Caps,
    next: AtomicU64,
    waiting: Mutex<Waiting>,
    /// Why the worker is gone, once it is.
    reason: OnceLock<String>,
    dead: CancellationToken,
    /// Asks for its end, for this reason.
    wanted: OnceLock<String>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    cells: HashMap<u64, Arc<HostCell>>,
}

/// The error of what is asked of a session whose worker is gone.
pub(super) fn lost_between_cells(reason: &str) -> InterpreterError {
    InterpreterError::backend(format!("{reason}; the session's next cell begins anew"))
}

impl Link {
    pub(super) fn new(out: UnboundedSender<Frame>, caps: Caps) -> Self {
        Self {
            out,
            caps,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            reason: OnceLock::new(),
            dead: CancellationToken::new(),
            wanted: OnceLock::new(),
            stop: CancellationToken::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no request, cell or session of this worker has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a message; false where it is longer than what the worker reads.
    pub(super) fn send(&self, ask: &Ask, body: Vec<u8>) -> bool {
        match Frame::new(ask, body) {
            Ok(frame) if fits(&frame, self.caps) => {
                let _ = self.out.send(frame);
                true
            }
            _ => false,
        }
    }

    /// Kills the worker, which is the fault of `reason`.
    pub(super) fn kill(&self, reason: impl Into<String>) {
        let _ = self.wanted.set(reason.into());
        self.stop.cancel();
    }

    /// Waits until somebody wants its end; gives the reason.
    pub(super) async fn stopped(&self) -> String {
        self.stop.cancelled().await;
        self.wanted.get().cloned().unwrap_or_default()
    }

    /// The worker is gone.
    pub(super) fn died(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.dead.cancel();
        let waiting = std::mem::take(&mut *self.waiting());
        for cell in waiting.cells.into_values() {
            cell.abandon();
        }
    }

    /// Why it is gone, if it is.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Waits until it is gone.
    pub(super) async fn gone(&self) -> String {
        self.dead.cancelled().await;
        self.reason.get().cloned().unwrap_or_default()
    }

    /// Does something with a session and waits until it is done.
    pub(super) async fn act(
        &self,
        session: u64,
        act: Act,
        body: Vec<u8>,
    ) -> Result<(Vec<FileInfo>, Vec<u8>), InterpreterError> {
        self.exchange(|id| Ask::Do { id, session, act }, body, lost_between_cells).await
    }

    /// Opens a session, in the state of the body where it is `saved`.
    pub(super) async fn open(&self, session: u64, saved: bool, body: Vec<u8>) -> Result<(), InterpreterError> {
        self.exchange(|id| Ask::Open { id, session, saved }, body, |reason| InterpreterError::backend(reason))
            .await
            .map(drop)
    }

    /// Asks for something and waits until it is done. `lost` makes the error where the worker is gone, for a reason.
    async fn exchange(
        &self,
        ask: impl FnOnce(u64) -> Ask,
        body: Vec<u8>,
        lost: fn(&str) -> InterpreterError,
    ) -> Result<(Vec<FileInfo>, Vec<u8>), InterpreterError> {
        let (id, bytes) = (self.number(), body.len());
        let (reply, answer) = oneshot::channel();
        self.waiting().answers.insert(id, reply);
        if !self.send(&ask(id), body) {
            self.waiting().answers.remove(&id);
            let what = format!("a message of {bytes} bytes to the worker");
            return Err(InterpreterError::Limit { what, limit: format!("{} bytes", self.caps.body) });
        }
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok((result, body)) => Ok((result?, body)),
                Err(_) => Err(lost(self.reason().unwrap_or("the worker process is gone"))),
            },
            reason = self.gone() => Err(lost(&reason)),
            () = tokio::time::sleep(ANSWER_TIME) => {
                let seconds = ANSWER_TIME.as_secs();
                self.kill(format!("the worker process did not answer for {seconds} s, and was killed"));
                Err(lost(&self.gone().await))
            }
        }
    }

    /// Closes a session that nobody waits for.
    pub(super) fn release(&self, session: u64) {
        let (id, (reply, _)) = (self.number(), oneshot::channel());
        self.waiting().answers.insert(id, reply);
        self.send(&Ask::Do { id, session, act: Act::Close }, Vec::new());
    }

    /// From now on the worker may speak of this cell.
    pub(super) fn begin(&self, id: u64, cell: Arc<HostCell>) {
        self.waiting().cells.insert(id, cell);
    }

    /// Never mind the cell: it was not sent.
    pub(super) fn forget(&self, id: u64) {
        self.waiting().cells.remove(&id);
    }

    /// Reads what the worker says until it hangs up, or says what it may not.
    pub(super) async fn listen(self: &Arc<Self>, mut from: impl AsyncRead + Unpin) -> Result<(), Broken> {
        while let Some(frame) = frame::read(&mut from, self.caps).await? {
            let bytes = frame.head.len();
            self.hear(frame.message()?, frame.body, bytes).map_err(|problem| Broken::NoMessage(problem.to_owned()))?;
        }
        Ok(())
    }

    fn hear(self: &Arc<Self>, say: Say, body: Vec<u8>, bytes: usize) -> Result<(), &'static str> {
        const UNKNOWN: &str = "it speaks of a cell that does not run";
        let cell = |id: u64| self.waiting().cells.get(&id).cloned().ok_or(UNKNOWN);
        let over = |id: u64| self.waiting().cells.remove(&id).ok_or(UNKNOWN);
        match say {
            Say::Ready { .. } | Say::Failed { .. } => return Err("it begins twice"),
            Say::Event { id, event: CellEvent::Output { output } } => cell(id)?.output(output, bytes),
            Say::Event { id, event: CellEvent::Finished { execution, usage } } => {
                over(id)?.end(End::Finished(execution, usage));
            }
            Say::Over { id, fault } => over(id)?.end(End::Failed(fault.into())),
            Say::Done { id, result } => {
                let waiting = self.waiting().answers.remove(&id).ok_or("it answers what nobody asked")?;
                // Who asked may be gone.
                let _ = waiting.send((result, body));
            }
            Say::Call { id, call, name, arguments } => cell(id)?.call(self, call, name, arguments)?,
            Say::Question { id, call, prompt, hidden } => cell(id)?.question(self, call, prompt, hidden)?,
            // Its cell may be over.
            Say::Withdrawn { id } => {
                if let Ok(cell) = cell(id) {
                    cell.withdraw();
                }
            }
        }
        Ok(())
    }
}
