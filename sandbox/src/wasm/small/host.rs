//! What the host keeps of one instance.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::door::Door;
use crate::{DenialKind, Limits};

use super::quota::Quota;
use super::streams::Place;

/// Elements that a table may have.
const MAX_TABLE: usize = 100_000;

/// Wasmtime's store data.
pub(super) struct Host {
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) limits: Limits,
    pub(super) door: Door,
    pub(super) place: Place,
    pub(super) quota: Arc<Quota>,
    pub(super) waiting: Waiting,
    /// Bytes of the largest memory, which is the program's.
    pub(super) memory: u64,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.limits.memory;
        if fits {
            self.memory = self.memory.max(desired as u64);
        } else {
            let message = format!("the session may use {} MiB of memory", self.limits.memory >> 20);
            self.place.denied(
                DenialKind::Memory,
                message,
                "hold less at a time, or delete what is not needed any more",
            );
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }
}

/// How long the cell has waited for tools and people, seen from outside of the store while it waits.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<(Duration, Option<Instant>)>>);

impl Waiting {
    /// The time until now.
    pub(super) fn total(&self) -> Duration {
        let (before, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before.saturating_add(since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// A call to the host begins.
    pub(super) fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(Instant::now());
    }

    /// It is over; `total` is what counts.
    pub(super) fn end(&self, total: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (total, None);
    }
}
