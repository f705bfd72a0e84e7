//! The time that a program sees.

use std::time::{Duration, Instant};

use wasmtime_wasi::HostMonotonicClock;

/// A clock of the session's own, which says nothing of the host's uptime. A restored session's goes on from where the
/// saved one stood: to Python it must never run backwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base: Duration,
    origin: Instant,
}

impl Clock {
    /// A clock that stands at `base` now.
    pub(super) fn from(base: Duration) -> Self {
        Self { base, origin: Instant::now() }
    }

    /// What it shows.
    pub(super) fn elapsed(&self) -> Duration {
        self.base.saturating_add(self.origin.elapsed())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
