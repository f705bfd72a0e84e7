//! What can go wrong with a model.

use std::path::PathBuf;

use crate::dialect::DialectError;

/// Why a model could not be loaded, or a generation not go on. `Display` says what failed, [`ModelError::hint`] what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no such file.
    #[error("no model file at {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is not a GGUF file, or is cut short.
    #[error("{} is not a usable GGUF file: {problem}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// llama.cpp could not load the file or make a context.
    #[error("llama.cpp could not {action}: {problem}")]
    Engine {
        /// What was tried: `load the model`, `make a context of N tokens`, `decode`.
        action: String,
        /// What it said.
        problem: String,
    },
    /// More memory would be needed than there is.
    #[error("{what} needs {needed} MiB and {available} MiB are free")]
    OutOfMemory {
        /// What needs it, such as `a context of 1000000 tokens`.
        what: String,
        /// MiB needed.
        needed: u64,
        /// MiB free.
        available: u64,
    },
    /// The prompt does not fit in the context.
    #[error("the conversation has {needed} tokens and the context holds {limit}")]
    ContextOverflow {
        /// Tokens of the prompt, and room for one more.
        needed: u32,
        /// Tokens that fit.
        limit: u32,
    },
    /// Too many generations wait.
    #[error("{waiting} generations wait already")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// A prompt of tokens cannot be read.
    #[error("the prompt cannot be read: {problem}")]
    Prompt {
        /// What is wrong with it.
        problem: String,
    },
    /// The conversation cannot be rendered or constrained.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// llguidance refused the grammar.
    #[error("the grammar of the tools was refused: {problem}")]
    Grammar {
        /// What it said.
        problem: String,
    },
    /// The adapter that a request names cannot be used, or not be loaded under its name.
    #[error("the adapter `{name}` cannot be used: {problem}")]
    Adapter {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
    /// A sampling value is out of range.
    #[error("{name} is {value}; it must be {range}")]
    Sampling {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A file of saved KV cannot be written, or not be used: it is damaged, or of another model. What it would have
    /// spared is computed again.
    #[error("the saved KV cache {}: {problem}", path.display())]
    KvFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The engine's thread is gone.
    #[error("the engine has stopped: {problem}")]
    Stopped {
        /// Why.
        problem: String,
    },
    /// The model could not be fetched.
    #[cfg(feature = "fetch")]
    #[error(transparent)]
    Fetch(#[from] crate::catalog::FetchError),
    /// A scripted model has no reply left.
    #[error("the script is over after {replies} replies")]
    ScriptOver {
        /// Replies that were given.
        replies: usize,
    },
}

impl ModelError {
    /// The kind in one word, for logs and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::BadFile { .. } => "bad_file",
            Self::Engine { .. } => "engine",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::ContextOverflow { .. } => "context_overflow",
            Self::QueueFull { .. } => "queue_full",
            Self::KvFile { .. } => "kv_file",
            Self::Prompt { .. } => "prompt",
            Self::Dialect(_) => "dialect",
            Self::Grammar { .. } => "grammar",
            Self::Adapter { .. } => "adapter",
            Self::Sampling { .. } => "sampling",
            Self::Stopped { .. } => "stopped",
            #[cfg(feature = "fetch")]
            Self::Fetch(_) => "fetch",
            Self::ScriptOver { .. } => "script_over",
        }
    }

    /// What to do now, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some("`glassbox models` lists the models that can be fetched by name".into()),
            Self::BadFile { .. } => Some(
                "fetch it again (`glassbox models pull NAME`), or convert it with llama.cpp's convert_hf_to_gguf.py"
                    .into(),
            ),
            Self::OutOfMemory { .. } => {
                Some("take a smaller context (`--context`), a smaller model, or a KV cache of type q8_0".into())
            }
            Self::ContextOverflow { .. } => Some(
                "start a new conversation, shorten the message, or load the model with a larger context (`--context`)"
                    .into(),
            ),
            Self::QueueFull { .. } => Some("try again when one is done".into()),
            Self::Adapter { .. } => {
                Some("load each with the model, under a name of its own: `--lora NAME=PATH`".into())
            }
            Self::Engine { .. } => Some("run again with RUST_LOG=llama-cpp-2=debug to see llama.cpp's own log".into()),
            Self::Dialect(DialectError::Schema { .. }) => {
                Some("simplify the tool's schema, or describe the constraint in words".into())
            }
            #[cfg(feature = "fetch")]
            Self::Fetch(error) => error.hint(),
            _ => None,
        }
    }
}
