//! What a model is asked to do.

use glassbox_tools::ToolSpec;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::Message;

/// Whether the model may, must or must not call a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides; plain text is always possible.
    #[default]
    Auto,
    /// No calls: the tools are not even shown.
    None,
    /// At least one call, of any tool.
    Required,
    /// One call of this tool.
    Named(String),
    /// An answer in words: the tools stay in the prompt, but no call can begin, and the reply starts with a word. The
    /// loop asks for it when a model repeats itself.
    Answer,
}

/// Which LoRA adapter acts on a generation, of those that were loaded with the model. One acts at a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterChoice {
    /// The one that was loaded to act unasked; none where there is none.
    #[default]
    AsLoaded,
    /// None: the model alone.
    Base,
    /// The one of this name.
    Named {
        /// Its name.
        name: String,
        /// How strongly it acts; `None` is the scale that it was loaded with, 0 is the model alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f32>,
    },
}

/// The form of a reply in words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFormat {
    /// Text.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// A JSON object that follows this schema. Objects that declare properties take no others unless they say so.
    Schema(serde_json::Value),
}

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 takes the likeliest token (the default: the same question gives the same call); 1 samples as trained.
    pub temperature: f32,
    /// Keeps the smallest set of tokens with this much probability. 1 is off, the default.
    pub top_p: f32,
    /// Keeps the k likeliest tokens. 0 is off, the default.
    pub top_k: u32,
    /// Drops tokens less likely than this share of the likeliest. 0 is off, the default.
    pub min_p: f32,
    /// Divides the logits of the last 64 tokens. 1 is off, the default. Above 1 it can garble arguments that must be copied.
    pub repetition_penalty: f32,
    /// Taken from the logit of a token for each time that it stands in the reply. 0 is off, the default.
    pub frequency_penalty: f32,
    /// Taken from the logit of a token that stands in the reply. 0 is off, the default.
    pub presence_penalty: f32,
    /// Added to the logits of these tokens; -100 bans one. Default none.
    pub logit_bias: Vec<(u32, f32)>,
    /// Seed of the sampler; `None` draws one. The one used is in the usage of the reply.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
        }
    }
}

/// What the model shall know of the code interpreter. The dialect says how programs are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InterpreterNotes {
    /// Where programs run: the language's version, what is installed, where files lie. May be empty.
    pub environment: String,
    /// Functions that programs can call, as Python stubs. May be empty.
    pub functions: String,
    /// Files came with the last message of the user, which announces them.
    #[serde(default)]
    pub uploads: bool,
}

/// One generation: the whole conversation and what is allowed now.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The conversation, oldest first. The last one is a user message or an observation.
    pub messages: Vec<Message>,
    /// The tools that may be called.
    pub tools: Vec<ToolSpec>,
    /// Whether a tool may or must be called.
    pub tool_choice: ToolChoice,
    /// Offers the code interpreter.
    pub interpreter: bool,
    /// What the model shall know of it.
    pub interpreter_notes: InterpreterNotes,
    /// Allows more than one call in a reply. Default false.
    pub parallel_calls: bool,
    /// The form of the reply, calls aside. The grammar holds it; the prompt does not speak of it.
    pub format: ReplyFormat,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Which LoRA adapter acts.
    pub adapter: AdapterChoice,
    /// Says how likely each token of the reply's prose was, beside so many of the likeliest: [`Delta::Logprobs`]. Default
    /// `None`: nothing is said.
    ///
    /// [`Delta::Logprobs`]: crate::Delta::Logprobs
    pub logprobs: Option<u32>,
    /// The most tokens to write; `None` leaves it to the context.
    pub max_tokens: Option<u32>,
    /// Texts that end the reply; they are not part of it.
    pub stop: Vec<String>,
    /// The number that the next call gets in its [`CallId`](glassbox_tools::CallId): `call-N`. Counts over the session.
    pub next_call: u64,
    /// Cancels this generation.
    pub cancellation: CancellationToken,
}
