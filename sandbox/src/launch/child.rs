//! The host's side: a started program.

use std::hint::black_box;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};
use tokio::time::timeout;

#[cfg(feature = "wasm")]
use super::WorkerPlan;
use super::cgroup::Group;
use super::job::{self, Answer, Bind, Cgroup, Job, MARK, Start};
use super::{Plan, sys};
use crate::InterpreterError;

/// How long the launcher may take. It needs milliseconds; a machine under load more.
const START_TIME: Duration = Duration::from_secs(20);

/// How long what a failed launcher wrote may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program that runs in the sandbox. Dropped, it is killed, with all that it started.
#[derive(Debug)]
pub struct Child {
    launcher: tokio::process::Child,
    control: UnixStream,
    pid: u32,
    /// The program's standard error.
    pub stderr: Option<ChildStderr>,
    /// The other end of the program's standard input and output, if it was [piped](Plan::piped).
    pub stream: Option<UnixStream>,
    /// Dropped last, when no process is in it.
    _group: Option<Group>,
}

/// Interrupts a program of the sandbox.
#[derive(Debug)]
pub struct Interrupter(UnixStream);

impl Interrupter {
    /// Sends `SIGINT` to the program and those of its children that share its group.
    ///
    /// # Errors
    /// Where the program is gone.
    pub fn interrupt(&self) -> io::Result<()> {
        (&self.0).write_all(b"i")
    }
}

fn not_isolated(problem: impl ToString) -> InterpreterError {
    InterpreterError::NotIsolated { problem: problem.to_string() }
}

/// The error of a launcher that gave no answer: killed, it says nothing of the walls of this host.
async fn silent(launcher: &mut tokio::process::Child, error: &io::Error) -> InterpreterError {
    match timeout(LAST_WORDS, launcher.wait()).await {
        Ok(Ok(status)) if status.signal().is_some() => {
            InterpreterError::backend(format!("the launcher was killed as it started ({status})"))
        }
        _ => not_isolated(format!("this program cannot start itself as a launcher: {error}")),
    }
}

impl Child {
    pub(super) async fn spawn(mut job: Job) -> Result<Self, InterpreterError> {
        // Where there is none, the launcher looks whether the resource limit does it.
        let group = Group::new(job.resources.processes);
        job.cgroup = group
            .as_ref()
            .map_or_else(|problem| Cgroup::None(problem.clone()), |group| Cgroup::Entrance(group.entrance()));
        // The linker leaves out what nobody names.
        black_box(&sys::ENTRY);
        let (control, theirs) = UnixStream::pair().map_err(not_isolated)?;
        let mut command = Command::new("/proc/self/exe");
        command.env_clear().env(MARK, "1").kill_on_drop(true);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stderr(Stdio::piped());
        let stream = if job.piped {
            let (ours, theirs) = UnixStream::pair().map_err(not_isolated)?;
            command.stdout(Stdio::from(OwnedFd::from(theirs)));
            Some(ours)
        } else {
            command.stdout(Stdio::null());
            None
        };
        let mut launcher = command.spawn().map_err(not_isolated)?;
        // The command keeps descriptors open that belong to the launcher.
        drop(command);
        let exchange = tokio::task::spawn_blocking(move || -> io::Result<_> {
            control.set_read_timeout(Some(START_TIME))?;
            job::write(&control, &job)?;
            let answer: Answer = job::read(&control)?;
            Ok((control, answer))
        });
        let answer = exchange.await.map_err(InterpreterError::backend)?;
        let (control, answer) = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(silent(&mut launcher, &error).await),
        };
        match answer {
            Answer::Runs(pid) => {
                Ok(Self { stderr: launcher.stderr.take(), launcher, control, pid, stream, _group: group.ok() })
            }
            Answer::NoProgram(program) => Err(InterpreterError::NoProgram { program }),
            Answer::Failed(problem) => {
                let mut said = String::new();
                if let Some(mut stderr) = launcher.stderr.take() {
                    // It ends with the launcher, but for what else may hold it.
                    let _ = timeout(LAST_WORDS, stderr.read_to_string(&mut said)).await;
                }
                let said = said.trim();
                Err(not_isolated(if said.is_empty() { problem } else { format!("{problem}: {said}") }))
            }
        }
    }

    /// The program's process id outside the sandbox.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the program and all that it started are gone; gives how the program ended. Cancel safe.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.launcher.wait().await
    }

    /// What interrupts the program, for whoever does not hold this.
    ///
    /// # Errors
    /// Where there are too many descriptors.
    pub fn interrupter(&self) -> io::Result<Interrupter> {
        self.control.try_clone().map(Interrupter)
    }

    /// Kills the program and all that it started, and waits until they are gone.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        // The launcher reads the end, and ends the program's namespace before itself.
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        self.wait().await
    }
}

/// The job of a plan.
pub(super) fn job(plan: Plan) -> Job {
    let same = |paths: Vec<_>, writable| {
        paths.into_iter().map(move |path: std::path::PathBuf| Bind { from: path.clone(), to: path, writable })
    };
    let moved = plan.binds.into_iter().map(|(from, to)| Bind { from, to, writable: true });
    let binds = same(plan.read_only, false).chain(same(plan.read_write, true)).chain(moved).collect();
    Job {
        start: Start::Program { argv: plan.argv, env: plan.env, cwd: plan.cwd },
        system: true,
        binds,
        scratch: None,
        resources: plan.resources,
        bwrap: None,
        cgroup: Cgroup::None(String::new()),
        piped: plan.piped,
    }
}

/// The job that says what walls are missing for a plan.
pub(super) fn survey_job(plan: Plan) -> Job {
    Job { start: Start::Survey, ..job(plan) }
}

/// The job of a plan, with namespaces and root by `bwrap`.
pub(super) fn bwrap_job(plan: Plan) -> Result<Job, InterpreterError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let bwrap = std::env::split_paths(&path).map(|folder| folder.join("bwrap")).find(|file| file.is_file());
    let missing =
        "there is no `bwrap` in PATH: install the package `bubblewrap`, 0.7 or later, with your package manager";
    let bwrap = bwrap.ok_or_else(|| not_isolated(missing))?;
    Ok(Job { bwrap: Some(bwrap), ..job(plan) })
}

/// The job of a worker.
#[cfg(feature = "wasm")]
pub(super) fn worker_job(plan: WorkerPlan) -> Job {
    let binds = plan.folders.into_iter().map(|(from, to)| Bind { from, to, writable: false }).collect();
    Job {
        start: Start::Worker,
        system: false,
        binds,
        scratch: Some(plan.scratch),
        resources: plan.resources,
        bwrap: None,
        cgroup: Cgroup::None(String::new()),
        piped: true,
    }
}
