//! The bodies of `POST /v1/completions`, `/tokenize` and `/detokenize`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LoraField, SamplingFields, Stop, StreamOptions, Usage};

/// A request for text after prompts.
#[derive(Debug, Clone, Deserialize)]
pub struct TextRequest {
    /// A name from `/v1/models`.
    pub model: String,
    /// One prompt or several.
    pub prompt: Prompts,
    /// How tokens are chosen.
    #[serde(flatten)]
    pub sampling: SamplingFields,
    /// The most tokens to write after each. Default 16, as OpenAI has it.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Sends the text as it is written. Default false.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What a stream holds besides.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Texts that end the text.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Says how likely each token was, beside so many of the likeliest; at most 20.
    #[serde(default)]
    pub logprobs: Option<u32>,
    /// Begins the text with its prompt. Default false.
    #[serde(default)]
    pub echo: Option<bool>,
    /// Texts for each prompt. Default 1.
    #[serde(default)]
    pub n: Option<u32>,
    /// As in a chat.
    #[serde(default)]
    pub lora: Option<Vec<LoraField>>,
    /// Not supported, unless it is `n`.
    #[serde(default)]
    pub best_of: Option<u32>,
    /// Not supported, unless empty.
    #[serde(default)]
    pub suffix: Option<String>,
}

/// One prompt or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Prompts {
    /// Text.
    Text(String),
    /// The tokens of one.
    Tokens(Vec<u32>),
    /// Several texts.
    Texts(Vec<String>),
    /// The tokens of several.
    TokenLists(Vec<Vec<u32>>),
}

/// Text after prompts, or a piece of it.
#[derive(Debug, Clone, Serialize)]
pub struct TextReply {
    /// `cmpl-…`; the same in all chunks of a reply.
    pub id: String,
    /// `text_completion`.
    pub object: &'static str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// Same for the same weights.
    pub system_fingerprint: String,
    /// All texts, those of the first prompt first; one in a chunk, and none in the chunk with the usage.
    pub choices: Vec<TextChoice>,
    /// Of all texts. In a stream in the last chunk, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A text.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TextChoice {
    /// The text, or what is new of it.
    pub text: String,
    /// Which of the texts, from 0.
    pub index: usize,
    /// Where they were asked for.
    pub logprobs: Option<TextLogprobs>,
    /// `stop` or `length`; in a stream in the last chunk of a text.
    pub finish_reason: Option<&'static str>,
}

/// How likely the tokens of a text were.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextLogprobs {
    /// The tokens; what is no whole character in one is U+FFFD.
    pub tokens: Vec<String>,
    /// The natural logarithm of the probability of each.
    pub token_logprobs: Vec<f32>,
    /// The likeliest at the place of each, and the token itself.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each begins, in characters from the beginning of the text.
    pub text_offset: Vec<usize>,
}

/// A text that is to be cut into tokens.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenizeRequest {
    /// The text.
    pub content: String,
    /// Begins with the token that prompts begin with. Default false.
    #[serde(default)]
    pub add_special: bool,
    /// The texts of special tokens become those tokens. Default true.
    #[serde(default = "yes")]
    pub parse_special: bool,
    /// Gives the text of each token beside its number. Default false.
    #[serde(default)]
    pub with_pieces: bool,
}

/// Tokens that are to be put together.
#[derive(Debug, Clone, Deserialize)]
pub struct DetokenizeRequest {
    /// The tokens.
    pub tokens: Vec<u32>,
}

fn yes() -> bool {
    true
}
