//! Namespaces and the root by `bwrap`, for hosts where that may make them and a program of ours may not: it is installed
//! set-user-id, or a profile of AppArmor names it.
//!
//! ```text
//! host ── launcher ── bwrap ── first process of the namespace (bwrap's)
//!                               └── inner launcher (the host's program once more) → the program
//! ```
//!
//! The inner launcher puts up the rest of the walls, the same as without `bwrap`, and the program takes its place. Its
//! file is the one more that is seen inside, and Landlock keeps the program from it.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, IoSliceMut, PipeReader, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt::set_socket_passcred};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use serde::Deserialize;

use super::job::{self, Bind, Cgroup, Job, MARK, Start};
use super::launcher::{INSIDE, INSIDE_ID, command, failed};
use super::{launcher, root, survey, sys, wall::Walls};

/// The inner launcher's file inside.
const INNER: &str = "/.launcher";

/// A program that runs in bwrap.
pub(super) struct Started {
    /// bwrap itself, which ends as the program does.
    bwrap: Pid,
    /// The first process of the namespace: when it ends, all in there have ended.
    first: OwnedFd,
    pub(super) program: Pid,
}

/// What bwrap tells of itself.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child: i32,
}

/// Starts the program of a job.
pub(super) fn start(bwrap: &Path, job: &Job) -> Result<Started, Box<dyn Error>> {
    let inside = Job { binds: root::binds(&job.binds, job.system), ..job.clone() };
    let (told, tells) = io::pipe()?;
    let (over, running) = io::pipe()?;
    let (control, theirs) = UnixStream::pair()?;
    set_socket_passcred(&control, true)?;
    let mut arguments = arguments(&inside.binds, job.resources.file_size)?;
    arguments.extend(["--info-fd".into(), tells.as_raw_fd().to_string().into()]);
    // Not on the command line: every process inside could read it there.
    let mut file = std::fs::File::from(memfd_create("arguments", MemfdFlags::empty())?);
    for argument in arguments {
        file.write_all(argument.as_bytes())?;
        file.write_all(&[0])?;
    }
    file.rewind()?;
    // These two go through bwrap; it closes them in its own processes.
    fcntl_setfd(&tells, FdFlags::empty())?;
    fcntl_setfd(&running, FdFlags::empty())?;
    let mut command = Command::new(bwrap);
    command.arg("--args").arg(file.as_raw_fd().to_string()).args(["--", INNER]);
    command.env_clear().env(MARK, INSIDE).stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command.spawn().map_err(|error| format!("`{}`: {error}", bwrap.display()))?;
    drop((command, file, tells, running));
    let bwrap = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    let first = first(told)?;
    job::write(&control, &inside).map_err(ended)?;
    let program = sender(&control)?;
    // The inner launcher holds the other end until the program has taken its place.
    { over }.read_to_end(&mut Vec::new())?;
    match job::waiting(&control)? {
        None => Ok(Started { bwrap, first, program }),
        Some(answer) => Err(Box::new(answer)),
    }
}

fn ended(error: impl ToString) -> String {
    format!("bwrap did not start ({})", error.to_string())
}

