//! Kernels behind a real `jupyter_server`.

#![cfg(feature = "jupyter")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test may panic; its helpers are shared between test files"
)]

mod backends;
#[macro_use]
mod suite;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox_sandbox::jupyter::Jupyter;
use glassbox_sandbox::{Backend, CellEvent, ExecuteRequest, Execution, InterpreterError, Limits, Output, Recovery};
use suite::{prints, run, works};

const TOKEN: &str = "a-token-of-these-tests";

/// A server of these tests.
struct Server {
    url: String,
    child: Child,
    _root: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        let files = root.path().join("files");
        std::fs::create_dir_all(&files).unwrap();
        let bin = backends::environment().join("bin");
        // Stops itself when the test process is gone: a static is never dropped.
        let watch = format!(
            "import os, threading, time\nparent = {}\ndef watch():\n    while os.getppid() == parent: time.sleep(0.5)\n    os._exit(0)\n\
             threading.Thread(target=watch, daemon=True).start()\nfrom jupyter_server.serverapp import main\nmain()",
            std::process::id()
        );
        let mut child = Command::new(bin.join("python"))
            .args(["-c", &watch, "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"])
            .arg(format!("--ServerApp.root_dir={}", files.display()))
            .arg("--FileContentsManager.delete_to_trash=False")
            .arg(format!("--IdentityProvider.token={TOKEN}"))
            .env("HOME", &home)
            .env("JUPYTER_RUNTIME_DIR", root.path().join("run"))
            .env("MPLBACKEND", "module://matplotlib_inline.backend_inline")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("http://127.0.0.1:")).unwrap();
        let url = line[line.find("http://").unwrap()..].split(['?', '\'']).next().unwrap().trim().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        // It names its address a moment before it listens there.
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
        }
        Self { url, child, _root: root }
    }
}

fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    let url = tokio::task::spawn_blocking(|| shared().url.clone()).await.unwrap();
    Arc::new(Jupyter::remote(url, Some(TOKEN.into())).kernel("python3").limits(limits).connect().await.unwrap())
}

behaves!(backend, but_for_links);

/// A gateway has kernels and no files. Its address, with `?token=…` where it wants one, is in `GLASSBOX_TEST_GATEWAY`.
async fn gateway(limits: Limits) -> Arc<dyn Backend> {
    let url = std::env::var("GLASSBOX_TEST_GATEWAY").expect("GLASSBOX_TEST_GATEWAY");
    Arc::new(Jupyter::remote(url, None).kernel("python3").limits(limits).without_files().connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Jupyter Enterprise Gateway"]
async fn kernels_behind_a_gateway_without_files_behave() {
    use suite::{cells, ends};
    cells::outputs_come_in_the_order_in_which_they_were_made(gateway).await;
    cells::outputs_come_while_the_cell_runs(gateway).await;
    cells::variables_stay_from_cell_to_cell(gateway).await;
    cells::an_exception_has_its_name_its_message_and_the_line_of_the_cell(gateway).await;
    cells::values_show_themselves_in_their_own_forms(gateway).await;
    cells::output_past_the_limit_is_counted(gateway).await;
    cells::leaving_a_program_is_no_end_of_the_session(gateway).await;
    cells::input_is_answered(gateway).await;
    ends::a_loop_is_interrupted_at_the_time_limit(gateway).await;
    ends::what_does_not_heed_an_interrupt_is_killed(gateway).await;
    ends::a_cancelled_cell_ends(gateway).await;
    ends::a_dropped_stream_ends_the_cell(gateway).await;
    ends::a_closed_session_says_so(gateway).await;
    let session = gateway(Limits::default()).await.open().await.unwrap();
    assert!(matches!(session.put_file("a", b"a").await, Err(InterpreterError::Unsupported { .. })));
    run(&session, "x = 1").await;
    let ran = run(&session, "import os; os._exit(9)").await;
    assert_eq!(ran.execution, Execution::Restarted);
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_a_wrong_kernel_and_a_wrong_address_are_told() {
    let right = backend(Limits::default()).await;
    works(&right.open().await.unwrap()).await;
    let url = &shared().url;
    let wrong = Jupyter::remote(url, Some("wrong".into())).connect().await.unwrap_err();
    assert!(wrong.to_string().contains("refuses the token"), "{wrong}");
    let wrong = Jupyter::remote(url, Some(TOKEN.into())).kernel("ir").connect().await.unwrap_err();
    assert!(wrong.to_string().contains("no kernel `ir`; it has: python3"), "{wrong}");
    let wrong = Jupyter::remote("http://127.0.0.1:9", None).connect().await.unwrap_err();
    assert!(wrong.to_string().contains("cannot be reached"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_that_dies_on_the_server_is_told_and_its_cells_are_run_again() {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "x = 1").await;
    let ran = run(&session, "import os; os._exit(9)").await;
    assert_eq!(ran.execution, Execution::Restarted);
    let Some(Output::SessionLost { reason, recovery }) = ran.outputs.last() else { panic!("{:?}", ran.outputs) };
    assert!(reason.contains("the kernel died"), "{reason}");
    assert_eq!(*recovery, Recovery::Replayed { cells: 1 });
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_is_told_and_nothing_hangs() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let remote = Jupyter::remote(&server.url, Some(TOKEN.into())).kernel("python3").connect().await.unwrap();
    let session = remote.open().await.unwrap();
    works(&session).await;
    drop(server);
    let ended = suite::collect(session.execute(ExecuteRequest::new("1"))).await;
    assert!(
        matches!(&ended, Err(InterpreterError::Backend { problem }) if problem.contains("cannot be reached")),
        "{ended:?}"
    );
}

/// Carries connections to the server until it is told to cut them; new ones are carried again.
async fn cuttable(to: SocketAddr) -> (SocketAddr, tokio::sync::broadcast::Sender<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, _) = tokio::sync::broadcast::channel(1);
    let cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut one, _)) = listener.accept().await {
            let mut cut = cuts.subscribe();
            tokio::spawn(async move {
                let Ok(mut other) = tokio::net::TcpStream::connect(to).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut one, &mut other) => {}
                    _ = cut.recv() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_in_a_cell_is_made_again_and_no_output_is_lost() {
    drop(backend(Limits::default()).await);
    let to = shared().url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let (through, cut) = cuttable(to).await;
    let url = format!("http://{through}");
    let remote = Jupyter::remote(url, Some(TOKEN.into())).kernel("python3").connect().await.unwrap();
    let session = remote.open().await.unwrap();
    run(&session, "x = 1").await;
    let source = "import time\nprint('before', flush=True)\ntime.sleep(1)\nprint('after')\nx + 1";
    let mut cell = session.execute(ExecuteRequest::new(source));
    let first = cell.next().await.unwrap().unwrap();
    assert_eq!(first, CellEvent::Output { output: Output::Stdout { text: "before\n".into() } });
    cut.send(()).unwrap();
    let ran = suite::collect(cell).await.unwrap();
    assert_eq!((ran.execution, ran.stdout().as_str(), ran.result().as_deref()), (Execution::Ok, "after\n", Some("2")));
    works(&session).await;
}
