//! A kernel of this machine: its process, and how it is started, interrupted and killed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

use super::folder::KernelFolder;
use super::kernel::{Incoming, Process};
use super::kernelspec::{InterruptMode, KernelSpec};
use super::message::Request;
use crate::{InterpreterError, Limits};

/// Lines of a kernel's standard error that are kept for messages.
const STDERR_LINES: usize = 12;
/// How long what a dead kernel had sent may take to be read.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How long a kernel that closed a socket may take to end by itself.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// How a kernel is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// Namespaces, Landlock, seccomp and resource limits, by our own launcher. The default.
    #[default]
    Sandboxed,
    /// The same promises as far as `bwrap` can keep them; it has to be installed.
    Bwrap,
    /// Not at all: programs can do what the user can.
    Unsandboxed,
}

/// What a kernel is started with.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) spec: KernelSpec,
    pub(super) isolation: Isolation,
    pub(super) limits: Limits,
    /// More variables, chosen by the caller.
    pub(super) env: Vec<(String, String)>,
}

/// A kernel's process, watched: when it ends, [`Incoming::Lost`] is sent.
pub(super) struct LocalProcess {
    pid: Option<Pid>,
    interrupt_mode: InterruptMode,
    /// For kernels that are interrupted by a message.
    requests: mpsc::UnboundedSender<Request>,
    session: String,
    /// Dropped, the watcher kills.
    kill: Option<oneshot::Sender<()>>,
    ended: watch::Receiver<bool>,
}

/// The last lines of a kernel's standard error.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Tail {
    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// As the end of a sentence: nothing, or `; it wrote: …`.
    pub(super) fn said(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let text = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        if text.is_empty() { text } else { format!("; it wrote:\n{text}") }
    }

    /// Keeps the tail of a stream until that ends. Lines without an end are cut, so that they do not pile up.
    async fn follow(self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            let Ok(bytes) = stream.fill_buf().await else { return };
            if bytes.is_empty() {
                return self.push(String::from_utf8_lossy(&line).into_owned());
            }
            let taken = bytes.len();
            for byte in bytes {
                if *byte == b'\n' || line.len() == 500 {
                    self.push(String::from_utf8_lossy(&line).into_owned());
                    line.clear();
                }
                if *byte != b'\n' {
                    line.push(*byte);
                }
            }
            stream.consume(taken);
        }
    }
}

impl Program {
    /// The variables of the kernel: few of ours, and those that make IPython leave a person's files alone.
    fn variables(&self, folder: &KernelFolder) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let home = text(folder.home());
        let inherited = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
        let mut variables: Vec<(String, String)> =
            inherited.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let ours = [
            ("HOME", home.clone()),
            ("TMPDIR", text(folder.tmp())),
            ("IPYTHONDIR", text(folder.home().join("ipython"))),
            ("MPLCONFIGDIR", text(folder.home().join("matplotlib"))),
            ("XDG_CACHE_HOME", text(folder.home().join("cache"))),
            ("MPLBACKEND", "module://matplotlib_inline.backend_inline".to_owned()),
            // One thread each: many kernels share a machine, and every thread's stack counts as memory.
            ("OPENBLAS_NUM_THREADS", "1".to_owned()),
            ("OMP_NUM_THREADS", "1".to_owned()),
            ("MALLOC_ARENA_MAX", "2".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYDEVD_DISABLE_FILE_VALIDATION", "1".to_owned()),
        ];
        variables.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        // A virtual environment's programs come first.
        if let Some(bin) = self.spec.prefix.as_ref().map(|prefix| prefix.join("bin")) {
            let path = std::env::var("PATH").unwrap_or_default();
            variables.push(("PATH".to_owned(), format!("{}:{path}", bin.display())));
        }
        variables.extend(self.spec.env.clone());
        variables.extend(self.env.clone());
        variables
    }

    /// The command line. IPython would keep every cell in a database.
    fn argv(&self, folder: &KernelFolder) -> Vec<String> {
        let mut argv = self.spec.command(&folder.run().join("connection.json"));
        if argv.iter().any(|argument| argument.starts_with("ipykernel")) {
            argv.push("--HistoryManager.enabled=False".to_owned());
        }
        argv
    }

