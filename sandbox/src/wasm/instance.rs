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
use super::program::Program;
use super::state::{Host, forget_interrupt, look};
use super::watch::{Cause, Watch};

/// How long starting may take: importing what a scientific image holds takes seconds, on a busy machine many.
const START_LIMIT: Duration = Duration::from_secs(300);

/// One instance of CPython.
pub(super) struct Instance {
    store: Store<Host>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    turn: TypedFunc<(u32, u32), i32>,
}

/// How a turn of a cell went.
pub(super) struct Turned {
    /// The status of CPython's turn; an error where the instance is lost.
    pub(super) status: wasmtime::Result<i32>,
    /// What the Python side said of its end.
    pub(super) ending: Option<Ending>,
    /// Why it was interrupted, where it was.
    pub(super) interrupted: Option<Cause>,
}

impl Instance {
    /// A fresh instance: CPython as the artifact has it, initialised, without our Python side.
    pub(super) async fn new(
        program: &Program,
        folder: Arc<Folder>,
        limits: Limits,
        clock: Duration,
    ) -> Result<Self, InterpreterError> {
        let host = program.host(folder, limits, clock)?;
        Self::instantiate(program, host).await.map_err(InterpreterError::backend)
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
        Ok(Self { store, memory, alloc, turn })
    }

    /// What the host keeps of it.
    pub(super) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Bytes of its memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// Runs Python that is our own, while no cell runs.
    pub(super) async fn run_own(&mut self, source: &str) -> Result<(), InterpreterError> {
        let limits = Limits { soft_time: START_LIMIT, ..Limits::default() };
        let (sender, token, mut events) = channel(&CancellationToken::new());
        let outlet = Outlet::new(sender, &limits);
        let host = self.host();
        host.outlet = Some(outlet.clone());
        host.watch = Some(Watch::new(&limits, false, token, Instant::now()));
        let status = self.enter(source).await;
        let host = self.host();
        host.outlet = None;
        host.watch = None;
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

    /// Runs a cell.
    pub(super) async fn run_cell(&mut self, job: Job, outlet: Outlet, watch: Watch) -> Turned {
        forget_interrupt(&mut self.store.as_context_mut());
        let host = self.host();
        host.outlet = Some(outlet.clone());
        host.watch = Some(watch);
        host.door.begin(RunningCell::new(job, outlet));
        let status = self.enter(guest::TURN).await;
        let host = self.host();
        host.outlet = None;
        let interrupted = host.watch.take().and_then(|watch| watch.interrupted());
        Turned { status, ending: host.door.end().map(RunningCell::ending), interrupted }
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
