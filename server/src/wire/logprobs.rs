//! How likely tokens were.

use glassbox_model::{Likelihood, TokenLogprob};
use serde::Serialize;

/// What stands for a probability of 0, as JSON has no infinity; it is OpenAI's number.
const LEAST: f32 = -9999.0;

/// Those of a reply, or of a piece of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatLogprobs {
    /// The tokens of the text, in their order; tokens of calls are not among them.
    pub content: Vec<LikelyToken>,
    /// Never.
    pub refusal: Option<()>,
}

/// A token that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LikelyToken {
    /// The token.
    #[serde(flatten)]
    pub token: Likely,
    /// The likeliest at its place, likeliest first.
    pub top_logprobs: Vec<Likely>,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likely {
    /// Its text; what is no whole character in it is U+FFFD.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes: those of several tokens may make up one character.
    pub bytes: Vec<u8>,
}

impl ChatLogprobs {
    pub(crate) fn new(tokens: Vec<TokenLogprob>) -> Self {
        let content = tokens.into_iter().map(|TokenLogprob { token, top }| LikelyToken {
            token: token.into(),
            top_logprobs: top.into_iter().map(Likely::from).collect(),
        });
        Self { content: content.collect(), refusal: None }
    }
}

impl From<Likelihood> for Likely {
    fn from(Likelihood { bytes, logprob, .. }: Likelihood) -> Self {
        Self { token: String::from_utf8_lossy(&bytes).into_owned(), logprob: finite(logprob), bytes }
    }
}

/// A logarithm that JSON can hold.
pub(crate) fn finite(logprob: f32) -> f32 {
    logprob.max(LEAST)
}
