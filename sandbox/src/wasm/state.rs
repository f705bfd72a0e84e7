//! What the host keeps of one instance: Wasmtime's store data.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{AsContextMut, Caller, Memory, ResourceLimiter, StoreContextMut, TypedFunc};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;

use crate::door::{Door, Outlet};
use crate::{DenialKind, Limits};

use super::clock::Clock;
use super::folder::Folder;
use super::quota::Quota;
use super::watch::{Cause, Verdict, Watch};

/// Elements that a table may have; CPython's has 60,000.
const MAX_TABLE: usize = 100_000;

/// What the host keeps of one instance.
pub(super) struct Host {
    pub(super) wasi: WasiP1Ctx,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) folder: Arc<Folder>,
    pub(super) quota: Quota,
    pub(super) door: Door,
    /// Set as soon as the instance is there.
    pub(super) memory: Option<Memory>,
    /// Room in the program's memory for an answer.
    pub(super) alloc: Option<TypedFunc<u32, u32>>,
    /// Where the outputs of the running cell go; none while a session starts.
    pub(super) outlet: Option<Outlet>,
    /// Who watches the running cell; none while a session starts.
    pub(super) watch: Option<Watch>,
    /// What notes an interrupt in linear memory; empty where that does not work here.
    pub(super) interrupt: &'static [(usize, u8)],
    /// Whether an interrupt may still be noted in memory.
    pub(super) noted: bool,
}

/// The error that ends an instance whose cell is killed.
#[derive(Debug, thiserror::Error)]
#[error("killed: {0:?}")]
pub(super) struct Killed(pub(super) Cause);

impl Host {
    /// The host refused something.
    pub(super) fn denied(&self, kind: DenialKind, message: String, hint: &str) {
        if let Some(outlet) = &self.outlet {
            outlet.denied(kind, message, hint);
        }
    }
}

/// Looks at the running cell, and interrupts or kills it. Called at every tick and wherever the host waits. True where an
/// interrupt was noted.
pub(super) fn look(mut store: impl AsContextMut<Data = Host>) -> wasmtime::Result<bool> {
    let mut store = store.as_context_mut();
    let host = store.data_mut();
    if let Some(outlet) = &host.outlet {
        outlet.flush();
    }
    let Some(watch) = &mut host.watch else { return Ok(false) };
    let verdict = watch.look(Instant::now());
    if matches!(verdict, Verdict::Interrupt(Cause::Time) | Verdict::Kill(Cause::Time)) {
        let message = format!("the cell ran for its limit of {} s", host.limits.soft_time.as_secs_f64());
        host.denied(DenialKind::Time, message, "do less at a time: fewer items, a smaller range, or several cells");
    }
    match verdict {
        Verdict::GoOn => Ok(false),
        Verdict::Interrupt(_) => {
            note_interrupt(&mut store);
            Ok(true)
        }
        Verdict::Kill(cause) => Err(Killed(cause).into()),
    }
}

/// Notes SIGINT as `PyErr_SetInterruptEx` does; CPython looks at its next chance.
fn note_interrupt(store: &mut StoreContextMut<'_, Host>) {
    change_interrupt(store, |byte, bits| byte | bits);
    store.data_mut().noted = true;
}

/// Takes an interrupt back that came when the cell was over already; it would hit the next one.
pub(super) fn forget_interrupt(store: &mut StoreContextMut<'_, Host>) {
    if std::mem::take(&mut store.data_mut().noted) {
        change_interrupt(store, |byte, bits| byte & !bits);
    }
}

fn change_interrupt(store: &mut StoreContextMut<'_, Host>, change: impl Fn(u8, u8) -> u8) {
    let places = store.data().interrupt;
    let Some(memory) = store.data().memory else { return };
    let bytes = memory.data_mut(store);
    for (place, bits) in places {
        if let Some(byte) = bytes.get_mut(*place) {
            *byte = change(*byte, *bits);
        }
    }
}

/// The program's memory, and the host's side beside it.
pub(super) fn memory_and_host<'a>(caller: &'a mut Caller<'_, Host>) -> wasmtime::Result<(&'a mut [u8], &'a mut Host)> {
    let memory = caller.data().memory.ok_or_else(|| wasmtime::Error::msg("the instance has no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

/// The program's memory and WASI, as Wasmtime's own preview1 functions take them.
pub(super) fn memory_and_wasi<'a>(
    caller: &'a mut Caller<'_, Host>,
) -> wasmtime::Result<(GuestMemory<'a>, &'a mut WasiP1Ctx)> {
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (memory, host) = memory_and_host(caller)?;
    host.wasi.set_hostcall_fuel(fuel);
    Ok((GuestMemory::Unshared(memory), &mut host.wasi))
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.limits.memory;
        if !fits {
            let message = format!("the session may use {} MiB of memory", self.limits.memory >> 20);
            self.denied(DenialKind::Memory, message, "hold less at a time, or delete what is not needed any more");
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }
}
