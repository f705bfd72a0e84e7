//! What is left of a host that is killed (`kill -9`) while its sessions work: no process, and folders that the next
//! start takes away. With a real ipykernel, and with what `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "jupyter", target_os = "linux"))]
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

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use glassbox_sandbox::{ExecuteRequest, Limits};

/// Set for the process that is to be killed: what its sessions do.
const ROLE: &str = "GLASSBOX_TEST_HOST";

/// Waits until `holds`, with a bound.
fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < suite::HANG, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The host that is killed: no test of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests of this file"]
async fn host() {
    let busy = match std::env::var(ROLE).as_deref() {
        Ok("busy") => true,
        Ok("idle") => false,
        other => panic!("{ROLE} is {other:?}"),
    };
    let limits = Limits::default();
    let all = [
        backends::kept_kernel(limits).await,
        backends::free_kernel(limits).await,
        backends::worker(limits).await,
        backends::wasm(limits).await,
    ];
    let mut sessions = Vec::new();
    let mut cells = Vec::new();
    for backend in &all {
        let session = backend.open().await.unwrap();
        suite::prints(&session, "open('left.txt', 'w').write('left')\nNone").await;
        if busy {
            let mut cell = session.execute(ExecuteRequest::new("print('on', flush=True)\nwhile True: pass"));
            cell.next().await.unwrap().unwrap();
            cells.push(cell);
        }
        sessions.push(session);
    }
    println!("\nup");
    std::io::stdout().flush().unwrap();
    std::future::pending::<()>().await;
}

/// Starts it with its temporary files in `temp`, and waits until its sessions are there.
fn start(temp: &Path, role: &str) -> Child {
    backends::environment();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "host", "--nocapture", "--test-threads", "1"])
        .env(ROLE, role)
        .env("TMPDIR", temp)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "up"), "the host ended: {:?}", child.wait());
    child
}

/// The parent of a process and when it started, which tells it from a later one of the same number. None where it is
/// gone, or waits only for whoever looks after orphans.
fn stat(pid: u32) -> Option<(u32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (!matches!(fields[0], "Z" | "X")).then(|| (fields[1].parse().unwrap(), fields[19].to_owned()))
}

/// All processes below `root`, and when they started.
fn below(root: u32) -> BTreeMap<u32, String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<(u32, (u32, String))> = all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect();
    let mut found = BTreeMap::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (pid, (_, started)) in all.iter().filter(|(_, (of, _))| *of == parent) {
            found.insert(*pid, started.clone());
            parents.push(*pid);
        }
    }
    found
}

/// The folders of sessions in `temp`.
fn folders(temp: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(temp).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("glassbox-session-")).collect()
}

/// As `kill -9`; nothing it started may be there afterwards.
fn kill(mut host: Child) {
    let started = below(host.id());
    // The kernel behind walls and its launcher, the free one, the worker and its launcher.
    assert!(started.len() >= 4, "{started:?}");
    host.kill().unwrap();
    host.wait().unwrap();
    let left = || -> Vec<(u32, String)> {
        let there = started.iter().filter(|(pid, since)| stat(**pid).is_some_and(|(_, found)| found == **since));
        there
            .map(|(pid, _)| (*pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()))
            .collect()
    };
    let start = Instant::now();
    while !left().is_empty() {
        assert!(start.elapsed() < suite::HANG, "these are left: {:?}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn killed_while(role: &str) {
    // Short, for the sockets of kernels.
    let temp = tempfile::Builder::new().prefix("gb").tempdir_in("/tmp").unwrap();
    kill(start(temp.path(), role));
    let left = folders(temp.path());
    assert_eq!(left.len(), 3, "a folder each, and the worker's is gone with it: {left:?}");
    // Young ones are spared: they may be of a process that has not locked them yet.
    for folder in &left {
        File::open(folder).unwrap().set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();
    }
    let next = start(temp.path(), "idle");
    until("folders of a killed host are left", || left.iter().all(|folder| !folder.exists()));
    assert_eq!(folders(temp.path()).len(), 3, "the next host's own");
    kill(next);
}

#[test]
fn a_host_killed_between_cells_leaves_no_process_and_its_folders_are_swept() {
    killed_while("idle");
}

#[test]
fn a_host_killed_while_its_cells_run_leaves_no_process_and_its_folders_are_swept() {
    killed_while("busy");
}
