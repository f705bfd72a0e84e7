//! A kernel of this machine: its process, and how it is started, interrupted and killed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};

use super::folder::{Inside, KernelFolder};
use super::kernel::{Incoming, Process};
use super::kernelspec::{InterruptMode, KernelSpec};
use super::message::Request;
use super::running::{Interrupter, Running};
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
    /// The same walls, with namespaces and root made by `bwrap` (bubblewrap, 0.7 or later): for hosts where that may make
    /// them and other programs may not.
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
    interrupter: Option<Interrupter>,
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
    fn variables(&self, folder: &Inside) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let home = &folder.home;
        let inherited = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
        let mut variables: Vec<(String, String)> =
            inherited.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let ours = [
            ("HOME", text(home)),
            ("TMPDIR", text(&folder.tmp)),
            ("IPYTHONDIR", text(&home.join("ipython"))),
            ("MPLCONFIGDIR", text(&home.join("matplotlib"))),
            ("XDG_CACHE_HOME", text(&home.join("cache"))),
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

    /// The command line, and the folder that it is started in. IPython would keep every cell in a database.
    fn command(&self, folder: &Inside) -> (Vec<String>, PathBuf) {
        let mut argv = self.spec.command(&folder.run.join("connection.json"));
        if !argv.iter().any(|argument| argument.starts_with("ipykernel")) {
            return (argv, folder.data.clone());
        }
        argv.push("--HistoryManager.enabled=False".to_owned());
        // Started among the session's files, it would import a `json.py` that a program wrote there as its own.
        argv.push(format!("--IPKernelApp.exec_lines=__import__('os').chdir({:?})", folder.data));
        (argv, folder.home.clone())
    }

    /// The paths of the session's folders as the kernel calls them.
    pub(super) fn inside(&self, folder: &KernelFolder) -> Inside {
        match self.isolation {
            Isolation::Unsandboxed => folder.seen_from_the_host(),
            Isolation::Sandboxed | Isolation::Bwrap => folder.binds().0,
        }
    }

    /// Starts the process.
    pub(super) async fn spawn(&self, folder: &KernelFolder) -> Result<(Running, Tail), InterpreterError> {
        let mut running = match self.isolation {
            Isolation::Unsandboxed => self.free(folder)?,
            Isolation::Sandboxed | Isolation::Bwrap => self.kept(folder).await?,
        };
        let tail = Tail::default();
        if let Some(stderr) = running.take_stderr() {
            tokio::spawn(tail.clone().follow(stderr));
        }
        Ok((running, tail))
    }

    fn no_command(&self) -> InterpreterError {
        InterpreterError::backend(format!("the kernelspec `{}` has no command", self.spec.name))
    }

    fn free(&self, folder: &KernelFolder) -> Result<Running, InterpreterError> {
        let inside = folder.seen_from_the_host();
        let (argv, cwd) = self.command(&inside);
        let (program, arguments) = argv.split_first().ok_or_else(|| self.no_command())?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.variables(&inside)).current_dir(cwd);
        // ipykernel looks for it every second, and ends when we are gone.
        command.env("JPY_PARENT_PID", std::process::id().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|error| {
            let name = &self.spec.name;
            let problem = format!("the program `{program}` of the kernel `{name}` could not be started: {error}");
            InterpreterError::SetUp { backend: "jupyter", problem }
        })?;
        Ok(Running::Free(child))
    }

    #[cfg(target_os = "linux")]
    async fn kept(&self, folder: &KernelFolder) -> Result<Running, InterpreterError> {
        let (inside, binds) = folder.binds();
        let (argv, cwd) = self.command(&inside);
        let program = argv.first().ok_or_else(|| self.no_command())?;
        let plan = crate::launch::Plan {
            read_only: self.prefixes(program),
            argv: argv.iter().map(Into::into).collect(),
            env: self.variables(&inside).into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd,
            read_write: Vec::new(),
            binds,
            resources: (&self.limits).into(),
            piped: false,
        };
        let child = if self.isolation == Isolation::Bwrap { plan.spawn_by_bwrap().await } else { plan.spawn().await };
        Ok(Running::Kept(Box::new(child?)))
    }

    #[cfg(not(target_os = "linux"))]
    async fn kept(&self, _: &KernelFolder) -> Result<Running, InterpreterError> {
        Err(InterpreterError::NotIsolated { problem: "the launcher needs Linux".to_owned() })
    }

    /// The folders that a kernel's program lies in: its virtual environment, and the interpreter that this was made of.
    #[cfg(target_os = "linux")]
    fn prefixes(&self, program: &str) -> Vec<PathBuf> {
        let program = Path::new(program);
        let above = |path: &Path| path.ancestors().nth(2).map(Path::to_owned);
        let base = program.canonicalize().ok().and_then(|path| above(&path));
        // What a virtual environment was made of may itself be a link.
        let link = std::fs::read_link(program).ok().filter(|path| path.is_absolute()).and_then(|path| above(&path));
        let all = self.spec.prefix.clone().into_iter().chain(base).chain(link);
        // The system is there anyway, and no folder is as wide as the root.
        let mut all: Vec<PathBuf> =
            all.filter(|path| path.components().count() > 2 && !path.starts_with("/usr")).collect();
        all.dedup();
        all
    }
}

/// Kills a kernel that never answered.
pub(super) async fn discard(mut child: Running) {
    child.kill(child.pid()).await;
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
        mut child: Running,
        mut readers: Readers,
        incoming: mpsc::Sender<Incoming>,
        requests: mpsc::UnboundedSender<Request>,
        session: String,
    ) -> Self {
        let pid = child.pid();
        let interrupter = child.interrupter();
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
            child.kill(pid).await;
            let _ = end.send(true);
            // What it had sent before it died comes first.
            let drained = async { while readers.all.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(DRAIN_TIME, drained).await;
            let _ = incoming.send(Incoming::Lost(how)).await;
        });
        Self {
            pid,
            interrupter,
            interrupt_mode: program.spec.interrupt_mode,
            requests,
            session,
            kill: Some(kill),
            ended,
        }
    }
}

#[async_trait]
impl Process for LocalProcess {
    async fn interrupt(&mut self) -> Result<(), InterpreterError> {
        match (self.interrupt_mode, &self.interrupter) {
            (InterruptMode::Signal, Some(interrupter)) => interrupter.interrupt().map_err(InterpreterError::backend),
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
