//! What can go wrong around a program.

use std::borrow::Cow;

/// Why something could not be done. An exception in a program is an [`Output::Error`](crate::Output::Error), not this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterpreterError {
    /// The session is closed.
    #[error("the interpreter session is closed")]
    Closed,
    /// The backend cannot do this; [`Interpreter::capabilities`](crate::Interpreter::capabilities) says what it can.
    #[error("this interpreter cannot {action}")]
    Unsupported {
        /// What was asked for.
        action: &'static str,
    },
    /// Something that a set-up makes is not there, or is damaged.
    #[error("the {backend} sandbox is not set up: {problem}")]
    NotSetUp {
        /// The backend.
        backend: &'static str,
        /// What is missing.
        problem: String,
        /// What to type.
        command: String,
    },
    /// Set-up failed.
    #[error("setting up the {backend} sandbox failed: {problem}")]
    SetUp {
        /// The backend.
        backend: &'static str,
        /// What failed.
        problem: String,
    },
    /// A folder of packages cannot be used.
    #[error("the packages cannot be used: {problem}")]
    Packages {
        /// What is wrong, with the file.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The host cannot keep the program in, so it is not run.
    #[error("the program is not run, because it could not be kept in: {problem}")]
    NotIsolated {
        /// What this machine lacks.
        problem: String,
    },
    /// The program that was to be started is not there, or cannot be seen from inside.
    #[error("no program named `{program}` in {}", if program.contains('/') { "the sandbox" } else { "PATH" })]
    NoProgram {
        /// Its name or path, as it was given.
        program: String,
    },
    /// There is no such file in the session.
    #[error("no file {path} in the session")]
    NoFile {
        /// The path.
        path: String,
    },
    /// The path does not lie in the session's folders.
    #[error("`{path}` is not a path in the session: {problem}")]
    BadPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },
    /// A limit would be passed.
    #[error("{what} would pass the session's limit of {limit}")]
    Limit {
        /// What.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The snapshot was made by another backend or another version of it, or is damaged.
    #[error("the snapshot does not fit: {problem}")]
    BadSnapshot {
        /// What differs.
        problem: String,
    },
    /// The backend failed.
    #[error("the interpreter failed: {problem}")]
    Backend {
        /// What it said.
        problem: String,
    },
}

impl InterpreterError {
    /// A failure of the backend.
    pub fn backend(problem: impl std::fmt::Display) -> Self {
        Self::Backend { problem: problem.to_string() }
    }

    /// What to do now, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Closed => "open a new session",
            Self::Unsupported { .. } => "ask `capabilities()` first, or take another backend",
            Self::NotSetUp { command, .. } => return Some(format!("type `{command}`")),
            Self::Packages { hint, .. } => return Some(hint.clone()),
            Self::SetUp { .. } => "mend what the message names, and set up again: it goes on where it stopped",
            Self::NotIsolated { .. } => {
                "use the wasm backend, which needs nothing of the host, or ask for an unsandboxed kernel by name"
            }
            Self::NoProgram { .. } => {
                "install it, or check its name; inside, the system's folders are seen and those that were named"
            }
            Self::NoFile { .. } => "`list_files()` names what is there",
            Self::BadPath { .. } => "files lie below /mnt/data and /tmp",
            Self::Limit { .. } => "raise the limit in `Limits`, or remove files",
            Self::BadSnapshot { .. } => "run the session's cells again in a new one",
            Self::Backend { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
