//! One instance of the component, and how it is driven.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{ResourceTable, TypedFunc};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use crate::capture::Stream;
use crate::door::{Door, Ending, Job, Outlet, RunningCell};
use crate::{DenialKind, InterpreterError, Limits, guest};

use super::super::clock::Clock;
use super::super::engine::TICK;
use super::super::folder::{FOLDERS, Folder};
use super::super::watch::{Cause, Verdict, Watch};
use super::backend::Program;
use super::host::{Host, Waiting};
use super::quota::Quota;
use super::streams::{Place, Printed};

/// Where further packages lie inside; `small_session.py` has it on its path.
const PACKAGES: &str = "/usr/local/lib/site-packages";

/// One instance of the component.
pub(super) struct Instance {
    store: Store<Host>,
    turn: TypedFunc<(), ()>,
}

/// How a turn ended that the instance did not survive.
pub(super) enum Lost {
    /// The host ended it.
    Killed(Cause),
    /// It failed by itself.
    Failed(wasmtime::Error),
}

/// How a turn of a cell went.
pub(super) struct Turned {
    /// Why the instance is lost, where it is.
    pub(super) lost: Option<Lost>,
    /// What the Python side said of its end.
    pub(super) ending: Option<Ending>,
}

impl Instance {
    /// A fresh instance.
    pub(super) async fn new(program: &Program, folder: Arc<Folder>, limits: Limits) -> Result<Self, InterpreterError> {
        let place = Place::default();
        let wasi = wasi(program, &folder, &place).map_err(InterpreterError::backend)?;
        let quota = Quota::new(folder, limits, place.clone()).map_err(InterpreterError::backend)?;
        let host = Host {
            wasi,
            table: ResourceTable::new(),
            limits,
            door: Door::new(guest::MODULES),
            place,
            quota: Arc::new(quota),
            waiting: Waiting::default(),
            memory: 0,
        };
        let mut store = Store::new(&program.engine, host);
        store.limiter(|host| host);
        store.set_epoch_deadline(1);
        // Gives way at every tick; whether it goes on is decided beside it, in `run_cell`.
        store.epoch_deadline_async_yield_and_update(1);
        let instance = program.instances.instantiate_async(&mut store).await.map_err(InterpreterError::backend)?;
        let turn = instance.get_typed_func(&mut store, "turn").map_err(InterpreterError::backend)?;
        Ok(Self { store, turn })
    }

    /// Bytes of its memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.store.data().memory
    }

    /// Runs a cell.
    pub(super) async fn run_cell(&mut self, job: Job, outlet: Outlet, mut watch: Watch) -> Turned {
        let host = self.store.data_mut();
        let (place, waiting, limits) = (host.place.clone(), host.waiting.clone(), host.limits);
        waiting.end(Duration::ZERO);
        place.set(Some(outlet.clone()));
        host.door.begin(RunningCell::new(job, outlet.clone()));
        let lost = {
            let turn = self.turn.call_async(&mut self.store, ());
            tokio::pin!(turn);
            loop {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(TICK) => {}
                    ended = &mut turn => break ended.err().map(Lost::Failed),
                }
                outlet.flush();
                watch.set_waited(waiting.total());
                if let Verdict::Kill(cause) = watch.look(Instant::now()) {
                    if cause == Cause::Time {
                        let message = format!("the cell ran for its limit of {} s", limits.soft_time.as_secs_f64());
                        let hint = "do less at a time: fewer items, a smaller range, or several cells";
                        place.denied(DenialKind::Time, message, hint);
                    }
                    // Dropping the call ends it, wherever it is.
                    break Some(Lost::Killed(cause));
                }
            }
        };
        place.set(None);
        let ending = self.store.data_mut().door.end().map(RunningCell::ending);
        Turned { lost, ending }
    }
}

fn wasi(program: &Program, folder: &Folder, place: &Place) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&["python"]);
    wasi.envs(&[("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("PYTHONTZPATH", "")]);
    wasi.monotonic_clock(Clock::from(Duration::ZERO));
    wasi.allow_blocking_current_thread(true);
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    wasi.stdout(Printed { stream: Stream::Stdout, place: place.clone() });
    wasi.stderr(Printed { stream: Stream::Stderr, place: place.clone() });
    if let Some(packages) = &program.packages {
        wasi.preopened_dir(packages, PACKAGES, FsPerms::ReadOnly)?;
    }
    for (path, name) in FOLDERS {
        wasi.preopened_dir(folder.host_path(name), path, FsPerms::ReadWrite)?;
    }
    Ok(wasi.build())
}
