//! What a program in the sandbox of the launcher cannot do, by threat. With a real `python3` and a real kernel.

#![cfg(all(feature = "launch", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use glassbox_sandbox::launch::{Child, Plan, Resources, probe};
use glassbox_sandbox::{InterpreterError, Limits};

/// A hang is a failure, a busy machine is not.
const PATIENCE: Duration = Duration::from_secs(60);

/// The system's own Python: a shim would need a shell and a home.
fn python() -> PathBuf {
    ["/usr/bin/python3", "/usr/local/bin/python3"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("python3")
}

fn plan(folder: &Path, code: &str) -> Plan {
    Plan {
        argv: vec![python().into(), "-c".into(), code.into()],
        env: vec![("HOME".into(), folder.into()), ("PATH".into(), "/usr/bin:/bin".into())],
        cwd: folder.into(),
        read_write: vec![folder.into()],
        read_only: Vec::new(),
        binds: Vec::new(),
        resources: Resources { memory: Some(1 << 30), ..Resources::from(&Limits::default()) },
        piped: true,
    }
}

async fn start(plan: Plan) -> Child {
    plan.spawn().await.unwrap()
}

/// What a started program wrote until it ended, and how it ended.
async fn finish(mut child: Child) -> (String, ExitStatus) {
    let mut stream = child.stream.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let text = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let text = text.await.unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let mut errors = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stderr, &mut errors).await.unwrap();
    (text + &String::from_utf8_lossy(&errors), status)
}

async fn run(code: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), code).await
}

async fn run_in(folder: &Path, code: &str) -> String {
    finish(start(plan(folder, code)).await).await.0
}

/// Runs one statement; gives `done`, or the class of its exception and its errno.
async fn attempt(statement: &str) -> String {
    let code = format!(
        "import os, socket, ctypes, signal, subprocess\ntry:\n    {statement}\n    print('done')\nexcept BaseException as error:\n    print(type(error).__name__, getattr(error, 'errno', None))"
    );
    run(&code).await.trim().to_owned()
}

#[tokio::test]
async fn this_host_can_keep_programs_in() {
    probe().await.unwrap();
}

#[tokio::test]
async fn a_program_writes_its_folder_and_ends_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let (text, status) =
        finish(start(plan(folder.path(), "open('a', 'w').write('x'); print(6 * 7); exit(3)")).await).await;
    assert_eq!((text.as_str(), status.code()), ("42\n", Some(3)));
    assert_eq!(std::fs::read_to_string(folder.path().join("a")).unwrap(), "x");
}

#[tokio::test]
async fn a_folder_can_have_another_path_inside() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mut plan = plan(folder.path(), "open('/mnt/data/a', 'w').write('x'); print('done')");
    plan.binds = vec![(data.clone(), "/mnt/data".into())];
    assert_eq!(finish(start(plan).await).await.0, "done\n");
    assert_eq!(std::fs::read_to_string(data.join("a")).unwrap(), "x");
}

#[tokio::test]
async fn network_is_out_of_reach() {
    assert_eq!(attempt("socket.socket(socket.AF_INET)").await, "OSError 95");
    assert_eq!(attempt("socket.socket(socket.AF_INET6)").await, "OSError 95");
    assert_eq!(attempt("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)").await, "OSError 95");
    assert_eq!(run("print([line.split(':')[0].strip() for line in open('/proc/net/dev')][2:])").await, "['lo']\n");
}

#[tokio::test]
async fn host_files_are_not_there() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let path = secret.path().display();
    assert_eq!(attempt(&format!("open('{path}')")).await, "FileNotFoundError 2");
    for path in ["/etc/passwd", "/etc/shadow", "/root", "/home", "/var", "/sys", "/dev/kmsg", "/dev/mem", "/dev/tty"] {
        assert_eq!(attempt(&format!("os.stat('{path}')")).await, "FileNotFoundError 2", "{path}");
    }
}

#[tokio::test]
async fn links_and_dots_do_not_lead_out() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let path = secret.path().display();
    assert_eq!(attempt(&format!("os.symlink('{path}', 'l'); open('l')")).await, "FileNotFoundError 2");
    assert_eq!(attempt(&format!("open('../../../../../..{path}')")).await, "FileNotFoundError 2");
    assert_eq!(attempt(&format!("open('/proc/self/root{path}')")).await, "FileNotFoundError 2");
    assert_eq!(attempt("open('/proc/1/root/etc/passwd')").await, "PermissionError 13");
}

