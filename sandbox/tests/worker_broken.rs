//! A worker that lies to its host over the socket that it has, and one that is killed in the instant in which it starts.
//!
//! The worker is the real one: it is stopped, and this test speaks in its place, over its own end of the socket. Needs what
//! `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
#![allow(
    unreachable_pub,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test may panic; its helpers are shared between test files"
)]

mod backends;
mod suite;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use glassbox_sandbox::{
    Backend, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, Output, OutputStream, Worker,
};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};
use suite::{Ran, run, works};
use tokio::sync::{Mutex, MutexGuard};

/// One test at a time: they count this process's memory, and kill its children.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

fn limits() -> Limits {
    Limits { soft_time: Duration::from_secs(1), ..Limits::default() }
}

fn workers(limits: Limits) -> Worker {
    backends::built(Worker::builder().limits(limits).build())
}

/// A message as it goes over the socket.
fn frame(message: &Value, body: &[u8]) -> Vec<u8> {
    framed(message.to_string().as_bytes(), body)
}

fn framed(head: &[u8], body: &[u8]) -> Vec<u8> {
    let lengths = (u32::try_from(head.len()).unwrap().to_le_bytes(), (body.len() as u64).to_le_bytes());
    [&lengths.0[..], &lengths.1, head, body].concat()
}

/// A stopped worker, and its end of the socket.
struct Liar {
    socket: UnixStream,
    pid: u32,
}

impl Liar {
    /// Takes the place of the only worker.
    fn of(worker: &Worker) -> Self {
        let pid = worker.pids()[0];
        let id = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        let started = Instant::now();
        while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
            assert!(started.elapsed() < suite::HANG, "it does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
        let process = pidfd_open(id, PidfdFlags::empty()).unwrap();
        let socket = UnixStream::from(pidfd_getfd(process, 0, PidfdGetfdFlags::empty()).unwrap());
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(suite::HANG)).unwrap();
        Self { socket, pid }
    }

    /// What the host asks next.
    fn hears(&mut self) -> Value {
        let mut lengths = [0; 12];
        self.socket.read_exact(&mut lengths).unwrap();
        let mut head = vec![0; u32::from_le_bytes(lengths[..4].try_into().unwrap()) as usize];
        self.socket.read_exact(&mut head).unwrap();
        serde_json::from_slice(&head).unwrap()
    }

