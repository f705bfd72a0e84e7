//! One instance of CPython, and how it is driven.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;
use wasmtime::{AsContextMut, Instance as Raw, Memory, Store, TypedFunc, UpdateDeadline};

use crate::cell::channel;
use crate::door::{Ending, Job, Outlet, RunningCell};
use crate::{CellEvent, InterpreterError, Limits, Output, guest};

use super::folder::Folder;
use super::pages::{PAGE, different, page, page_mut, written};
use super::program::{PACKAGES, Program};
use super::saved::{Saved, SavedMemory, bad};
use super::state::{Host, forget_interrupt, look};
use super::watch::Watch;

/// How long starting may take: importing what a scientific image holds takes seconds, on a busy machine many.
const START_LIMIT: Duration = Duration::from_secs(300);

/// One instance of CPython.
pub(super) struct Instance {
    store: Store<Host>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    turn: TypedFunc<(u32, u32), i32>,
    /// Bytes of the memory that it started from.
    base_bytes: u64,
    /// Python of ours that has still to run before anything else does.
    due: Vec<String>,
}

/// How a turn of a cell went.
pub(super) struct Turned {
    /// The status of CPython's turn; an error where the instance is lost.
    pub(super) status: wasmtime::Result<i32>,
    /// What the Python side said of its end.
    pub(super) ending: Option<Ending>,
}

impl Instance {
    /// A session's first instance, or the next after one was lost: with our Python side, from the warm image where there
    /// is one. One from an image is made its own by its first cell ([`Self::prepare`]): opening runs no Python.
    pub(super) async fn start(
        program: &Program,
        folder: Arc<Folder>,
        limits: Limits,
    ) -> Result<Self, InterpreterError> {
        let clock = program.image.as_ref().map_or(Duration::ZERO, |(_, image)| image.clock);
        let mut instance = Self::based(program, folder, limits, clock).await?;
        let source = if program.image.is_some() { guest::FRESH } else { guest::BOOTSTRAP };
        instance.due.push(source.to_owned());
        if program.has_packages() {
            instance.due.push(format!("__import__('sys').path.append({PACKAGES:?})"));
        }
        if program.image.is_none() {
            instance.prepare().await?;
        }
        Ok(instance)
    }

    /// Runs what is still to run before the first cell, or before the state is saved.
    pub(super) async fn prepare(&mut self) -> Result<(), InterpreterError> {
        for source in std::mem::take(&mut self.due) {
            self.run_own(&source).await?;
        }
        Ok(())
    }

    /// An instance in a saved state. The state must have this program's base.
    pub(super) async fn restore(
        program: &Program,
        folder: Arc<Folder>,
        limits: Limits,
        saved: &Saved,
    ) -> Result<Self, InterpreterError> {
        let mut instance = Self::based(program, folder, limits, saved.clock).await?;
        instance.grow(saved.memory.bytes).await?;
        let memory = instance.memory.data_mut(&mut instance.store);
        for (number, page) in saved.memory.each() {
            let place = page_mut(memory, number).ok_or_else(|| bad("a page lies outside its memory"))?;
            place.copy_from_slice(page);
        }
        Ok(instance)
    }

    /// An instance in the state that sessions start from, which nothing has run in yet.
    pub(super) async fn based(
        program: &Program,
        folder: Arc<Folder>,
        limits: Limits,
        clock: Duration,
    ) -> Result<Self, InterpreterError> {
        let host = program.host(folder, limits, clock)?;
        let mut instance = Self::instantiate(program, host).await.map_err(InterpreterError::backend)?;
        if let Some((_, image)) = &program.image {
            instance.grow(image.bytes).await?;
            let memory = instance.memory.data_mut(&mut instance.store);
            image.put_into(memory).map_err(InterpreterError::backend)?;
        }
        instance.base_bytes = instance.memory_bytes();
        Ok(instance)
    }

    async fn grow(&mut self, bytes: u64) -> Result<(), InterpreterError> {
        const WASM_PAGE: u64 = 64 << 10;
        let more = bytes.saturating_sub(self.memory_bytes()).div_ceil(WASM_PAGE);
        let limit = self.host().limits.memory;
        let grown = self.memory.grow_async(&mut self.store, more).await;
        grown.map(|_| ()).map_err(|_| InterpreterError::Limit {
            what: format!("a memory of {} MiB", bytes >> 20),
            limit: format!("{} MiB", limit >> 20),
        })
    }

