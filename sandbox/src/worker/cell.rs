//! A cell as the host sees it: what it may still say, ask and take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::protocol::{Ask, Refused};
use crate::capture::Stream;
use crate::cell::CellSender;
use crate::door::Outlet;
use crate::{CellUsage, ExecuteRequest, Execution, HostTools, InputSource, InterpreterError, Limits, Output};

/// Exceptions, denials and counts of a cell. An honest worker has its own, lower bounds.
const MAX_REPORTS: u32 = 128;
/// Bytes of them, all together.
const MAX_REPORT_BYTES: usize = 64 << 20;

/// How a cell ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself.
    Finished(Execution, CellUsage),
    /// With an error in place of an end.
    Failed(InterpreterError),
}

/// A cell that runs in a worker.
pub(super) struct HostCell {
    outlet: Outlet,
    tools: Option<HostTools>,
    input: Option<Arc<dyn InputSource>>,
    host_calls: u32,
    /// Cancelled with the cell, and when it is over.
    over: CancellationToken,
    state: Mutex<State>,
}

struct State {
    end: Option<oneshot::Sender<End>>,
    reports: u32,
    report_bytes: usize,
    calls: u32,
    /// The call under way: there is one at most, as programs have one thread.
    asking: Option<(Instant, CancellationToken)>,
    waited: Duration,
}

impl HostCell {
    /// Starts with nothing said. How it ends comes by the receiver.
    pub(super) fn new(
        request: &ExecuteRequest,
        sender: CellSender,
        limits: &Limits,
        token: &CancellationToken,
    ) -> (Arc<Self>, oneshot::Receiver<End>) {
        let (end, ended) = oneshot::channel();
        let state =
            State { end: Some(end), reports: 0, report_bytes: 0, calls: 0, asking: None, waited: Duration::ZERO };
        let cell = Self {
            outlet: Outlet::new(sender, limits),
            tools: request.tools.clone(),
            input: request.input.clone(),
            host_calls: limits.host_calls,
            over: token.child_token(),
            state: Mutex::new(state),
        };
        (Arc::new(cell), ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An output of the worker, whose message had so many bytes. The limits of the cell hold once more.
    pub(super) fn output(&self, output: Output, bytes: usize) {
        match output {
            Output::Stdout { text } => self.outlet.bytes(Stream::Stdout, text.as_bytes()),
            Output::Stderr { text } => self.outlet.bytes(Stream::Stderr, text.as_bytes()),
            Output::Display { data, id } => self.outlet.display(data, |data| Output::Display { data, id }),
            Output::DisplayUpdate { data, id } => self.outlet.display(data, |data| Output::DisplayUpdate { data, id }),
            Output::Result { data } => self.outlet.display(data, |data| Output::Result { data }),
            Output::ClearOutput { wait } => self.outlet.clear(wait),
            report => {
                let fits = {
                    let mut state = self.state();
                    state.reports = state.reports.saturating_add(1);
                    state.report_bytes = state.report_bytes.saturating_add(bytes);
                    state.reports <= MAX_REPORTS && state.report_bytes <= MAX_REPORT_BYTES
                };
                if fits {
                    self.outlet.say(report);
                }
            }
        }
        self.outlet.flush();
    }

    /// The host's own words.
    pub(super) fn say(&self, output: Output) {
        self.outlet.say(output);
    }

    /// The host's last words.
    pub(super) fn finish(&self, last: Option<Output>) {
        self.outlet.finish(last);
    }

    /// The worker says that it is over.
    pub(super) fn end(&self, end: End) {
        self.over.cancel();
        if let Some(waiting) = self.state().end.take() {
            let _ = waiting.send(end);
        }
    }

    /// Nothing of it is waited for any more.
    pub(super) fn abandon(&self) {
        self.over.cancel();
    }

    /// Time spent in tools and waiting for people.
    pub(super) fn waited(&self) -> Duration {
        let state = self.state();
        let now = state.asking.as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        state.waited.saturating_add(now)
    }

    /// Tool calls made.
    pub(super) fn calls(&self) -> u32 {
        self.state().calls
    }

    /// A call begins; none where one is under way.
    fn begin(&self) -> Option<CancellationToken> {
        let mut state = self.state();
        if state.asking.is_some() {
            return None;
        }
        let token = self.over.child_token();
        state.asking = Some((Instant::now(), token.clone()));
        Some(token)
    }

    /// The call is over, or nobody waits for it any more.
    pub(super) fn withdraw(&self) {
        let mut state = self.state();
        if let Some((since, token)) = state.asking.take() {
            token.cancel();
            state.waited = state.waited.saturating_add(since.elapsed());
        }
    }

    /// The worker calls a tool. The answer goes back by `link`.
    pub(super) fn call(
        self: &Arc<Self>,
        link: &Arc<Link>,
        call: u64,
        name: String,
        arguments: serde_json::Value,
    ) -> Result<(), &'static str> {
        let token = self.begin().ok_or("two calls of one cell at once")?;
        let tools = self.tools.clone().ok_or("a call of a cell that has no tools")?;
        {
            let mut state = self.state();
            if state.calls >= self.host_calls {
                return Err("more calls of one cell than it may make");
            }
            state.calls = state.calls.saturating_add(1);
        }
        let (cell, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            let answer = tools.call(name, arguments, &token).await;
            let answer = answer.map_err(|error| Refused { kind: error.kind, message: error.message });
            cell.answered(&token, &link, Ask::Answer { call, answer }, || {
                let refused = Refused { kind: "too_large".to_owned(), message: "the answer is too long".to_owned() };
                Ask::Answer { call, answer: Err(refused) }
            });
        });
        Ok(())
    }

    /// The worker asks for a line.
    pub(super) fn question(
        self: &Arc<Self>,
        link: &Arc<Link>,
        call: u64,
        prompt: String,
        hidden: bool,
    ) -> Result<(), &'static str> {
        let token = self.begin().ok_or("two calls of one cell at once")?;
        let input = self.input.clone().ok_or("a question of a cell that nobody answers")?;
        let (cell, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            let line = tokio::select! {
                biased;
                () = token.cancelled() => None,
                line = input.line(&prompt, hidden) => line,
            };
            cell.answered(&token, &link, Ask::Line { call, line }, || Ask::Line { call, line: None });
        });
        Ok(())
    }

    /// Sends an answer, or `short` where it is too long; none where nobody waits for it.
    fn answered(&self, token: &CancellationToken, link: &Link, ask: Ask, short: impl FnOnce() -> Ask) {
        if token.is_cancelled() {
            return;
        }
        // Before it is sent: the next call may come at once.
        self.withdraw();
        if !link.send(&ask, Vec::new()) {
            link.send(&short(), Vec::new());
        }
    }
}