#[tokio::test]
async fn the_system_is_not_written() {
    assert_ne!(attempt("open('/usr/bin/x', 'w')").await, "done");
    assert_ne!(attempt("open('/x', 'w')").await, "done");
    assert_ne!(attempt("os.chmod('/usr/bin/env', 0o777)").await, "done");
}

#[tokio::test]
async fn other_processes_are_not_seen() {
    let seen = run("import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()), os.getpid())").await;
    assert_eq!(seen, "[1, 2] 2\n");
    assert_eq!(attempt("open('/proc/1/environ').read()").await, "PermissionError 13");
    assert_eq!(attempt("open('/proc/1/mem', 'rb')").await, "PermissionError 13");
    assert_eq!(attempt("open('/proc/1/mem', 'r+b')").await, "OSError 30");
}

#[tokio::test]
async fn signals_do_not_go_outside() {
    let host = std::process::id();
    assert_eq!(attempt(&format!("os.kill({host}, 0)")).await, "ProcessLookupError 3");
    // The first process of the namespace cannot be ended from inside, and nothing else is reached by `-1`.
    assert_ne!(attempt("os.kill(1, signal.SIGKILL)").await, "done");
}

#[tokio::test]
async fn ptrace_mount_and_namespaces_are_denied() {
    let call = |call: &str| {
        format!("libc = ctypes.CDLL(None, use_errno=True); r = libc.{call}; e = ctypes.get_errno(); print(r, e)")
    };
    let bpf = format!("syscall({}, 0, 0, 0)", libc::SYS_bpf);
    for denied in [
        "ptrace(0, 0, 0, 0)",
        "mount(b'none', b'/tmp', b'tmpfs', 0, None)",
        "umount2(b'/proc', 2)",
        "unshare(0x10000000)",
        "chroot(b'/tmp')",
        "setns(0, 0)",
        &bpf,
    ] {
        assert_eq!(attempt(&call(denied)).await, "-1 1\ndone", "{denied}");
    }
}

#[tokio::test]
async fn there_are_no_capabilities() {
    let caps =
        run("print([l.split()[1] for l in open('/proc/self/status') if l[:6] in ('CapEff', 'NoNewP', 'Seccom')])")
            .await;
    assert!(caps.starts_with("['0000000000000000', '1', '2'"), "{caps}");
    // There is no such user inside.
    assert_eq!(attempt("os.setuid(0)").await, "OSError 22");
}

#[tokio::test]
async fn abstract_sockets_of_the_host_are_not_reached() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("glassbox-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    assert_ne!(attempt(&format!("socket.socket(socket.AF_UNIX).connect('\\0{name}')")).await, "done");
}

#[tokio::test]
async fn descriptors_and_environment_do_not_leak() {
    let open =
        run("import os; print([n for n in os.listdir('/proc/self/fd') if int(n) > 3], sorted(os.environ))").await;
    assert_eq!(open.split(" ['").next().unwrap(), "[]", "{open}");
    assert!(open.contains("'HOME', ") && !open.contains("GLASSBOX") && !open.contains("CARGO"), "{open}");
}

#[tokio::test]
async fn a_fork_bomb_ends_in_an_error() {
    let bomb = "import os, time\nn = 0\ntry:\n    while n < 2000:\n        if os.fork() == 0: time.sleep(1000)\n        n += 1\nexcept OSError as e: print(n < 200, e.errno)";
    assert_eq!(run(bomb).await, "True 11\n");
    probe().await.unwrap();
}

#[tokio::test]
async fn a_memory_bomb_ends_in_an_error() {
    assert_eq!(attempt("x = bytearray(4 << 30)").await, "MemoryError None");
}

#[tokio::test]
async fn a_big_file_ends_in_an_error() {
    assert_eq!(
        attempt("signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = open('a', 'wb'); f.truncate(1 << 30)").await,
        "OSError 27"
    );
}

