//! How fast is the sandbox, what does a session cost, and how does it stand beside the other ways to run Python?
//!
//! `cargo bench --workspace --bench python` after `glassbox setup`. Both sides of a question run in turn in one
//! process, `GLASSBOX_BENCH_ROUNDS` rounds (default 20); the table shows medians. `GLASSBOX_BENCH_PYTHON` names the
//! Python that stands for the other side (default `python3`); what it has installed of `pydantic_monty` and `smolagents`
//! is measured too. The start of whole processes needs the `glassbox` command of the same build
//! (`cargo build --release --locked`), or one that `GLASSBOX_BENCH_COMMAND` names.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark ends at once where it cannot run"
)]

mod suite;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox_bench::{alone, begin, missing, ms, only_asked, rounds, row};
use glassbox_sandbox::wasm::{Image, Sandbox};
use glassbox_sandbox::{Backend, CellEvent, ExecuteRequest, Execution, HostTools, Interpreter, Limits, Output};
use glassbox_tools::{AutoApprover, Gate, Limits as GateLimits, Registry, builtin, tools};

/// Runs a cell, and gives what it printed.
async fn run(session: &Arc<dyn Interpreter>, request: ExecuteRequest) -> String {
    let mut events = session.execute(request);
    let mut printed = String::new();
    while let Some(event) = events.next().await {
        match event.expect("the interpreter works") {
            CellEvent::Output { output: Output::Stdout { text } } => printed.push_str(&text),
            CellEvent::Finished { execution, .. } => assert_eq!(execution, Execution::Ok, "{printed}"),
            CellEvent::Output { .. } => {}
        }
    }
    printed
}

async fn cell(session: &Arc<dyn Interpreter>, source: &str) -> String {
    run(session, ExecuteRequest::new(source)).await
}

/// The median of `rounds` times in milliseconds, after one that is not counted.
async fn median(rounds: usize, mut once: impl AsyncFnMut() -> Duration) -> f64 {
    once().await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(ms(once().await));
    }
    glassbox_bench::median(&mut times)
}

fn sandbox(image: Image) -> Sandbox {
    let limits = Limits { memory: 1 << 30, soft_time: Duration::from_secs(300), ..Limits::default() };
    let built = Sandbox::builder().image(image).limits(limits).build();
    built.unwrap_or_else(|error| panic!("{error}; {}", error.hint().unwrap_or_default()))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if only_asked() {
        return;
    }
    let rounds = rounds(20);
    let python = std::env::var("GLASSBOX_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    begin(&format!("the sandbox, medians of {rounds} rounds"));
    starts(&python, rounds);
    let start = Instant::now();
    let bare = sandbox(Image::Bare);
    cell(&bare.open().await.unwrap(), "1 + 1").await;
    alone("engine, compiled code, session, first cell, from nothing, ms", ms(start.elapsed()));
    sessions(&bare, "bare", "x = 41", rounds).await;
    let scientific = sandbox(Image::Scientific);
    sessions(&scientific, "scientific", "import numpy, pandas, matplotlib.pyplot, sympy", rounds).await;
    let plot = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('x')";
    let session = scientific.open().await.unwrap();
    alone("a plot as PNG, scientific, ms", median(rounds.min(5), async || timed(&session, plot).await).await);
    tool_call(&bare, rounds).await;
    memory(&bare, "bare").await;
    memory(&scientific, "scientific").await;
    computing(&bare, &python).await;
    peers(&bare, &python, rounds).await;
}

/// Whole processes, in turn: from start to end, with `1 + 1` in between.
fn starts(python: &str, rounds: usize) {
    let beside = || std::env::current_exe().ok()?.parent()?.parent().map(|folder| folder.join("glassbox"));
    let command = std::env::var_os("GLASSBOX_BENCH_COMMAND").map(std::path::PathBuf::from).or_else(beside);
    let Some(command) = command.filter(|command| command.is_file()) else {
        missing("glassbox exec -c 1+1, whole process, ms", None);
        return;
    };
    let ends = |program: &mut Command| {
        let start = Instant::now();
        assert!(program.output().expect("the program starts").status.success());
        ms(start.elapsed())
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        ours.push(ends(Command::new(&command).args(["exec", "-c", "1 + 1"])));
        theirs.push(ends(Command::new(python).args(["-c", "1 + 1"])));
    }
    let [ours, theirs] = [ours, theirs].map(|mut times| glassbox_bench::median(&mut times));
    row(&format!("glassbox exec -c 1+1, whole process, ms | {python}"), ours, theirs);
}

async fn timed(session: &Arc<dyn Interpreter>, source: &str) -> Duration {
    let start = Instant::now();
    cell(session, source).await;
    start.elapsed()
}

async fn sessions(sandbox: &Sandbox, name: &str, first: &str, rounds: usize) {
    let open = median(rounds, async || {
        let start = Instant::now();
        let session = sandbox.open().await.unwrap();
        let took = start.elapsed();
        drop(session);
        took
    })
    .await;
    alone(&format!("open a session, {name}, ms"), open);
    let cold = median(rounds, async || {
        let session = sandbox.open().await.unwrap();
        timed(&session, first).await
    })
    .await;
    alone(&format!("its first cell, {name}, ms"), cold);
    let session = sandbox.open().await.unwrap();
    cell(&session, first).await;
    let further = median(rounds * 5, async || timed(&session, "y = 1").await).await;
    alone(&format!("a further cell, {name}, ms"), further);
    cell(&session, "data = list(range(50_000))").await;
    let saved = session.snapshot().await.unwrap();
    alone(&format!("a snapshot's size, {name}, MiB"), saved.data.len() as f64 / 1048576.0);
    let time = async |what: &str, once: &mut dyn FnMut() -> futures::future::BoxFuture<'static, ()>| {
        let took = median(rounds, async || {
            let start = Instant::now();
            once().await;
            start.elapsed()
        })
        .await;
        alone(&format!("{what}, {name}, ms"), took);
    };
    let of = |session: &Arc<dyn Interpreter>| Arc::clone(session);
    time("snapshot", &mut || {
        let session = of(&session);
        Box::pin(async move { drop(session.snapshot().await.unwrap()) })
    })
    .await;
    time("restore", &mut || {
        let (session, saved) = (of(&session), saved.clone());
        Box::pin(async move { session.restore(&saved).await.unwrap() })
    })
    .await;
    time("fork", &mut || {
        let session = of(&session);
        Box::pin(async move { drop(session.fork().await.unwrap()) })
    })
    .await;
}

