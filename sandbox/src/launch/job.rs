//! What the host asks of the launcher, and what that answers: one frame each over the launcher's standard input.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most bytes of a frame: a command line and an environment are far smaller.
const MAX_FRAME: u32 = 4 << 20;

/// The variable that makes a started program a launcher.
pub(super) const MARK: &str = "GLASSBOX_LAUNCHER";

/// A folder or file as the program sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bind {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) writable: bool,
}

/// What may be used, at most.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes of address space of each process, if it is limited.
    pub memory: Option<u64>,
    /// Bytes of each file.
    pub file_size: u64,
    /// Bytes of data of each process, if they are limited: what it can write and shares with nobody. For programs that
    /// reserve far more addresses than they use.
    pub data: Option<u64>,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// Processes and threads, all together.
    pub processes: u64,
}

/// What is to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Start {
    /// A program of the system.
    Program { argv: Vec<OsString>, env: Vec<(OsString, OsString)>, cwd: PathBuf },
    /// The worker, which is in this program already: no file of it need be seen inside.
    #[cfg(feature = "wasm")]
    Worker,
    /// Nothing: what walls are missing is answered.
    Survey,
}

/// The control group of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Cgroup {
    /// The file that takes the launcher into it.
    Entrance(PathBuf),
    /// There is none, and why; a resource limit must do.
    None(String),
}

/// A folder in memory that may be written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Scratch {
    /// Bytes of it, all together.
    pub(crate) bytes: u64,
    /// Files and folders.
    pub(crate) files: u64,
}

/// All that the launcher has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) start: Start,
    /// The system's programs and libraries are to be seen.
    pub(super) system: bool,
    pub(super) binds: Vec<Bind>,
    /// `/tmp`, where it is to be written and no folder of the host is bound there.
    pub(super) scratch: Option<Scratch>,
    pub(super) resources: Resources,
    /// The `bwrap` that makes the namespaces and the root, in place of the launcher.
    pub(super) bwrap: Option<PathBuf>,
    /// What holds the number of processes.
    pub(super) cgroup: Cgroup,
    /// The program's standard input is the same socket as its standard output.
    pub(super) piped: bool,
}

/// What became of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The program runs, with this process id outside.
    Runs(u32),
    /// It does not, and why.
    Failed(String),
    /// There is no such program inside.
    NoProgram(String),
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs(pid) => write!(f, "process {pid} runs"),
            Self::Failed(problem) => f.write_str(problem),
            Self::NoProgram(program) => write!(f, "no program `{program}`"),
        }
    }
}

impl std::error::Error for Answer {}

/// Writes a frame: its length in four bytes, then JSON.
pub(super) fn write(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::other("the command line and the environment are too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&body)
}

/// Reads a frame.
pub(super) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// A frame that has been sent already, if there is one.
pub(super) fn waiting(from: &UnixStream) -> io::Result<Option<Answer>> {
    let mut readable = [PollFd::new(from, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut readable, Some(&now))? == 0 { Ok(None) } else { read(from).map(Some) }
}
