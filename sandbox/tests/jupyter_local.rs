//! What is particular to kernels of this machine: their start, their death, and what they leave behind.

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

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::jupyter::{Isolation, Jupyter, JupyterBuilder};
use glassbox_sandbox::{Backend, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, Output, Recovery};
use suite::{collect, prints, run, works};

fn builder() -> JupyterBuilder {
    backends::kernel(Isolation::Unsandboxed)
}

async fn open() -> Arc<dyn Interpreter> {
    builder().build().unwrap().open().await.unwrap()
}

/// A data folder with one kernel `odd` whose command is this.
fn odd(argv: &[&str]) -> (tempfile::TempDir, Jupyter) {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("kernels/odd");
    std::fs::create_dir_all(&kernel).unwrap();
    let spec = serde_json::json!({"argv": argv, "display_name": "Odd", "language": "odd"});
    std::fs::write(kernel.join("kernel.json"), spec.to_string()).unwrap();
    let builder = Jupyter::builder().kernel("odd").data_folder(folder.path()).isolation(Isolation::Unsandboxed);
    let jupyter = builder.start_time(Duration::from_secs(2)).build().unwrap();
    (folder, jupyter)
}

async fn refused(jupyter: &Jupyter) -> InterpreterError {
    let started = Instant::now();
    let error = jupyter.open().await.err().expect("it opened");
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    error
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let (_folder, jupyter) = odd(&["/no/such/program", "{connection_file}"]);
    let error = refused(&jupyter).await.to_string();
    assert!(error.contains("`/no/such/program` of the kernel `odd`"), "{error}");
}

#[tokio::test]
async fn a_kernel_that_ends_at_once_is_told_with_its_last_words() {
    let (_folder, jupyter) = odd(&["sh", "-c", "echo no module named x >&2; exit 3", "{connection_file}"]);
    let error = refused(&jupyter).await.to_string();
    assert!(error.contains("exit status: 3") && error.contains("no module named x"), "{error}");
}

#[tokio::test]
async fn a_kernel_that_never_binds_is_given_up_and_killed() {
    let marker = format!("86400.{}", std::process::id());
    let (_folder, jupyter) = odd(&["sh", "-c", &format!("sleep {marker} & sleep {marker}"), "{connection_file}"]);
    let error = refused(&jupyter).await.to_string();
    assert!(error.contains("did not answer within 2s"), "{error}");
    assert!(gone(&marker).await, "its processes are left");
}

#[tokio::test]
async fn a_kernel_that_speaks_no_zeromq_is_given_up() {
    // Binds every socket, and answers each connection with something else.
    let source = "import json, socket, sys, threading\n\
        c = json.load(open(sys.argv[1]))\n\
        def serve(n):\n\
        \x20   s = socket.socket(socket.AF_UNIX); s.bind(f\"{c['ip']}-{n}\"); s.listen()\n\
        \x20   while True: a = s.accept()[0]; a.sendall(b'SSH-2.0-OpenSSH' + bytes(200))\n\
        for n in (1, 2, 3, 4, 5): threading.Thread(target=serve, args=(n,)).start()";
    let (_folder, jupyter) = odd(&["python3", "-c", source, "{connection_file}"]);
    let error = refused(&jupyter).await.to_string();
    assert!(error.contains("its iopub socket: no ZMTP 3 greeting"), "{error}");
}

