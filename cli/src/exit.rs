//! The exit codes, as `glassbox --help` lists them.

use std::process::ExitCode;

use glassbox::StopReason;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: answered, or there was nothing to answer.
    Done,
    /// 1: an error of the model, the engine, or a file.
    Error,
    /// 2: wrong usage.
    Usage,
    /// 3: the turn ended without an answer.
    NoAnswer,
    /// 4: the model was not found or could not be fetched.
    NoModel,
    /// 124: a program of `exec` ran into its time limit, as `timeout` has it.
    TimeLimit,
    /// 137: a program of `exec` ran into its memory limit, as shells have it of a process that the system kills.
    MemoryLimit,
    /// Whatever a program of `exec` gave `sys.exit`.
    Program(u8),
    /// 130: cancelled with Ctrl-C; 128 + SIGINT, as shells have it.
    Cancelled,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NoAnswer => 3,
            Self::NoModel => 4,
            Self::TimeLimit => 124,
            Self::MemoryLimit => 137,
            Self::Program(code) => code,
            Self::Cancelled => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<StopReason> for Exit {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Done => Self::Done,
            StopReason::Cancelled => Self::Cancelled,
            // Turn limit, token limit, context full, and what may come: no answer.
            _ => Self::NoAnswer,
        }
    }
}
