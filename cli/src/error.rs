//! What can go wrong, what to do about it, and how the command then exits.

use std::io;
use std::path::{Path, PathBuf};

use glassbox::model::ModelError;
use glassbox::model::catalog::FetchError;
use glassbox::model::dialect::DialectError;
use glassbox::sandbox::InterpreterError;
use glassbox_server::ServeError;

use crate::exit::Exit;

/// Why the command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Something typed makes no sense.
    #[error("{message}")]
    Usage {
        /// What.
        message: String,
        /// What to type instead.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is not usable: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What it should be.
        hint: String,
    },
    /// Standard input cannot be read, or what came cannot be used.
    #[error("{problem}")]
    Input {
        /// What.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Where models come from.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A model of the catalog that was never fetched.
    #[error("{name} is not in the cache")]
    Absent {
        /// Its name.
        name: String,
    },
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] InterpreterError),
    /// The big sandbox is missing, and the small one is there.
    #[error("{error}")]
    OnlySmall {
        /// What is missing.
        error: InterpreterError,
        /// The option that would name the small one.
        option: &'static str,
    },
    /// The package that the big sandbox is made of could be had from nowhere, nor could that of the small one.
    #[error("{error}\nnor could the small sandbox be made in its place: {also}")]
    SandboxNotFetched {
        /// What was tried.
        error: FetchError,
        /// Why the small one could not be made.
        also: String,
    },
    /// ChatGLM3's tokenizer could be had from nowhere.
    #[error("{error}")]
    TokenizerNotFetched {
        /// What was tried.
        error: FetchError,
    },
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The agent.
    #[error(transparent)]
    Agent(#[from] glassbox::Error),
    /// The runtime under it all could not be started.
    #[error("cannot start: {what}")]
    Start {
        /// What failed.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C, outside of a turn.
    #[error("cancelled")]
    Cancelled,
    /// Ctrl-C while the sandbox was set up.
    #[error("cancelled; what is done is kept")]
    SetupCancelled,
}

impl CliError {
    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// A file or folder that could not be written.
    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        Self::File { action: "write", path: path.to_owned(), source }
    }

    /// A file that could not be read.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::File { action: "read", path: path.to_owned(), source }
    }

    /// What to do now, where there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Content { hint, .. } => Some(hint.clone()),
            Self::File { .. } => Some("check the path and its permissions".to_owned()),
            Self::Absent { name } => Some(format!("fetch it with `glassbox models pull {name}`")),
            Self::Input { hint, .. } => Some((*hint).to_owned()),
            Self::Model(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Sandbox(error) => error.hint(),
            Self::OnlySmall { error, option } => {
                let set_up = error.hint().unwrap_or_default();
                Some(format!(
                    "{set_up}, or add `{option} small`: that one is set up, and has the standard library alone"
                ))
            }
            Self::SandboxNotFetched { .. } => {
                Some("check the network (HTTPS_PROXY, PIP_INDEX_URL) and type the same again".to_owned())
            }
            Self::TokenizerNotFetched { .. } => Some(
                "check the network (HTTPS_PROXY, HF_ENDPOINT, PIP_INDEX_URL) and type the same again: that fetches it; or \
                 name a `tokenizer.model` of ChatGLM3, or a GGUF file with its vocabulary: `--tokenizer FILE`"
                    .to_owned(),
            ),
            Self::Agent(error) => error.hint(),
            Self::Serve(ServeError::NoKeys { .. }) => {
                Some("pass `--api-key KEY`, or `--no-auth` where anybody may ask".to_owned())
            }
            Self::Serve(error) => Some(error.hint().to_owned()),
            Self::SetupCancelled => Some("type the same again: it goes on where it stopped".to_owned()),
            Self::Output(_) | Self::Start { .. } | Self::Cancelled => None,
        }
    }

    /// What led to it, the nearest first, without what the message itself says already.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut said = self.to_string();
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                said.clone_from(&text);
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }

    /// How the command ends after it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            // Who reads our output has had enough of it: that is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Usage { .. } => Exit::Usage,
            Self::Absent { .. } => Exit::NoModel,
            Self::Fetch(error) | Self::TokenizerNotFetched { error } => of_fetch(error),
            Self::Model(error) | Self::Agent(glassbox::Error::Model(error)) => of_model(error),
            Self::Agent(glassbox::Error::ContextOverflow { .. }) => Exit::NoAnswer,
            Self::Agent(glassbox::Error::UnknownChoice { .. } | glassbox::Error::NothingToCall) => Exit::Usage,
            Self::Serve(ServeError::NoKeys { .. } | ServeError::BadOrigin { .. }) => Exit::Usage,
            Self::Cancelled | Self::SetupCancelled => Exit::Cancelled,
            _ => Exit::Error,
        }
    }
}

fn of_model(error: &ModelError) -> Exit {
    match error {
        ModelError::NotFound { .. } => Exit::NoModel,
        ModelError::Fetch(error) => of_fetch(error),
        ModelError::ContextOverflow { .. } => Exit::NoAnswer,
        ModelError::Sampling { .. }
        | ModelError::Adapter { .. }
        | ModelError::Dialect(DialectError::Unknown { .. }) => Exit::Usage,
        _ => Exit::Error,
    }
}

fn of_fetch(error: &FetchError) -> Exit {
    match error {
        FetchError::BadHubFile { .. } => Exit::Usage,
        FetchError::Cache { .. } | FetchError::NoCacheFolder | FetchError::Busy { .. } => Exit::Error,
        // Unknown names, missing files, sources that fail, a disk without room for the model.
        _ => Exit::NoModel,
    }
}