#[tokio::test]
async fn a_kernel_is_kept_in_or_refused_and_never_runs_in_the_open_by_default() {
    let jupyter = Jupyter::builder().environment(backends::environment()).kernel("python3").build().unwrap();
    assert!(jupyter.capabilities().isolated);
    match jupyter.open().await {
        Err(InterpreterError::NotIsolated { problem }) => assert!(!problem.is_empty()),
        Err(other) => panic!("{other}"),
        Ok(session) => {
            let source = format!("import os; print(os.path.exists({:?}))", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(prints(&session, &source).await, "False\n");
        }
    }
}

/// Whether no process has `marker` in its command line, within a while.
async fn gone(marker: &str) -> bool {
    let running = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        commands.any(|command| String::from_utf8_lossy(&command).contains(marker))
    };
    for _ in 0..500 {
        if !running() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// The session's folder, as its kernel sees it.
async fn folder(session: &Arc<dyn Interpreter>) -> String {
    let data = prints(session, "import os; print(os.getcwd(), end='')").await;
    Path::new(&data).parent().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_or_dropped_session_leaves_neither_process_nor_folder() {
    for close in [true, false] {
        let session = open().await;
        let folder = folder(&session).await;
        prints(&session, "import subprocess; subprocess.Popen(['sleep', '86399'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL); None").await;
        if close {
            session.close().await;
        }
        drop(session);
        assert!(gone(&folder).await, "the kernel is left");
        for _ in 0..500 {
            if !Path::new(&folder).exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!Path::new(&folder).exists(), "{folder} is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_killed_in_a_cell_is_told_and_its_cells_are_run_again() {
    let session = open().await;
    run(&session, "x = 1").await;
    run(&session, "y = x + 1").await;
    run(&session, "1 / 0").await;
    let started = Instant::now();
    // ipykernel sends output from a thread of its own: a kernel that is killed before that thread ran has said nothing.
    let source =
        "print('last words', flush=True)\nimport os, signal, time\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)";
    let ran = run(&session, source).await;
    assert_eq!(ran.execution, Execution::Restarted);
    assert_eq!(ran.stdout(), "last words\n");
    let Some(Output::SessionLost { reason, recovery }) = ran.outputs.last() else { panic!("{:?}", ran.outputs) };
    assert!(reason.contains("signal: 9"), "{reason}");
    assert_eq!(*recovery, Recovery::Replayed { cells: 2 });
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(prints(&session, "print(x, y)").await, "1 2\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_killed_between_cells_is_told_in_the_next() {
    let session = open().await;
    run(&session, "x = 1").await;
    let pid: i32 = prints(&session, "import os; print(os.getpid(), end='')").await.parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let ran = run(&session, "print(x)").await;
    assert_eq!((ran.execution, ran.stdout().as_str()), (Execution::Ok, "1\n"), "{:?}", ran.outputs);
    assert!(matches!(ran.outputs.first(), Some(Output::SessionLost { .. })), "{:?}", ran.outputs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_ends_the_kernel_and_not_the_session() {
    let session = open().await;
    run(&session, "x = 1").await;
    let ran = run(&session, "exit()").await;
    assert_eq!(ran.execution, Execution::Restarted, "{:?}", ran.outputs);
    let Some(Output::SessionLost { reason, .. }) = ran.outputs.last() else { panic!("{:?}", ran.outputs) };
    assert!(reason.contains("`exit()`"), "{reason}");
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_whose_sockets_the_program_closes_is_lost_and_recovered() {
    let session = open().await;
    let ran = run(&session, "import os\nfor n in range(3, 200):\n    try: os.close(n)\n    except OSError: pass").await;
    assert_eq!(ran.execution, Execution::Restarted, "{:?}", ran.outputs);
    works(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kernels_at_once_keep_apart() {
    let jupyter = builder().build().unwrap();
    let sessions = futures::future::join_all((0..5).map(|_| jupyter.open())).await;
    let sessions: Vec<_> = sessions.into_iter().map(Result::unwrap).collect();
    let cells = sessions.iter().enumerate().map(|(n, session)| async move {
        run(session, &format!("n = {n}")).await;
        prints(session, "import time; time.sleep(0.05); print(n)").await
    });
    assert_eq!(futures::future::join_all(cells).await, ["0\n", "1\n", "2\n", "3\n", "4\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_of_output_keep_one_and_count_the_rest() {
    let session = open().await;
    let ran = run(&session, "print('x' * 50_000_000)").await;
    assert_eq!((ran.execution, ran.stdout().len()), (Execution::Ok, 1 << 20));
    let dropped = Output::Truncated { stream: "stdout".into(), bytes: 50_000_001 - (1 << 20) };
    assert_eq!(ran.outputs.last(), Some(&dropped));
    // One message too large to keep at all.
    let ran = run(&session, "print('x' * 100_000_000)").await;
    assert!(
        ran.outputs.iter().any(|o| matches!(o, Output::Truncated { bytes, .. } if *bytes > 90_000_000)),
        "{:?}",
        ran.execution
    );
    works(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_none_and_comms_are_passed_over() {
    let session = open().await;
    let source = "from comm import create_comm\ncreate_comm(target_name='t', data={'a': 1}).send({'b': 2})\n\
        k = get_ipython().kernel\n\
        k.session.send(k.iopub_socket, 'no_such_type', content={'x': 1}, parent=k.get_parent())\n\
        k.session.send(k.iopub_socket, 'stream', content={'odd': []}, parent=k.get_parent())\n\
        k.iopub_socket.send_multipart([b'no message'])\n\
        k.session.send(k.iopub_socket, 'display_data', content={'data': 3}, parent=k.get_parent())\n\
        print('through')";
    let ran = run(&session, source).await;
    assert_eq!((ran.execution, ran.stdout().as_str()), (Execution::Ok, "through\n"), "{:?}", ran.outputs);
    works(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_figure_is_shown_as_a_picture_and_a_table_in_its_forms() {
    let session = open().await;
    let ran = run(&session, "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()").await;
    let pictures: Vec<_> = ran
        .outputs
        .iter()
        .filter_map(|output| if let Output::Display { data, .. } = output { data.0.get("image/png") } else { None })
        .collect();
    assert_eq!(pictures.len(), 1, "{:?}", ran.outputs);
    assert!(pictures[0].as_str().unwrap().starts_with("iVBORw0KGgo"));
    let ran = run(&session, "import pandas as pd\npd.DataFrame({'a': [1]})").await;
    let Some(Output::Result { data }) = ran.outputs.last() else { panic!("{:?}", ran.outputs) };
    assert!(data.0.contains_key("text/html") && data.plain().unwrap().contains('a'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_python_is_left_alone() {
    let session = open().await;
    let folder = folder(&session).await;
    let source = "import os, matplotlib\nfrom IPython.paths import get_ipython_dir\n\
        print(os.environ['HOME'], get_ipython_dir(), matplotlib.get_configdir(), get_ipython().history_manager.enabled, sep='\\n')";
    let said = prints(&session, source).await;
    let lines: Vec<&str> = said.lines().collect();
    let [home, ipython, matplotlib, history] = lines[..] else { panic!("{said}") };
    assert!([home, ipython, matplotlib].iter().all(|path| path.starts_with(&folder)), "{said}");
    assert_eq!(history, "False");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_that_takes_too_long_to_run_again_is_given_up_and_said() {
    let limits = Limits { soft_time: Duration::from_secs(6), ..Limits::default() };
    let session = builder().limits(limits).build().unwrap().open().await.unwrap();
    for _ in 0..2 {
        run(&session, "x = 1; import time; time.sleep(3.5)").await;
    }
    let ran = collect(session.execute(ExecuteRequest::new("import os; os._exit(7)"))).await.unwrap();
    let Some(Output::SessionLost { reason, recovery }) = ran.outputs.last() else { panic!("{:?}", ran.outputs) };
    assert!(reason.contains("exit status: 7"), "{reason}");
    assert_eq!(*recovery, Recovery::Restarted);
    works(&session).await;
}
