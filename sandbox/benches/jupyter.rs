//! What does a Jupyter kernel cost through Glassbox, against Python's own jupyter_client?
//!
//! `cargo bench --workspace --bench jupyter`. Both sides start real kernels over Unix sockets, in turn, several
//! rounds (`GLASSBOX_BENCH_ROUNDS`, default 5); the table shows medians and their ratio. Needs the
//! environment of `scripts/jupyter`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark ends at once where it cannot run"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox_bench::{alone, begin, median, only_asked, rounds, row};
use glassbox_sandbox::jupyter::{Isolation, Jupyter};
use glassbox_sandbox::{Backend, CellEvent, ExecuteRequest, Execution, Interpreter};

/// Warm cells of a round.
const CELLS: usize = 20;

type Figures = BTreeMap<String, f64>;

fn main() {
    if only_asked() {
        return;
    }
    let rounds = rounds(5);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let venv = root.join(".setup/jupyter").canonicalize().expect("type `scripts/jupyter` first");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(runtime.block_on(glassbox(&venv)));
        theirs.push(jupyter_client(&venv));
    }
    begin(&format!("unsandboxed ipykernel over IPC, against jupyter_client, medians of {rounds} rounds"));
    let questions = [
        ("ready", "a new kernel answers"),
        ("first", "first cell"),
        ("warm", "warm cell"),
        ("interrupt", "interrupt to the end of the cell"),
        ("restart", "restart"),
        ("recovery", "kill -9 to a kernel with the state"),
    ];
    for (key, question) in questions {
        let question = format!("{question}, ms | jupyter_client");
        match (middle(&ours, key), middle(&theirs, key)) {
            (Some(one), Some(other)) => row(&question, one, other),
            (Some(one), None) => alone(&question, one),
            _ => {}
        }
    }
}

fn middle(rounds: &[Figures], key: &str) -> Option<f64> {
    let mut all: Vec<f64> = rounds.iter().filter_map(|round| round.get(key).copied()).collect();
    (!all.is_empty()).then(|| median(&mut all))
}

fn jupyter_client(venv: &Path) -> Figures {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/jupyter_side.py");
    let output = Command::new(venv.join("bin/python"))
        .arg(script)
        .arg(CELLS.to_string())
        .env("OPENBLAS_NUM_THREADS", "1")
        .output()
        .expect("the environment's Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn glassbox(venv: &PathBuf) -> Figures {
    let builder = Jupyter::builder().kernel("python3").environment(venv).isolation(Isolation::Unsandboxed);
    let jupyter = builder.build().unwrap();
    let mut figures = Figures::new();
    let started = Instant::now();
    let session = jupyter.open().await.unwrap();
    note(&mut figures, "ready", started);
    let started = Instant::now();
    run(&session, "x = 41").await;
    note(&mut figures, "first", started);
    let mut warm = Vec::new();
    for _ in 0..CELLS {
        let mut figure = Figures::new();
        let started = Instant::now();
        run(&session, "x + 1").await;
        note(&mut figure, "warm", started);
        warm.push(figure);
    }
    figures.insert("warm".to_owned(), middle(&warm, "warm").unwrap());
    run(&session, "1 / 0").await;

    let mut cell = session.execute(ExecuteRequest::new("print('on', flush=True)\nwhile True: int()"));
    cell.next().await;
    // Until the program is in its loop.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    session.interrupt().await.unwrap();
    while cell.next().await.is_some() {}
    note(&mut figures, "interrupt", started);

    let started = Instant::now();
    session.restart().await.unwrap();
    note(&mut figures, "restart", started);
    run(&session, "x = 1").await;
    let started = Instant::now();
    let ended = run(&session, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)").await;
    assert_eq!(ended, Some(Execution::Restarted));
    note(&mut figures, "recovery", started);
    session.close().await;
    figures
}

fn note(figures: &mut Figures, key: &str, started: Instant) {
    figures.insert(key.to_owned(), started.elapsed().as_secs_f64() * 1e3);
}

async fn run(session: &Arc<dyn Interpreter>, source: &str) -> Option<Execution> {
    let mut cell = session.execute(ExecuteRequest::new(source));
    let mut end = None;
    while let Some(event) = cell.next().await {
        if let CellEvent::Finished { execution, .. } = event.unwrap() {
            end = Some(execution);
        }
    }
    end
}
