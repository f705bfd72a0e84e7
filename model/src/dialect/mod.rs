//! Dialects: how a family of models is spoken to, and how it speaks.
//!
//! A dialect renders a conversation to [`Piece`]s, parses what the model writes, names the tokens at which a reply
//! ends, and writes the grammar of a call.

pub mod chatglm3;
pub mod detect;
pub mod generic;
pub mod glm4;
pub mod hermes;
pub mod literal;

mod chat;
mod fence;
mod grammar;
mod json_calls;
mod maker;
mod order;
pub(crate) mod pyjson;
mod reply;
mod steering;
mod template;

use std::sync::Arc;

pub use chatglm3::ChatGlm3;
pub use detect::{NAMES, by_name, detect};
pub use generic::Generic;
pub use glm4::Glm4;
pub use hermes::Hermes;
pub use maker::Maker;
pub use steering::{CallList, Follows, Grounds, Hesitation, Judge, Persistence, Prior, Steering};

use crate::{Delta, Request, Vocab};

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A special token, by id.
    Special(u32),
    /// Text, tokenised on its own with specials off.
    Text(String),
    /// Tokens as the model itself wrote them.
    Tokens(Vec<u32>),
}

/// A part of a reply, as the parser gets it: whole characters, or a special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Text.
    Text(&'a str),
    /// A special token and the text by which it is known.
    Special(u32, &'a str),
}

/// Constraint on a whole reply, in llguidance's Lark syntax. Special tokens stand in it as `<[id]>`. The stop tokens
/// are not part of it: a reply may stop wherever the grammar accepts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grammar {
    /// The grammar.
    pub lark: String,
}

/// Why a conversation cannot be rendered, or a grammar not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// Messages stand in an order that the format does not know.
    #[error("{problem}")]
    Order {
        /// What stands where it must not.
        problem: String,
    },
    /// The model's own template failed.
    #[error("the model's chat template failed: {problem}")]
    Template {
        /// What minijinja said.
        problem: String,
    },
    /// A special that the dialect needs is not in the vocabulary.
    #[error("the dialect `{dialect}` needs the token {token}, which this model does not have")]
    MissingToken {
        /// The dialect.
        dialect: &'static str,
        /// The token's text.
        token: String,
    },
    /// A tool's schema uses what no grammar can be written for.
    #[error("no grammar can be written for tool `{tool}`: {problem}")]
    Schema {
        /// The tool.
        tool: String,
        /// The keyword, and where it stands.
        problem: String,
    },
    /// The schema of the reply uses what no grammar can be written for.
    #[error("no grammar can be written for the reply's schema: {problem}")]
    Format {
        /// The keyword, and where it stands.
        problem: String,
    },
    /// `tool_choice` names a tool that is not offered, or asks for a call without tools.
    #[error("tool_choice asks for {asked}, but {problem}")]
    ToolChoice {
        /// What was asked for.
        asked: String,
        /// Why it cannot be had.
        problem: String,
    },
    /// No dialect has this name.
    #[error("there is no dialect `{name}`; known: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The known ones.
        known: String,
    },
}

/// A chat format. Holds the ids of its specials, so it belongs to one vocabulary.
pub trait Dialect: Send + Sync {
    /// `chatglm3`, `glm4`, `hermes`, `generic`, …
    fn name(&self) -> &'static str;

    /// Renders the conversation, up to where the model begins to write.
    ///
    /// Append-only: what is rendered for a conversation starts with what was rendered for its beginning, where
    /// `fingerprint` is that of the recorded tokens.
    ///
    /// # Errors
    /// [`DialectError`] where the messages do not fit the format.
    fn render(&self, request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError>;

    /// A parser for one reply.
    fn parser(&self, request: &Request) -> Box<dyn OutputParser>;

    /// Ids at which a reply ends, besides those that the model file declares.
    fn stop_tokens(&self) -> Vec<u32>;

    /// The grammar of the reply; `None` where nothing is to be constrained (text without tools, or `tool_choice: none`).
    ///
    /// # Errors
    /// [`DialectError::Schema`], [`DialectError::Format`] or [`DialectError::ToolChoice`]; never a silent downgrade.
    fn grammar(&self, request: &Request) -> Result<Option<Grammar>, DialectError>;

    /// What of the reply the model's own choice does not settle; by default nothing.
    ///
    /// # Errors
    /// As [`Dialect::grammar`].
    fn steering(&self, _request: &Request) -> Result<Steering, DialectError> {
        Ok(Steering::default())
    }
}

/// Reads one reply. Total: any chunks give deltas, nothing panics, nothing that was meant as a call disappears.
///
/// Gives [`Delta::Text`], `Reasoning`, `CallStarted`, `CallArguments`, `CallReady`, `CodeStarted`, `CodeText`,
/// `CodeReady` and `Malformed`; never `Prefill` or `Finished`.
pub trait OutputParser: Send {
    /// Takes the next chunk.
    fn push(&mut self, chunk: Chunk<'_>, out: &mut Vec<Delta>);

    /// The reply is over: what was held back comes out.
    fn finish(&mut self, out: &mut Vec<Delta>);

    /// True where it is to be told how sure the model is of each token. Default false.
    fn asks_how_sure(&self) -> bool {
        false
    }

    /// How likely the token was whose text comes next, from 0 to 1; 1 where the grammar left no choice.
    fn sure(&mut self, _probability: f32) {}

    /// False where something that was written is in none of the deltas. Default true.
    fn told_all(&self) -> bool {
        true
    }
}

/// Tokenises a prompt.
pub fn tokenize(pieces: &[Piece], vocab: &dyn Vocab) -> Vec<u32> {
    let mut ids = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Special(id) => ids.push(*id),
            Piece::Text(text) => ids.extend(vocab.tokenize(text)),
            Piece::Tokens(tokens) => ids.extend_from_slice(tokens),
        }
    }
    ids
}

/// A dialect and what a person should know of the choice.
#[derive(Clone)]
pub struct Choice {
    /// The dialect.
    pub dialect: Arc<dyn Dialect>,
    /// Said aloud: an unknown template and what was chosen in its place, a model that was never trained on tools.
    pub notes: Vec<String>,
}
