//! Starts programs so that they cannot get out: no network, no files but those named, no processes of others.
//!
//! What holds a program, in the order in which it is put up:
//!
//! | wall | holds |
//! |---|---|
//! | control group or `RLIMIT_NPROC` | the number of processes and threads |
//! | user namespace | no capability, no set-user-id program |
//! | network, IPC and UTS namespaces | no network at all, not even the loopback; no shared memory of others |
//! | process namespace, own `/proc` | other processes are neither seen nor signalled; all end with the program |
//! | mount namespace, own root | files that are not named are not there |
//! | resource limits | address space and size of a file for each process, descriptors, no core |
//! | Landlock | the same files again, and the abstract Unix sockets and signals of others |
//! | seccomp | the system calls that container runtimes deny, new namespaces, sockets other than Unix |
//!
//! A host that lacks one of them is refused ([`InterpreterError::NotIsolated`]). **Not held**: the sum of all processes'
//! memory (each has its own limit), the sum of all files (each has its own limit), CPU time, and holes in the kernel.

mod bwrap;
mod cgroup;
mod child;
mod job;
mod launcher;
mod root;
mod survey;
mod sys;
mod syscalls;
mod wall;

use std::ffi::OsString;
use std::path::PathBuf;

pub use child::{Child, Interrupter};
pub use job::Resources;
#[cfg(feature = "wasm")]
pub(crate) use job::Scratch;

use crate::{InterpreterError, Limits};

/// Processes and threads of a program, all together: a kernel has about ten.
const PROCESSES: u64 = 128;

impl From<&Limits> for Resources {
    fn from(limits: &Limits) -> Self {
        Self {
            memory: Some(limits.memory),
            data: None,
            file_size: limits.disk,
            open_files: u64::from(limits.open_files),
            processes: PROCESSES,
        }
    }
}

/// A program and what it may see.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program and its arguments. Without a slash it is looked for in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// All of its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory, as it is called inside.
    pub cwd: PathBuf,
    /// Folders that it may write, at the same path inside.
    pub read_write: Vec<PathBuf>,
    /// Folders that it may read, at the same path inside. The system's programs and libraries need not be named.
    pub read_only: Vec<PathBuf>,
    /// Folders of the host and the paths at which the program may write them.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// What it may use.
    pub resources: Resources,
    /// Its standard input and output are a socket ([`Child::stream`]) and not `/dev/null`.
    pub piped: bool,
}

impl Plan {
    /// Starts the program.
    ///
    /// # Errors
    /// [`InterpreterError::NotIsolated`] where a wall cannot be put up; the program does not run then. Also where it
    /// cannot be started at all.
    pub async fn spawn(self) -> Result<Child, InterpreterError> {
        Child::spawn(child::job(self)).await
    }

    /// Starts the program with namespaces and root made by `bwrap` (bubblewrap, 0.7 or later), the other walls as ever.
    /// For hosts where `bwrap` may make them and this program may not.
    ///
    /// # Errors
    /// Those of [`Plan::spawn`]; also [`InterpreterError::NotIsolated`] where there is no `bwrap` in `PATH`.
    pub async fn spawn_by_bwrap(self) -> Result<Child, InterpreterError> {
        Child::spawn(child::bwrap_job(self)?).await
    }
}

/// The worker: this program goes on as [`crate::worker::inside`] behind the walls, and sees nothing of the system but the
/// folders that are named, which it may read.
#[cfg(feature = "wasm")]
#[derive(Debug, Clone)]
pub(crate) struct WorkerPlan {
    /// Folders of the host and their paths inside.
    pub(crate) folders: Vec<(PathBuf, PathBuf)>,
    /// Its `/tmp`.
    pub(crate) scratch: Scratch,
    /// What it may use.
    pub(crate) resources: Resources,
}

#[cfg(feature = "wasm")]
impl WorkerPlan {
    /// Starts it, as [`Plan::spawn`] does a program. Its standard input and output are [`Child::stream`].
    pub(crate) async fn spawn(self) -> Result<Child, InterpreterError> {
        Child::spawn(child::worker_job(self)).await
    }
}

/// Whether this host can keep a program in: starts one that ends at once.
///
/// # Errors
/// [`InterpreterError::NotIsolated`] with all that is missing.
pub async fn probe() -> Result<(), InterpreterError> {
    let plan = Plan {
        argv: vec!["/bin/true".into()],
        env: Vec::new(),
        cwd: "/".into(),
        read_write: Vec::new(),
        read_only: Vec::new(),
        binds: Vec::new(),
        resources: Resources::from(&Limits::default()),
        piped: false,
    };
    let mut child = match plan.clone().spawn().await {
        Ok(child) => child,
        // It stopped at the first wall that is missing. A survey starts nothing, and fails with the list.
        Err(InterpreterError::NotIsolated { problem: first }) => {
            return match Child::spawn(child::survey_job(plan)).await {
                Err(InterpreterError::NotIsolated { problem }) if !problem.is_empty() => {
                    Err(InterpreterError::NotIsolated { problem })
                }
                _ => Err(InterpreterError::NotIsolated { problem: first }),
            };
        }
        Err(other) => return Err(other),
    };
    let status = child.wait().await.map_err(InterpreterError::backend)?;
    if status.success() {
        return Ok(());
    }
    Err(InterpreterError::NotIsolated { problem: format!("/bin/true in the sandbox ended with {status}") })
}
