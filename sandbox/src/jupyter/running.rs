//! A started kernel process, kept in by the launcher or not.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::ChildStderr;

#[cfg(target_os = "linux")]
use crate::launch;

/// The process.
#[derive(Debug)]
pub(super) enum Running {
    /// With all that the user may do.
    Free(tokio::process::Child),
    /// Behind the launcher's walls.
    #[cfg(target_os = "linux")]
    Kept(Box<launch::Child>),
}

/// Interrupts a process.
#[derive(Debug)]
pub(super) enum Interrupter {
    Group(Pid),
    #[cfg(target_os = "linux")]
    Launcher(launch::Interrupter),
}

impl Running {
    /// Its id here.
    pub(super) fn pid(&self) -> Option<Pid> {
        let id = match self {
            Self::Free(child) => child.id(),
            #[cfg(target_os = "linux")]
            Self::Kept(child) => Some(child.pid()),
        };
        id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// What interrupts it, unless it is gone.
    pub(super) fn interrupter(&self) -> Option<Interrupter> {
        match self {
            Self::Free(_) => self.pid().map(Interrupter::Group),
            #[cfg(target_os = "linux")]
            Self::Kept(child) => child.interrupter().ok().map(Interrupter::Launcher),
        }
    }

    /// Its standard error, once.
    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        match self {
            Self::Free(child) => child.stderr.take(),
            #[cfg(target_os = "linux")]
            Self::Kept(child) => child.stderr.take(),
        }
    }

    /// Waits until it ends. Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Free(child) => child.wait().await,
            #[cfg(target_os = "linux")]
            Self::Kept(child) => child.wait().await,
        }
    }

    /// Kills it and what it started: its group, or behind walls all of it.
    pub(super) async fn kill(&mut self, pid: Option<Pid>) {
        match self {
            Self::Free(child) => {
                // Killing the process alone would leave what the program started.
                if let Some(pid) = pid {
                    let _ = kill_process_group(pid, Signal::KILL);
                }
                let _ = child.kill().await;
            }
            #[cfg(target_os = "linux")]
            Self::Kept(child) => {
                let _ = child.kill().await;
            }
        }
    }
}

impl Interrupter {
    /// As Ctrl-C would.
    pub(super) fn interrupt(&self) -> io::Result<()> {
        match self {
            Self::Group(pid) => Ok(kill_process_group(*pid, Signal::INT)?),
            #[cfg(target_os = "linux")]
            Self::Launcher(launcher) => launcher.interrupt(),
        }
    }
}