async fn tool_call(sandbox: &Sandbox, rounds: usize) {
    let registry = Registry::of(tools![builtin::calculator]).unwrap();
    let gate = Gate::new(registry, Arc::new(AutoApprover), GateLimits::default());
    let session = sandbox.open().await.unwrap();
    let calls = async |source: &str| {
        let tools = HostTools::new(gate.clone(), Arc::new(()), "call-1").unwrap();
        let start = Instant::now();
        run(&session, ExecuteRequest::new(source).with_tools(tools)).await;
        start.elapsed()
    };
    let many = median(rounds, async || calls("for _ in range(500): calculator(expression='1+1')").await).await;
    let none = median(rounds, async || calls("for _ in range(500): pass").await).await;
    alone("a tool call from code, through the gate, µs", (many - none).max(0.0) / 500.0 * 1e3);
    let raw = "from glassbox_guest import door\nfor _ in range(500): door(b'{}')";
    let many = median(rounds, async || timed(&session, raw).await).await;
    alone("a bare call of the door, µs", (many - none).max(0.0) / 500.0 * 1e3);
}

fn kib(key: &str) -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let lines = rollup.lines().filter(|line| line.starts_with(key));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

async fn memory(sandbox: &Sandbox, name: &str) {
    let (rss, private) = (kib("Rss:"), kib("Private_Dirty:"));
    let mut kept = Vec::new();
    for wanted in [1_usize, 10, 100] {
        while kept.len() < wanted {
            let session = sandbox.open().await.unwrap();
            cell(&session, "x = 1 + 1").await;
            kept.push(session);
        }
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / 1024.0 / wanted as f64;
        let question = format!("memory of each of {wanted} idle sessions, {name}");
        alone(&format!("{question}, MiB"), each(kib("Rss:"), rss));
        alone(&format!("{question}, private, MiB"), each(kib("Private_Dirty:"), private));
    }
}

/// The same programs here and in a native Python, item by item.
async fn computing(sandbox: &Sandbox, python: &str) {
    let session = sandbox.open().await.unwrap();
    let ours = suite::read(&cell(&session, suite::SOURCE).await);
    let native = Command::new(python).args(["-c", suite::SOURCE]).output().expect("python runs");
    let theirs = suite::read(&String::from_utf8_lossy(&native.stdout));
    let mut product = 1.0_f64;
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        product *= ours / theirs;
        row(&format!("computing, {name}, ms | {python}"), *ours, *theirs);
    }
    let mean = product.powf(1.0 / ours.len().max(1) as f64);
    alone(&format!("computing, geometric mean of the ratios to {python}"), mean);
}

/// Others that run Python without trusting it, where they are installed: a new session and `1 + 1` in it.
async fn peers(sandbox: &Sandbox, python: &str, rounds: usize) {
    let fresh = median(rounds, async || {
        let start = Instant::now();
        let session = sandbox.open().await.unwrap();
        cell(&session, "1 + 1").await;
        start.elapsed()
    })
    .await;
    for (name, source) in suite::PEERS {
        let program = format!(
            "{source}\nimport time, statistics\nonce()\ntimes = []\nfor _ in range({rounds}):\n    start = time.perf_counter()\n    once()\n    times.append(time.perf_counter() - start)\nprint(statistics.median(times))"
        );
        let output = Command::new(python).args(["-c", &program]).output().expect("python runs");
        let question = format!("new session and 1+1 in it, ms | {name}");
        match String::from_utf8_lossy(&output.stdout).trim().parse::<f64>() {
            Ok(seconds) => row(&question, fresh, seconds * 1e3),
            Err(_) => missing(&question, Some(fresh)),
        }
    }
}