/// What bwrap is to do, and no more: the walls of the program's own process are the inner launcher's.
fn arguments(binds: &[Bind], shared_memory: u64) -> Result<Vec<OsString>, Box<dyn Error>> {
    let mut all: Vec<OsString> = Vec::new();
    let mut say = |words: &[&OsStr]| all.extend(words.iter().map(|word| (*word).to_owned()));
    let id = INSIDE_ID.to_string();
    // Each by name: `--unshare-all` goes on without a user namespace where there is none.
    for word in ["user", "ipc", "pid", "net", "uts"] {
        say(&[format!("--unshare-{word}").as_ref()]);
    }
    for words in [
        ["--unshare-cgroup-try", "--die-with-parent", "--new-session"].as_slice(),
        &["--cap-drop", "ALL", "--uid", &id, "--gid", &id],
    ] {
        say(&words.iter().map(OsStr::new).collect::<Vec<_>>());
    }
    for bind in binds {
        let (from, to) = (bind.from.as_os_str(), bind.to.as_os_str());
        match root::link(bind)? {
            Some(link) => say(&["--symlink".as_ref(), link.as_os_str(), to]),
            None if root::is_device(bind) => say(&["--dev-bind".as_ref(), from, to]),
            None if bind.writable => say(&["--bind".as_ref(), from, to]),
            None => say(&["--ro-bind".as_ref(), from, to]),
        }
    }
    let this = std::fs::read_link("/proc/self/exe")?;
    say(&["--ro-bind".as_ref(), this.as_os_str(), INNER.as_ref()]);
    let size = shared_memory.to_string();
    for words in [
        ["--dir", "/tmp"].as_slice(),
        &["--perms", "1777", "--size", &size, "--tmpfs", "/dev/shm"],
        &["--proc", "/proc", "--remount-ro", "/proc", "--remount-ro", "/", "--chdir", "/"],
    ] {
        say(&words.iter().map(OsStr::new).collect::<Vec<_>>());
    }
    Ok(all)
}

/// The first process of the namespace.
fn first(told: PipeReader) -> Result<OwnedFd, Box<dyn Error>> {
    let mut text = Vec::new();
    BufReader::new(told).read_until(b'}', &mut text)?;
    let info: Info = serde_json::from_slice(&text).map_err(|_| ended("it said nothing"))?;
    let first = Pid::from_raw(info.child).ok_or("no process id")?;
    Ok(pidfd_open(first, PidfdFlags::empty())?)
}

/// Who sent one byte: the system says, and by the id that the process has out here.
fn sender(control: &UnixStream) -> Result<Pid, Box<dyn Error>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut credentials = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut credentials, RecvFlags::empty())?;
    let mut senders = credentials.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid),
        _ => None,
    });
    match senders.next() {
        Some(pid) if got.bytes == 1 => Ok(pid),
        _ => Err(ended("the program inside did not come to its start").into()),
    }
}

/// The inner launcher, in the namespaces and the root that bwrap made.
pub(super) fn inside() -> ! {
    let Ok(mut control) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { sys::exit(1) };
    let error = match job::read(&control).map_err(Into::into).and_then(|job: Job| go_on(&job, &mut control)) {
        Ok(never) => never,
        Err(error) => error,
    };
    let _ = job::write(&control, &failed(error));
    sys::exit(1)
}

/// Puts up the walls, and gives way to the program.
fn go_on(job: &Job, control: &mut UnixStream) -> Result<Box<dyn Error>, Box<dyn Error>> {
    let Start::Program { argv, env, cwd } = &job.start else { return Err("bwrap starts programs only".into()) };
    // Says who this is.
    control.write_all(&[0])?;
    if let Cgroup::None(problem) = &job.cgroup {
        survey::counted(problem)?;
    }
    let walls = Walls::new(&job.binds, false, job.resources)?;
    let mut command = command(argv, env, cwd, job.piped)?;
    walls.close()?;
    Ok(command.exec().into())
}

/// Passes interrupts on until the program ends; then ends everything else, and itself as the program did.
pub(super) fn watch(mut control: UnixStream, started: &Started) -> ! {
    launcher::pass_on(&mut control, &started.first, started.program);
    let _ = pidfd_send_signal(&started.first, Signal::KILL);
    let _ = poll(&mut [PollFd::new(&started.first, PollFlags::IN)], None::<&Timespec>);
    let status = waitid(WaitId::Pid(started.bwrap), WaitIdOptions::EXITED).ok().flatten();
    let code = status.as_ref().and_then(|status| status.exit_status()).unwrap_or(1);
    // So bwrap tells, as shells do, of a program that a signal ended.
    match code.checked_sub(128) {
        Some(signal @ 1..=64) => sys::die_of(signal),
        _ => sys::exit(code),
    }
}
