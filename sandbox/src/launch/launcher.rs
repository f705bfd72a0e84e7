//! The launcher process: it leaves the host's namespaces, starts the program behind walls, and ends with it.
//!
//! ```text
//! host ── launcher (the host's program again; outside the process namespace)
//!           ├── first process of the namespace: reaps; when it goes, all in the namespace go
//!           └── the program
//! ```
//!
//! A program that is the first process itself would survive its own `SIGKILL` and `SIGABRT`. A fork of the host in the
//! launcher's place would keep a copy of every page that the host writes from then on.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getgid, getuid, kill_process, kill_process_group,
    pidfd_open, waitid, waitpid,
};

use super::job::{self, Answer, Bind, Cgroup, Job, MARK, Start};
use super::sys::{self, Fork};
use super::{bwrap, root, survey, wall::Walls};

/// The user and group inside. Not 0: root in a user namespace has capabilities there.
pub(super) const INSIDE_ID: u32 = 1000;
/// What the variable that makes a launcher holds for the one inside of bwrap.
pub(super) const INSIDE: &str = "inside";

/// Called in every process of the host's program: goes on as the launcher if it is started as one.
pub(super) fn enter() {
    match std::env::var_os(MARK) {
        None => {}
        Some(mark) if mark == INSIDE => bwrap::inside(),
        Some(_) => run(),
    }
}

/// What runs, and how it is watched.
enum Started {
    Ours { first: Pid, program: Pid },
    Bwrap(bwrap::Started),
}

fn run() -> ! {
    // A shell starts what runs in the background with interrupts ignored, which goes on to whatever that starts.
    sys::ignore(libc::SIGINT, false);
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { sys::exit(1) };
    let started = match job::read(&control).map_err(Into::into).and_then(|job: Job| start(&job)) {
        Ok(started) => started,
        Err(error) => {
            let _ = job::write(&control, &failed(error));
            sys::exit(1)
        }
    };
    let program = match &started {
        Started::Ours { program, .. } => *program,
        Started::Bwrap(started) => started.program,
    };
    // Where nobody takes the answer, nobody holds the other end, and the watch ends at once.
    let _ = job::write(&control, &Answer::Runs(program.as_raw_nonzero().get().cast_unsigned()));
    match started {
        Started::Ours { first, program } => watch(control, first, program),
        Started::Bwrap(started) => bwrap::watch(control, &started),
    }
}

/// The answer where something went wrong.
pub(super) fn failed(error: Box<dyn Error>) -> Answer {
    match error.downcast::<Answer>() {
        Ok(answer) => *answer,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// The command of a job's program, which is looked for as it is called inside.
pub(super) fn command(
    argv: &[OsString],
    env: &[(OsString, OsString)],
    cwd: &Path,
    piped: bool,
) -> Result<Command, Box<dyn Error>> {
    let (program, arguments) = argv.split_first().ok_or("no program is named")?;
    let path = env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone()).unwrap_or_default();
    let there = if program.as_bytes().contains(&b'/') {
        cwd.join(program).exists()
    } else {
        std::env::split_paths(&path).any(|folder| cwd.join(folder).join(program).exists())
    };
    if !there {
        return Err(Box::new(Answer::NoProgram(program.to_string_lossy().into_owned())));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir(cwd);
    let socket = || io::Result::Ok(Stdio::from(io::stdout().as_fd().try_clone_to_owned()?));
    command.stdin(if piped { socket()? } else { Stdio::null() });
    Ok(command)
}

/// Starts the program.
fn start(job: &Job) -> Result<Started, Box<dyn Error>> {
    if matches!(job.start, Start::Survey) {
        return Err(survey::missing(job).join("; ").into());
    }
    if let Cgroup::Entrance(group) = &job.cgroup {
        std::fs::write(group, "0").map_err(|error| format!("the control group {}: {error}", group.display()))?;
    }
    if let Some(bwrap) = &job.bwrap {
        return bwrap::start(bwrap, job).map(Started::Bwrap);
    }
    leave(OTHERS)?;
    let binds = root::binds(&job.binds, job.system);
    root::build(&binds, job.scratch, job.resources.file_size)?;
    let first = fork_first()?;
    match start_inside(job, &binds) {
        Ok(program) => Ok(Started::Ours { first, program }),
        // Where it is gone, no process can be made in its namespace, for a want of memory as it seems.
        Err(_) if matches!(waitpid(Some(first), WaitOptions::NOHANG), Ok(Some(_))) => {
            Err("the first process of its namespace was killed as it started".into())
        }
        Err(error) => Err(error),
    }
}

/// Starts the program where this process has left the host's namespaces.
fn start_inside(job: &Job, binds: &[Bind]) -> Result<Pid, Box<dyn Error>> {
    root::enter()?;
    sys::undumpable()?;
    if let Cgroup::None(problem) = &job.cgroup {
        survey::counted(problem)?;
    }
    let walls = Walls::new(binds, job.scratch.is_some(), job.resources)?;
    match &job.start {
        Start::Program { argv, env, cwd } => {
            let mut command = command(argv, env, cwd, job.piped)?;
            sys::before_exec(&mut command, move || walls.close());
            let child = command.spawn().map_err(|error| format!("`{}`: {error}", command.get_program().display()))?;
            Ok(i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?)
        }
        #[cfg(feature = "wasm")]
        Start::Worker => fork_worker(&walls),
        Start::Survey => Err("a survey starts nothing".into()),
    }
}

/// Forks the worker, and waits until it is behind its walls.
#[cfg(feature = "wasm")]
fn fork_worker(walls: &Walls) -> Result<Pid, Box<dyn Error>> {
    fork_ready(
        "the worker",
        || {
            sys::output_is_input()?;
            sys::drop_capabilities()?;
            // It reads its own page map.
            sys::dumpable()?;
            walls.close()
        },
        || sys::exit(crate::worker::inside::run()),
    )
}

/// All namespaces but those of users, times and control groups.
pub(super) const OTHERS: libc::c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Leaves the host's namespace of users, and these others.
pub(super) fn leave(others: libc::c_int) -> Result<(), String> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    sys::unshare(libc::CLONE_NEWUSER | others)
        .map_err(|error| format!("this host gives no user namespaces ({error})"))?;
    let map = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("/proc/self/{file}: {error}"))
    };
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("{INSIDE_ID} {uid} 1"))?;
    map("gid_map", format!("{INSIDE_ID} {gid} 1"))
}

