//! When a running cell is interrupted, and when it is killed. Without a clock of its own: it is told the time.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::Limits;

/// Why a cell is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It ran for its whole time.
    Time,
    /// Its caller cancelled it, or dropped its stream.
    Cancelled,
}

/// What is to be done with a running cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    GoOn,
    /// Raise `KeyboardInterrupt` in it. Said once a cell.
    Interrupt(Cause),
    /// End it, and the instance with it.
    Kill(Cause),
}

/// Watches one cell.
#[derive(Debug)]
pub(super) struct Watch {
    soft: Duration,
    grace: Duration,
    /// False where this host cannot raise `KeyboardInterrupt`; then there is only the hard end.
    interruptible: bool,
    started: Instant,
    /// Time that was spent waiting for tools and people, which does not count.
    waited: Duration,
    caller: CancellationToken,
    calls: CancellationToken,
    interrupted: Option<(Instant, Cause)>,
}

impl Watch {
    /// A cell starts now. `caller` is what cancels it.
    pub(super) fn new(limits: &Limits, interruptible: bool, caller: CancellationToken, now: Instant) -> Self {
        let calls = caller.child_token();
        Self {
            soft: limits.soft_time,
            grace: limits.grace,
            interruptible,
            started: now,
            waited: Duration::ZERO,
            caller,
            calls,
            interrupted: None,
        }
    }

    /// Ends what the cell asks of others. Cancelled with the cell, and when its time is over: a program must not go on
    /// calling tools in its `except` clause.
    pub(super) fn calls(&self) -> CancellationToken {
        self.calls.clone()
    }

    /// What cancels the cell.
    pub(super) fn caller(&self) -> CancellationToken {
        self.caller.clone()
    }

    /// Time spent waiting for tools and people, all together.
    pub(super) fn set_waited(&mut self, waited: Duration) {
        self.waited = waited;
    }

    fn soft_end(&self) -> Instant {
        after(self.started, self.soft.saturating_add(self.waited))
    }

    fn hard_end(&self) -> Instant {
        match self.interrupted {
            Some((at, _)) => after(at, self.grace),
            None => after(self.soft_end(), self.grace),
        }
    }

    /// When to look again at the latest, unless it is cancelled before.
    pub(super) fn next_look(&self) -> Instant {
        if self.interruptible && self.interrupted.is_none() { self.soft_end() } else { self.hard_end() }
    }

    /// Looks at the cell.
    pub(super) fn look(&mut self, now: Instant) -> Verdict {
        if let Some((_, cause)) = self.interrupted {
            return if now >= self.hard_end() { Verdict::Kill(cause) } else { Verdict::GoOn };
        }
        let cancelled = self.caller.is_cancelled();
        let over = now >= self.soft_end();
        let cause = if cancelled { Cause::Cancelled } else { Cause::Time };
        match (cancelled || over, self.interruptible) {
            (false, _) => Verdict::GoOn,
            (true, true) => {
                self.interrupted = Some((now, cause));
                self.calls.cancel();
                Verdict::Interrupt(cause)
            }
            // Nothing is gained by waiting for a program that has not been told.
            (true, false) if cancelled || now >= self.hard_end() => {
                self.interrupted = Some((now, cause));
                self.calls.cancel();
                Verdict::Kill(cause)
            }
            (true, false) => Verdict::GoOn,
        }
    }
}

/// `from` and `span` later, or as late as can be.
fn after(from: Instant, span: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    from.checked_add(span.min(LONG)).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn watch(interruptible: bool) -> (Watch, CancellationToken, Instant) {
        let limits = Limits { soft_time: s(10), grace: s(1), ..Limits::default() };
        let (token, now) = (CancellationToken::new(), Instant::now());
        (Watch::new(&limits, interruptible, token.clone(), now), token, now)
    }

    #[test]
    fn a_cell_is_interrupted_at_its_limit_and_killed_after_the_grace() {
        let (mut watch, _, start) = watch(true);
        assert_eq!(watch.look(start + s(9)), Verdict::GoOn);
        assert!(!watch.calls().is_cancelled());
        assert_eq!(watch.look(start + s(10)), Verdict::Interrupt(Cause::Time));
        assert!(watch.calls().is_cancelled());
        assert_eq!(watch.next_look(), start + s(11));
        assert_eq!(watch.look(start + s(10)), Verdict::GoOn);
        assert_eq!(watch.look(start + s(11)), Verdict::Kill(Cause::Time));
    }

    #[test]
    fn a_cancelled_cell_is_interrupted_at_once() {
        let (mut watch, token, start) = watch(true);
        token.cancel();
        assert_eq!(watch.look(start + s(1)), Verdict::Interrupt(Cause::Cancelled));
        assert_eq!(watch.look(start + s(2)), Verdict::Kill(Cause::Cancelled));
    }

    #[test]
    fn waiting_for_a_tool_takes_nothing_of_the_time() {
        let (mut watch, _, start) = watch(true);
        watch.set_waited(s(60));
        assert_eq!(watch.look(start + s(69)), Verdict::GoOn);
        assert_eq!(watch.look(start + s(70)), Verdict::Interrupt(Cause::Time));
    }

    #[test]
    fn without_interrupts_there_is_only_the_hard_end() {
        let (mut one, token, start) = watch(false);
        assert_eq!(one.look(start + s(10)), Verdict::GoOn);
        assert_eq!(one.look(start + s(11)), Verdict::Kill(Cause::Time));
        token.cancel();
        let (mut two, token, start) = watch(false);
        token.cancel();
        assert_eq!(two.look(start), Verdict::Kill(Cause::Cancelled));
    }

    #[test]
    fn limits_beyond_all_clocks_are_no_limits() {
        let limits = Limits { soft_time: Duration::MAX, grace: Duration::MAX, ..Limits::default() };
        let now = Instant::now();
        assert_eq!(Watch::new(&limits, true, CancellationToken::new(), now).look(now + s(1_000_000)), Verdict::GoOn);
    }
}
