//! Jupyter kernels whose namespaces and root `bwrap` makes, with a real ipykernel in the environment that
//! `scripts/jupyter` makes. `scripts/setup` installs bwrap.

#![cfg(all(feature = "jupyter", target_os = "linux"))]
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

#[macro_use]
mod attacks;
mod backends;
#[macro_use]
mod suite;

use std::process::Command;
use std::sync::Arc;

use glassbox_sandbox::jupyter::Isolation;
use glassbox_sandbox::{Backend, Interpreter, InterpreterError, Limits};
use suite::{prints, run};

async fn backend(limits: Limits) -> Arc<dyn Backend> {
    Arc::new(backends::built(backends::kernel(Isolation::Bwrap).limits(limits).build()))
}

async fn open() -> Arc<dyn Interpreter> {
    backend(Limits { memory: 2 << 30, ..Limits::default() }).await.open().await.unwrap()
}

behaves!(backend);

attacked!(backend, native: [
    other_processes_debugged, mounts_and_roots, new_namespaces, wide_doors_into_the_kernel, the_machine_itself,
    another_user, settings_of_the_system, processes_of_the_host_seen, abstract_socket_of_the_host, fork_bomb,
    thread_bomb, shared_memory_filled, daemon_that_outlives_its_session, connection_file_replaced_by_a_link,
    start_up_files_for_the_next_kernel,
]);
attacked!(backend, paths: [absolute_path, link_to_a_host_file, open_descriptors_walked_up, proc_and_dev]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_no_network() {
    let session = open().await;
    let source = "import socket\nfor family in (socket.AF_INET, socket.AF_INET6):\n\
        \x20   try: socket.socket(family)\n    except OSError as error: print(error.errno)\n\
        print([line.split(':')[0].strip() for line in open('/proc/net/dev')][2:])";
    assert_eq!(prints(&session, source).await, "95\n95\n['lo']\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_the_host_are_not_there() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let session = open().await;
    let source = format!(
        "import os\nprint([path for path in [{:?}, {:?}, '/etc/passwd', '/etc/shadow', '/var', '/sys', '/dev/kmsg'] if os.path.exists(path)])",
        secret.path(),
        env!("CARGO_MANIFEST_DIR")
    );
    assert_eq!(prints(&session, &source).await, "[]\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_of_the_system_cannot_be_written() {
    let session = open().await;
    let source = "import os\nwritten = []\nfor path in ['/x', '/usr/x', '/session/x', '/proc/self/oom_score_adj', '/dev/x', '/mnt/x']:\n\
        \x20   try: open(path, 'w')\n    except OSError: continue\n    written.append(path)\nprint(written)";
    assert_eq!(prints(&session, source).await, "[]\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_launcher_inside_and_its_descriptors_are_out_of_reach() {
    let session = open().await;
    let source = "import os\nfor call in (lambda: open('/.launcher', 'rb'), lambda: os.execv('/.launcher', ['x']), lambda: os.open('/proc/1/fd/0', os.O_RDWR)):\n\
        \x20   try: call()\n    except OSError as error: print(error.errno)\n\
        names = sorted(name for name in os.environ if 'GLASSBOX' in name or 'CARGO' in name)\n\
        status = open('/proc/self/status').read().split('\\n')\n\
        print(names, [line.split()[1] for line in status if line[:6] in ('CapEff', 'CapBnd', 'NoNewP', 'Seccom')][:4])";
    let said = prints(&session, source).await;
    assert_eq!(said, "13\n13\n13\n[] ['0000000000000000', '0000000000000000', '1', '2']\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_that_is_killed_is_told_and_comes_again() {
    let session = open().await;
    run(&session, "x = 1").await;
    let ran = run(&session, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)").await;
    assert!(format!("{:?}", ran.outputs).contains("signal: 9"), "{:?}", ran.outputs);
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_bwrap_nothing_runs_and_the_package_is_named() {
    const MARK: &str = "WITHOUT_BWRAP";
    if std::env::var_os(MARK).is_none() {
        // A variable of this process is every test's: so it is another process that has no PATH.
        let name = "without_bwrap_nothing_runs_and_the_package_is_named";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", name]).env(MARK, "1").env("PATH", "/nowhere").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let backend = backend(Limits::default()).await;
    match backend.open().await.err() {
        Some(InterpreterError::NotIsolated { problem }) => {
            assert!(problem.contains("no `bwrap` in PATH: install the package `bubblewrap`"), "{problem}");
        }
        other => panic!("{other:?}"),
    }
}