    async fn instantiate(program: &Program, host: Host) -> wasmtime::Result<Self> {
        let mut store = Store::new(&program.engine, host);
        store.limiter(|host| host);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            look(store.as_context_mut())?;
            Ok(UpdateDeadline::Yield(1))
        });
        let instance: Raw = program.instances.instantiate_async(&mut store).await?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the artifact exports no memory"))?;
        let alloc = instance.get_typed_func(&mut store, "host_alloc")?;
        let turn = instance.get_typed_func(&mut store, "turn")?;
        let host = store.data_mut();
        host.memory = Some(memory);
        host.alloc = Some(TypedFunc::clone(&alloc));
        Ok(Self { store, memory, alloc, turn, base_bytes: 0, due: Vec::new() })
    }

    /// What the host keeps of it.
    pub(super) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Bytes of its memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// All of its memory.
    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// The pages of its memory that differ from those it started from; none where they would be more than `limit` bytes.
    /// `base` is the memory that it started from, where this machine does not tell which pages were written.
    pub(super) fn save(&self, base: Option<&Self>, limit: u64) -> Result<Option<SavedMemory>, InterpreterError> {
        let memory = self.memory();
        let mut numbers = match base {
            None => written(memory).map_err(InterpreterError::backend)?,
            Some(base) => different(memory, base.memory()),
        };
        // New memory is zeros, read or written.
        let new = u32::try_from(self.base_bytes / PAGE as u64).unwrap_or(u32::MAX);
        numbers.retain(|number| {
            *number < new || page(memory, *number).is_some_and(|page| page.iter().any(|byte| *byte != 0))
        });
        if (numbers.len() as u64).saturating_mul(PAGE as u64) > limit {
            return Ok(None);
        }
        let mut pages = Vec::with_capacity(numbers.len().saturating_mul(PAGE));
        for number in &numbers {
            pages.extend_from_slice(page(memory, *number).unwrap_or_default());
        }
        Ok(Some(SavedMemory { bytes: memory.len() as u64, numbers, pages }))
    }

    /// Runs a loop that only an interrupt ends; true where one did.
    pub(super) async fn heeds_interrupts(&mut self, places: &'static [(usize, u8)], grace: Duration) -> bool {
        // Beforehand: an interrupt that comes before there is a handler is lost.
        const HANDLER: &str = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)";
        if self.run_own(HANDLER).await.is_err() {
            return false;
        }
        let limits = Limits { soft_time: Duration::from_millis(20), grace, ..Limits::default() };
        self.host().interrupt = places;
        let (sender, token, _events) = channel(&CancellationToken::new());
        let watch = Watch::new(&limits, true, token, Instant::now());
        // Only `KeyboardInterrupt` ends this, wherever in it that comes; killed, it has no status.
        self.run_in("while True: pass", Outlet::new(sender, &limits), watch).await.is_ok()
    }

    /// Runs Python that is our own, while no cell runs.
    pub(super) async fn run_own(&mut self, source: &str) -> Result<(), InterpreterError> {
        let limits = Limits { soft_time: START_LIMIT, ..Limits::default() };
        let (sender, token, mut events) = channel(&CancellationToken::new());
        let outlet = Outlet::new(sender, &limits);
        let watch = Watch::new(&limits, false, token, Instant::now());
        let status = self.run_in(source, outlet.clone(), watch).await;
        outlet.finish([]);
        let mut said = String::new();
        while let Some(Some(Ok(CellEvent::Output { output }))) = events.next().now_or_never() {
            if let Output::Stdout { text } | Output::Stderr { text } = output {
                said.push_str(&text);
            }
        }
        match status {
            Ok(0) => Ok(()),
            Ok(_) => Err(InterpreterError::backend(format!("the Python side did not start: {}", said.trim()))),
            Err(error) => Err(InterpreterError::backend(format!("the Python side did not start: {error:#}"))),
        }
    }

    async fn run_in(&mut self, source: &str, outlet: Outlet, watch: Watch) -> wasmtime::Result<i32> {
        let host = self.host();
        host.outlet = Some(outlet);
        host.watch = Some(watch);
        let status = self.enter(source).await;
        let host = self.host();
        host.outlet = None;
        host.watch = None;
        status
    }

    /// Runs a cell, in an instance that was prepared.
    pub(super) async fn run_cell(&mut self, job: Job, outlet: Outlet, watch: Watch) -> Turned {
        forget_interrupt(&mut self.store.as_context_mut());
        let host = self.host();
        host.outlet = Some(outlet.clone());
        host.watch = Some(watch);
        host.door.begin(RunningCell::new(job, outlet));
        let status = self.enter(guest::TURN).await;
        let host = self.host();
        host.outlet = None;
        host.watch = None;
        Turned { status, ending: host.door.end().map(RunningCell::ending) }
    }

    /// One turn of CPython's: runs `source` in `__main__`.
    async fn enter(&mut self, source: &str) -> wasmtime::Result<i32> {
        let length = u32::try_from(source.len())?;
        let place = self.alloc.call_async(&mut self.store, length).await?;
        if place == 0 {
            return Err(wasmtime::Error::msg("no memory is left to run anything"));
        }
        self.memory.write(&mut self.store, place as usize, source.as_bytes())?;
        self.turn.call_async(&mut self.store, (place, length)).await
    }
}
