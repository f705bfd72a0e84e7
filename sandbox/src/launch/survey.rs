//! What a host can put up and what not: each wall is tried by itself, in a process that ends then.

use std::error::Error;
use std::io::{self, Read, Write};

use rustix::process::{Pid, Resource, Rlimit, WaitOptions, setrlimit, waitpid};

use super::job::{Cgroup, Job};
use super::sys::{self, Fork};
use super::{launcher, root, wall};

/// The namespaces beside that of users, and what each holds.
const NAMESPACES: &[(libc::c_int, &str)] = &[
    (libc::CLONE_NEWNS, "mount"),
    (libc::CLONE_NEWPID, "process"),
    (libc::CLONE_NEWNET, "network"),
    (libc::CLONE_NEWIPC, "IPC"),
    (libc::CLONE_NEWUTS, "UTS"),
];

/// All the walls of a job that cannot be put up here, each with why.
pub(super) fn missing(job: &Job) -> Vec<String> {
    let mut missing = Vec::new();
    let mut fails = |check: &dyn Fn() -> Result<(), Box<dyn Error>>| match tried(check) {
        Ok(()) => false,
        Err(problem) => {
            missing.push(problem);
            true
        }
    };
    // Without capabilities of its own, a process gets none of the other namespaces.
    if !fails(&|| Ok(launcher::leave(0)?)) {
        let mut all = true;
        for (flag, name) in NAMESPACES {
            all &= !fails(&|| {
                launcher::leave(0)?;
                Ok(sys::unshare(*flag).map_err(|error| format!("no {name} namespace ({error})"))?)
            });
        }
        if all {
            fails(&|| {
                launcher::leave(launcher::OTHERS)?;
                root::build(&root::binds(&job.binds, job.system), job.scratch, job.resources.file_size)?;
                launcher::fork_first().map(drop)
            });
        }
        if let Cgroup::None(problem) = &job.cgroup {
            fails(&|| {
                launcher::leave(0)?;
                counted(problem)
            });
        }
    }
    fails(&wall::landlock);
    fails(&wall::filter);
    missing
}

/// Whether `RLIMIT_NPROC` holds processes of this user; root's it does not. Called in the user namespace.
pub(super) fn counted(no_group: &str) -> Result<(), Box<dyn Error>> {
    let one = || {
        setrlimit(Resource::Nproc, Rlimit { current: Some(1), maximum: Some(1) })?;
        match sys::fork() {
            Ok(Fork::Child) => sys::exit(0),
            Ok(Fork::Parent(_)) => Err("one process too many".into()),
            Err(_) => Ok(()),
        }
    };
    tried(&one).map_err(|_| {
        format!(
            "nothing holds the number of processes: root's are not counted by a limit, and there is no control group \
             ({no_group}); run as another user, or with a control group of `pids` that may be written"
        )
        .into()
    })
}

/// Tries something in a fork of this process.
fn tried(check: &dyn Fn() -> Result<(), Box<dyn Error>>) -> Result<(), String> {
    let in_fork = || -> io::Result<String> {
        let (mut reader, mut writer) = io::pipe()?;
        match sys::fork()? {
            Fork::Child => {
                drop(reader);
                if let Err(problem) = check() {
                    let _ = writer.write_all(problem.to_string().as_bytes());
                }
                sys::exit(0)
            }
            Fork::Parent(pid) => {
                drop(writer);
                let mut said = String::new();
                reader.read_to_string(&mut said)?;
                let _ = waitpid(Pid::from_raw(pid), WaitOptions::empty());
                Ok(said)
            }
        }
    };
    match in_fork() {
        Ok(said) if said.is_empty() => Ok(()),
        Ok(problem) => Err(problem),
        Err(error) => Err(error.to_string()),
    }
}