#[tokio::test]
async fn an_interrupt_reaches_the_program() {
    let folder = tempfile::tempdir().unwrap();
    // Short sleeps: a signal that comes just before the call of a sleep does not end it, and Python looks after it.
    let code = "import time\ntry:\n    print('up', flush=True)\n    while True: time.sleep(0.05)\nexcept KeyboardInterrupt: print('interrupted')";
    let mut child = start(plan(folder.path(), code)).await;
    let stream = child.stream.as_mut().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    child.interrupter().unwrap().interrupt().unwrap();
    assert_eq!(finish(child).await.0, "interrupted\n");
}

/// As `command &` in a script starts it: interrupts are ignored in all that comes of it.
#[test]
fn an_interrupt_reaches_the_program_of_a_host_that_runs_in_the_background() {
    let script = "trap '' INT; exec \"$0\" --exact an_interrupt_reaches_the_program";
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new("sh").args(["-c", script]).arg(this).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_program_that_kills_itself_is_seen_to_die() {
    let folder = tempfile::tempdir().unwrap();
    let (_, status) = finish(start(plan(folder.path(), "import os; os.kill(os.getpid(), 9)")).await).await;
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn a_kill_takes_along_what_the_program_started() {
    let folder = tempfile::tempdir().unwrap();
    let code = "import os, time\nif os.fork() == 0: os.setsid()\nprint('up', flush=True)\ntime.sleep(1000)";
    let mut child = start(plan(folder.path(), code)).await;
    let mut stream = child.stream.take().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    child.kill().await.unwrap();
    // Both held the other end of the stream.
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[tokio::test]
async fn an_unknown_program_is_named_and_is_no_want_of_walls() {
    for (program, place) in [("/nowhere", "the sandbox"), ("no-such-program", "PATH")] {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path(), "");
        plan.argv = vec![program.into()];
        for error in [plan.clone().spawn().await.unwrap_err(), plan.spawn_by_bwrap().await.unwrap_err()] {
            assert!(matches!(error, InterpreterError::NoProgram { .. }), "{error:?}");
            assert_eq!(error.to_string(), format!("no program named `{program}` in {place}"));
        }
    }
}

/// Runs the test of this name once more, as root of a user namespace that an ordinary user made, after `first` in a shell.
/// Gives what it wrote, or nothing where this is that run already.
fn again_as_other_root(name: &str, first: &str) -> Option<String> {
    const MARK: &str = "AS_OTHER_ROOT";
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    // Where that user can read it.
    let folder = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir();
    let this = folder.as_ref().unwrap().path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &this).unwrap();
    let shell = format!("{first} exec {} --exact {name} --nocapture", this.display());
    let ordinary: &[&str] = if rustix::process::getuid().is_root() {
        &["setpriv", "--reuid=60001", "--regid=60001", "--clear-groups", "unshare", "-r"]
    } else {
        &["unshare", "-r"]
    };
    let mut command = std::process::Command::new(ordinary[0]);
    command.args(&ordinary[1..]).args(["sh", "-c", &shell]).env(MARK, "1").current_dir("/");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    Some(said)
}

/// In a container, say: the user is called root, and is counted as any other.
#[tokio::test]
async fn root_without_a_control_group_is_kept_in_where_its_processes_are_counted() {
    let name = "root_without_a_control_group_is_kept_in_where_its_processes_are_counted";
    if again_as_other_root(name, "").is_none() {
        assert!(rustix::process::getuid().is_root());
        let bomb = "import os, time\nn = 0\ntry:\n    while n < 2000:\n        if os.fork() == 0: time.sleep(1000)\n        n += 1\nexcept OSError as e: print(n < 200, e.errno)";
        assert_eq!(run(bomb).await, "True 11\n");
    }
}

#[tokio::test]
async fn all_walls_that_are_missing_are_named() {
    let name = "all_walls_that_are_missing_are_named";
    let first = "echo 0 > /proc/sys/user/max_net_namespaces; echo 0 > /proc/sys/user/max_uts_namespaces;";
    if again_as_other_root(name, first).is_none() {
        let problem = match probe().await.unwrap_err() {
            InterpreterError::NotIsolated { problem } => problem,
            other => panic!("{other:?}"),
        };
        assert!(problem.contains("no network namespace") && problem.contains("no UTS namespace"), "{problem}");
        assert!(!problem.contains("no mount namespace") && !problem.contains("Landlock"), "{problem}");
    }
}
