//! CPython in WebAssembly in a process of its own behaves as every backend does, and dies without harm.
//!
//! Needs what `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; its helpers are shared between test files"
)]

mod backends;
#[macro_use]
mod suite;

use std::sync::Arc;

use futures::StreamExt as _;
use glassbox_sandbox::{Backend, ExecuteRequest, Execution, Interpreter, Limits, Output, Recovery, Worker};

use backends::worker as backend;
use suite::{Ran, collect, prints, run, works};

fn worker(limits: Limits, sessions: usize) -> Worker {
    backends::built(Worker::builder().limits(limits).sessions_per_worker(sessions).build())
}

behaves!(backend);
behaves!(backend, cells as streams: [printed_lines_and_errors_keep_their_order]);

/// As `kill -9`.
fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Waits until the host has noticed.
async fn gone(worker: &Worker, pid: u32) {
    let noticed = async {
        while worker.pids().contains(&pid) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(suite::HANG, noticed).await.expect("nobody notices");
}

/// Kills the only worker between two cells.
async fn kill_and_wait(worker: &Worker) {
    let pid = worker.pids()[0];
    kill(pid);
    gone(worker, pid).await;
}

/// What a cell said of a lost session.
fn recovery(ran: &Ran) -> Recovery {
    let lost = ran.outputs.iter().find_map(|output| match output {
        Output::SessionLost { reason, recovery } => {
            assert!(reason.contains("signal: 9"), "{reason}");
            Some(*recovery)
        }
        _ => None,
    });
    lost.unwrap_or_else(|| panic!("no loss was told: {ran:?}"))
}

/// Starts a cell that never ends, and waits until it runs.
async fn loop_in(session: &Arc<dyn Interpreter>) -> glassbox_sandbox::OutputStream {
    let mut events = session.execute(ExecuteRequest::new("print('on', flush=True)\nwhile True: pass"));
    events.next().await.unwrap().unwrap();
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_a_cell_is_told_and_the_session_begins_anew() {
    let worker = worker(Limits::default(), 1);
    let session = worker.open().await.unwrap();
    run(&session, "x = 1").await;
    let events = loop_in(&session).await;
    kill(worker.pids()[0]);
    let ran = collect(events).await.unwrap();
    assert_eq!(ran.execution, Execution::Restarted);
    assert_eq!(recovery(&ran), Recovery::Restarted);
    assert!(run(&session, "x").await.error().unwrap().starts_with("NameError"));
    works(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_a_cell_gives_back_the_state_that_was_saved() {
    let worker = worker(Limits::default(), 1);
    let session = worker.open().await.unwrap();
    run(&session, "x = 1\nopen('f', 'w').write('kept')").await;
    session.snapshot().await.unwrap();
    kill_and_wait(&worker).await;
    let ran = run(&session, "print(x, open('f').read())\nx = 2").await;
    assert_eq!((ran.execution, ran.stdout().as_str()), (Execution::Ok, "1 kept\n"));
    assert_eq!(recovery(&ran), Recovery::Restored);
    run(&session, "x = 3").await;
    let events = loop_in(&session).await;
    kill(worker.pids()[0]);
    let ran = collect(events).await.unwrap();
    assert_eq!((ran.execution, recovery(&ran)), (Execution::Restarted, Recovery::RestoredEarlier { cells: 2 }));
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_between_cells_is_told_by_whatever_comes_next() {
    let worker = worker(Limits::default(), 1);
    let session = worker.open().await.unwrap();
    run(&session, "x = 1").await;
    session.put_file("f", b"1").await.unwrap();
    kill_and_wait(&worker).await;
    // What was not said to anybody yet must not look like an empty session.
    let listed = session.list_files().await;
    assert!(listed.as_ref().is_err_and(|error| error.to_string().contains("signal: 9")), "{listed:?}");
    let saved = session.snapshot().await.map(drop);
    assert!(saved.is_err_and(|error| error.to_string().contains("signal: 9")));
    let ran = run(&session, "6 * 7").await;
    assert_eq!((ran.execution, ran.result().as_deref()), (Execution::Ok, Some("42")));
    assert_eq!(recovery(&ran), Recovery::Restarted);
    assert_eq!(session.list_files().await.unwrap(), []);
    assert!(!run(&session, "1").await.lost());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_have_walls_between_them_or_share_a_worker() {
    let apart = worker(Limits::default(), 1);
    let (one, two) = (apart.open().await.unwrap(), apart.open().await.unwrap());
    assert_eq!(apart.pids().len(), 2);
    let first = apart.pids()[0];
    kill(first);
    gone(&apart, first).await;
    assert_eq!(u8::from(run(&one, "1").await.lost()) + u8::from(run(&two, "1").await.lost()), 1);

    let shared = worker(Limits::default(), 3);
    let sessions = futures::future::join_all((0..3).map(|_| shared.open())).await;
    let sessions: Vec<_> = sessions.into_iter().map(Result::unwrap).collect();
    let first = shared.open().await.unwrap();
    let cells = sessions.iter().enumerate().map(|(n, session)| {
        let source = format!("x = {n}\nimport time\ntime.sleep(0.1)\nprint(x)");
        async move { prints(session, &source).await }
    });
    assert_eq!(futures::future::join_all(cells).await, ["0\n", "1\n", "2\n"]);
    drop((sessions, first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_session_leaves_no_process() {
    let worker = worker(Limits::default(), 1);
    let session = worker.open().await.unwrap();
    works(&session).await;
    let pid = worker.pids()[0];
    session.close().await;
    let gone = async {
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(suite::HANG, gone).await.unwrap();
    assert!(worker.pids().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sees_nothing_of_the_host() {
    let worker = worker(Limits::default(), 1);
    let session = worker.open().await.unwrap();
    works(&session).await;
    let pid = worker.pids()[0];
    let proc = |name: &str| format!("/proc/{pid}/{name}");
    let namespace = |of: &str, kind: &str| std::fs::read_link(format!("/proc/{of}/ns/{kind}")).unwrap();
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts"] {
        assert_ne!(namespace(&pid.to_string(), kind), namespace("self", kind), "{kind}");
    }
    // Its root, seen from here: nothing to read but Python, nothing to execute, nobody's files.
    let root = std::fs::read_dir(proc("root")).unwrap();
    let mut names: Vec<_> = root.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["dev", "glassbox", "proc", "tmp"]);
    let home = std::env::home_dir().unwrap();
    for path in ["/etc/passwd", "/usr", "/bin/sh", &home.to_string_lossy()] {
        assert!(!std::path::Path::new(&format!("{}{path}", proc("root"))).exists(), "{path}");
    }
    let mounts = std::fs::read_to_string(proc("mountinfo")).unwrap();
    let writable = mounts.lines().filter(|line| line.split(' ').nth(5).unwrap().starts_with("rw,"));
    let writable: Vec<_> = writable.map(|line| line.split(' ').nth(4).unwrap()).collect();
    assert!(writable.iter().all(|path| ["/", "/proc", "/tmp"].contains(path) || path.starts_with("/dev/")), "{mounts}");
    let net = std::fs::read_to_string(proc("net/dev")).unwrap();
    assert_eq!(net.lines().skip(2).map(|line| line.split(':').next().unwrap().trim()).collect::<Vec<_>>(), ["lo"]);
    let status = std::fs::read_to_string(proc("status")).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    let limits = std::fs::read_to_string(proc("limits")).unwrap();
    let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert!(!data.contains("unlimited"), "{data}");
}