    /// Says it. The host may hang up before it has read all.
    fn says(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Says no more.
    fn hangs_up(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

/// A session with a cell under way whose worker is about to lie.
struct Scene {
    _alone: MutexGuard<'static, ()>,
    worker: Worker,
    session: Arc<dyn Interpreter>,
    cell: OutputStream,
    liar: Liar,
    /// The cell's number.
    id: u64,
}

impl Scene {
    async fn new(limits: Limits) -> Self {
        let alone = alone().await;
        let worker = workers(limits);
        let session = worker.open().await.unwrap();
        assert_eq!(run(&session, "x = 1").await.execution, Execution::Ok);
        let mut liar = Liar::of(&worker);
        let cell = session.execute(ExecuteRequest::new("print(x)"));
        let asked = tokio::task::block_in_place(|| liar.hears());
        assert_eq!(asked["ask"], "run", "{asked}");
        let id = asked["id"].as_u64().unwrap();
        Self { _alone: alone, worker, session, cell, liar, id }
    }

    /// The worker must be killed for what it said: by the end of the cell, or in the next, the loss is told, for this reason;
    /// then this session works, and so does another.
    async fn ends(self, reason: &str) {
        let Self { worker, session, cell, liar, .. } = self;
        let first = suite::collect(cell).await;
        let gone = async {
            while worker.pids().contains(&liar.pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(suite::HANG, gone).await.expect("nobody kills it");
        let next = run(&session, "print('x' in globals())").await;
        assert_eq!((next.execution, next.stdout().as_str()), (Execution::Ok, "False\n"), "{:?}", next.outputs);
        let told: Vec<String> = first.iter().chain([&next]).filter_map(loss).collect();
        assert!(told.iter().any(|told| told.contains(reason)), "{reason}: {told:?}, {first:?}");
        works(&session).await;
        let other = worker.open().await.unwrap();
        works(&other).await;
    }
}

/// What a cell says of a lost session.
fn loss(ran: &Ran) -> Option<String> {
    ran.outputs.iter().find_map(|output| match output {
        Output::SessionLost { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}

/// The worker says this, given the cell's number, and goes on as if nothing were.
async fn lie(said: impl FnOnce(u64) -> Vec<u8>, reason: &str) {
    let mut scene = Scene::new(limits()).await;
    let bytes = said(scene.id);
    tokio::task::block_in_place(|| scene.liar.says(&bytes));
    scene.ends(reason).await;
}

fn event(id: u64, event: &Value) -> Vec<u8> {
    frame(&json!({"say": "event", "id": id, "event": event}), b"")
}

fn output(id: u64, output: &Value) -> Vec<u8> {
    event(id, &json!({"event": "output", "output": output}))
}

const LIE: &str = "said what no worker says";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_past_any_is_refused_before_it_comes() {
    lie(|_| vec![0xff; 12], "where").await;
    lie(|_| [&2_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes(), b"{}"].concat(), LIE).await;
    lie(|_| [&2_u32.to_le_bytes()[..], &(1_u64 << 40).to_le_bytes(), b"{}"].concat(), LIE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_no_messages_end_the_worker() {
    lie(|_| framed(b"", b""), LIE).await;
    lie(|_| framed(&b"[".repeat(1_000_000), b""), "nested too deep").await;
    lie(|_| framed(&[b"[1".to_vec(), b",1".repeat(3_000_000), b"]".to_vec()].concat(), b""), "too many pieces").await;
    lie(|_| framed(b"\xff\xfe{\"say\":", b"body"), LIE).await;
    lie(|id| frame(&json!({"say": "no such word", "id": id}), b""), LIE).await;
    lie(|_| frame(&json!({"say": "done", "id": -1, "result": {"Ok": []}}), b""), LIE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_out_of_their_order_end_the_worker() {
    let limits = serde_json::to_value(limits()).unwrap();
    lie(|_| frame(&json!({"ask": "begin", "limits": limits, "image": "bare", "packages": false}), b""), LIE).await;
    lie(|_| frame(&json!({"say": "failed", "fault": {"kind": "closed"}}), b""), "it begins twice").await;
    lie(|id| frame(&json!({"say": "done", "id": id + 99, "result": {"Ok": []}}), b""), "what nobody asked").await;
    lie(|id| output(id + 1, &json!({"type": "stdout", "text": "x"})), "does not run").await;
    let call = |id: u64| json!({"say": "call", "id": id, "call": 1, "name": "shell", "arguments": {}});
    lie(|id| frame(&call(id), b""), "no tools").await;
    let question = |id: u64| json!({"say": "question", "id": id, "call": 1, "prompt": "", "hidden": true});
    lie(|id| frame(&question(id), b""), "nobody answers").await;
    // The cell ends well, and then once more.
    let usage = json!({"elapsed_ms": 1, "memory": 0, "host_calls": 0});
    let end = |id| event(id, &json!({"event": "finished", "execution": "ok", "usage": usage}));
    lie(|id| [end(id), end(id)].concat(), LIE).await;
    let over = |id: u64| frame(&json!({"say": "over", "id": id, "fault": {"kind": "closed"}}), b"");
    lie(|id| [over(id), over(id)].concat(), "does not run").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_cut_off_ends_the_worker() {
    for keep in [1, 4, 11, 12, 20] {
        let mut scene = Scene::new(limits()).await;
        let whole = output(scene.id, &json!({"type": "stdout", "text": "x"}));
        tokio::task::block_in_place(|| scene.liar.says(&whole[..keep]));
        scene.liar.hangs_up();
        scene.ends("hung up").await;
    }
}

/// Numbers by Marsaglia's xorshift: the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_ends_the_worker() {
    let mut chance = Chance(0x5eed);
    for round in 0..12 {
        let mut scene = Scene::new(limits()).await;
        let valid = output(scene.id, &json!({"type": "stdout", "text": "x".repeat(50)}));
        let bytes: Vec<u8> = if round % 2 == 0 {
            (0..1 + chance.next() % 2000).map(|_| chance.next().to_le_bytes()[0]).collect()
        } else {
            // Good messages, and one with a byte that is not.
            let mut bad = valid.clone();
            let at = usize::try_from(chance.next()).unwrap() % bad.len();
            bad[at] ^= 1 << (chance.next() % 8);
            [&valid[..], &valid, &bad, &[0xff; 12]].concat()
        };
        tokio::task::block_in_place(|| scene.liar.says(&bytes));
        scene.liar.hangs_up();
        scene.ends("the worker process").await;
    }
}

/// Bytes of memory that this process has in use.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_what_a_worker_may_say_is_cut_at_the_limits_of_the_cell() {
    let text = "x".repeat(64 << 10);
    let picture = json!({"type": "display", "data": {"image/png": "A".repeat(1 << 20)}, "id": null});
    let report = json!({"type": "error", "name": "E", "value": text, "traceback": []});
    let lost = json!({"type": "session_lost", "reason": "no", "recovery": {"how": "closed"}});
    for (flooded, megabytes) in
        [(json!({"type": "stdout", "text": text}), 300), (picture, 300), (report, 200), (lost, 20)]
    {
        let scene = Scene::new(Limits { soft_time: suite::HANG, ..limits() }).await;
        let (id, mut liar) = (scene.id, scene.liar);
        let before = memory();
        let flood = tokio::task::spawn_blocking(move || {
            let message = output(id, &flooded);
            let (mut said, mut peak) = (0, 0);
            while said < megabytes << 20 && liar.says(&message) {
                said += message.len();
                peak = peak.max(memory());
            }
            liar.says(&[0xff; 12]);
            (said >> 20, peak, liar)
        });
        let (said, peak, liar) = flood.await.unwrap();
        assert!(said >= megabytes, "it was killed after {said} MiB");
        let grown = peak.saturating_sub(before) >> 20;
        assert!(grown < 160, "{said} MiB that were said took {grown} MiB");
        let ran = suite::collect(scene.cell).await.unwrap();
        assert_eq!(ran.execution, Execution::Restarted);
        assert!(loss(&ran).is_some(), "{} outputs", ran.outputs.len());
        let kept: usize = ran.outputs.iter().map(|output| serde_json::to_string(output).unwrap().len()).sum();
        assert!(kept < 80 << 20, "{kept} bytes were kept");
        works(&scene.session).await;
        drop(liar);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_says_nothing_is_killed_in_its_time() {
    let scene = Scene::new(limits()).await;
    scene.ends("did not end the cell in its time").await;
}

/// The children of a process.
fn children(of: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Which process of a worker is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Launcher,
    /// The first process of the namespace, or the worker.
    Below(usize),
}

/// Kills the victim of the first worker that is not among the `old` ones, so long after it has appeared. Gives up once it is
/// `over`.
fn kill_as_it_starts(victim: Victim, old: &[u32], after: Duration, over: &AtomicBool) -> bool {
    let me = std::process::id();
    while !over.load(Ordering::Acquire) {
        let found = children(me).into_iter().filter(|pid| !old.contains(pid)).find_map(|launcher| match victim {
            Victim::Launcher => Some(launcher),
            Victim::Below(which) => children(launcher).get(which).copied(),
        });
        if let Some(pid) = found {
            std::thread::sleep(after);
            return kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).is_ok();
        }
    }
    false
}

/// Opens a session and runs a cell; gives what was told of a loss.
async fn attempt(worker: &Worker) -> Result<Option<String>, InterpreterError> {
    let session = worker.open().await?;
    let ran = suite::collect(session.execute(ExecuteRequest::new("6 * 7"))).await?;
    match ran.execution {
        Execution::Ok => assert_eq!(ran.result().as_deref(), Some("42"), "{:?}", ran.outputs),
        Execution::Restarted => works(&session).await,
        other => panic!("{other:?}: {:?}", ran.outputs),
    }
    Ok(loss(&ran))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_as_it_starts_is_an_error_or_told_and_the_next_session_works() {
    let _alone = alone().await;
    let worker = workers(limits());
    let mut told = 0;
    for victim in [Victim::Launcher, Victim::Below(0), Victim::Below(1)] {
        for micros in [0, 300, 1000, 3000, 10_000, 30_000] {
            let over = Arc::new(AtomicBool::new(false));
            let old = children(std::process::id());
            let killer = tokio::task::spawn_blocking({
                let over = Arc::clone(&over);
                move || kill_as_it_starts(victim, &old, Duration::from_micros(micros), &over)
            });
            let opened = tokio::time::timeout(suite::HANG, attempt(&worker)).await.expect("it hangs");
            over.store(true, Ordering::Release);
            let killed = killer.await.unwrap();
            match opened {
                Err(error) => {
                    assert!(killed, "nobody was killed: {error}");
                    println!("{victim:?} after {micros} µs: {error}");
                    told += 1;
                    let text = error.to_string();
                    assert!(text.contains("killed") || text.contains("signal: 9"), "{victim:?}: {text}");
                }
                Ok(Some(reason)) => {
                    println!("{victim:?} after {micros} µs: {reason}");
                    told += 1;
                    assert!(killed && reason.contains("signal: 9"), "{victim:?}: {reason}");
                }
                Ok(None) => println!("{victim:?} after {micros} µs: it went on"),
            }
            assert_eq!(attempt(&worker).await.unwrap(), None, "the next session is not as it should be");
        }
    }
    assert!(told > 5, "hardly any was killed in time");
}