    /// Starts the process.
    pub(super) fn spawn(&self, folder: &KernelFolder) -> Result<(Child, Tail), InterpreterError> {
        if self.isolation != Isolation::Unsandboxed {
            return Err(InterpreterError::NotIsolated { problem: "this build has no launcher".to_owned() });
        }
        let argv = self.argv(folder);
        let Some((program, arguments)) = argv.split_first() else {
            return Err(InterpreterError::backend(format!("the kernelspec `{}` has no command", self.spec.name)));
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.variables(folder)).current_dir(folder.data());
        // ipykernel looks for it every second, and ends when we are gone.
        command.env("JPY_PARENT_PID", std::process::id().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            let name = &self.spec.name;
            let problem = format!("the program `{program}` of the kernel `{name}` could not be started: {error}");
            InterpreterError::SetUp { backend: "jupyter", problem }
        })?;
        let tail = Tail::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(tail.clone().follow(stderr));
        }
        Ok((child, tail))
    }
}

/// Kills a process and all of its group. `kill_on_drop` alone would leave what the program started.
fn kill_group(pid: Option<Pid>) {
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// Kills a kernel that never answered.
pub(super) async fn discard(mut child: Child) {
    kill_group(pid_of(&child));
    let _ = child.kill().await;
}

/// How a process ended, as the end of a sentence.
pub(super) fn ending(status: std::io::Result<ExitStatus>) -> String {
    match status {
        // `signal: 9 (SIGKILL)` or `exit status: 1`
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// The readers of a kernel's sockets, as far as its watcher cares.
pub(super) struct Readers {
    /// Ends when the first reader does.
    pub(super) first: oneshot::Receiver<()>,
    /// Ends when the last one does.
    pub(super) all: tokio::task::JoinSet<()>,
}

impl LocalProcess {
    /// Watches a kernel that answered: tells `incoming` when it ends, after all that it had sent.
    pub(super) fn watch(
        program: &Program,
        mut child: Child,
        mut readers: Readers,
        incoming: mpsc::Sender<Incoming>,
        requests: mpsc::UnboundedSender<Request>,
        session: String,
    ) -> Self {
        let pid = pid_of(&child);
        let (kill, killed) = oneshot::channel::<()>();
        let (end, ended) = watch::channel(false);
        tokio::spawn(async move {
            let how = tokio::select! {
                status = child.wait() => format!("the kernel died ({})", ending(status)),
                // Its sockets close a moment before the process is gone, and the process says why.
                _ = &mut readers.first => match tokio::time::timeout(CLOSING_TIME, child.wait()).await {
                    Ok(status) => format!("the kernel died ({})", ending(status)),
                    Err(_) => "the kernel closed its sockets".to_owned(),
                },
                _ = killed => "the kernel was killed".to_owned(),
            };
            kill_group(pid);
            let _ = child.kill().await;
            let _ = end.send(true);
            // What it had sent before it died comes first.
            let drained = async { while readers.all.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(DRAIN_TIME, drained).await;
            let _ = incoming.send(Incoming::Lost(how)).await;
        });
        Self { pid, interrupt_mode: program.spec.interrupt_mode, requests, session, kill: Some(kill), ended }
    }
}

#[async_trait]
impl Process for LocalProcess {
    async fn interrupt(&mut self) -> Result<(), InterpreterError> {
        match (self.interrupt_mode, self.pid) {
            (InterruptMode::Signal, Some(pid)) => {
                kill_process_group(pid, Signal::INT).map_err(InterpreterError::backend)
            }
            _ => super::local::interrupt_request(&self.requests, &self.session),
        }
    }

    async fn kill(&mut self) {
        self.kill.take();
        let _ = self.ended.wait_for(|ended| *ended).await;
    }

    fn memory(&self) -> u64 {
        self.pid.map_or(0, memory)
    }
}

/// Bytes of a process's memory that are in use.
fn memory(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib.saturating_mul(1024)
}