/// Forks the first process of the namespace, and waits until it has mounted `/proc`.
pub(super) fn fork_first() -> Result<Pid, Box<dyn Error>> {
    let ready = || sys::die_with_parent().and_then(|()| root::mount_proc()).and_then(|()| sys::undumpable());
    fork_ready("a process namespace of its own", ready, || {
        // Among them the program's output, which must end with the program.
        if sys::close_from(0).is_err() {
            sys::exit(1);
        }
        sys::reap_for_ever()
    })
}

/// Forks a process that gets `ready` and then goes on with `then`, for ever; waits until it is ready. It has no descriptor
/// of the launcher's but the first three.
fn fork_ready(what: &str, ready: impl FnOnce() -> io::Result<()>, then: fn() -> !) -> Result<Pid, Box<dyn Error>> {
    let (mut reader, mut writer) = io::pipe()?;
    match sys::fork()? {
        Fork::Child => {
            let ready = ready();
            let said = ready.as_ref().map_or_else(ToString::to_string, |()| "ready".to_owned());
            let _ = writer.write_all(said.as_bytes());
            if ready.and(sys::close_from(3)).is_err() {
                sys::exit(1);
            }
            then()
        }
        Fork::Parent(pid) => {
            drop(writer);
            let mut said = String::new();
            reader.read_to_string(&mut said)?;
            match (said.as_str(), Pid::from_raw(pid)) {
                ("ready", Some(pid)) => Ok(pid),
                ("", _) => Err(format!("{what}: its process was killed as it started").into()),
                _ => Err(format!("{what}: {said}").into()),
            }
        }
    }
}

/// Passes interrupts on until the program ends; then ends everything else, and itself as the program did.
///
/// One thread does both: the system allows no second one in a process whose children live in another namespace.
fn watch(mut control: UnixStream, first: Pid, program: Pid) -> ! {
    if let Ok(ended) = pidfd_open(program, PidfdFlags::empty()) {
        // The program is not reaped while this process lives, so its id is never another's.
        pass_on(&mut control, &ended, program);
    }
    let _ = kill_process(first, Signal::KILL);
    let status = waitid(WaitId::Pid(program), WaitIdOptions::EXITED).ok().flatten();
    // It is gone when all in its namespace are, the program too: so that is reaped first.
    let _ = waitpid(Some(first), WaitOptions::empty());
    match status.as_ref().and_then(|status| status.terminating_signal()) {
        Some(signal) => sys::die_of(signal),
        None => sys::exit(status.and_then(|status| status.exit_status()).unwrap_or(1)),
    }
}

/// Passes interrupts on to the program's group, until `ended` does or the host wants the end.
pub(super) fn pass_on(control: &mut UnixStream, ended: &OwnedFd, program: Pid) {
    loop {
        let mut both = [PollFd::new(control, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        let _ = poll(&mut both, None);
        let [said, over] = both.map(|one| !one.revents().is_empty());
        if over {
            return;
        }
        if said && matches!(control.read(&mut [0]), Ok(1)) {
            let _ = kill_process_group(program, Signal::INT);
        } else if said {
            // The host is gone, or wants the end.
            return;
        }
    }
}
