//! What a model sends back, piece by piece.

use std::time::Duration;

use glassbox_tools::{CallId, ToolCall};
use serde::{Deserialize, Serialize};

use crate::AssistantMessage;

/// The next piece of a reply. A reply ends with exactly one [`Delta::Finished`], or with an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delta {
    /// Tokens of the prompt are being read. Sent after each chunk.
    Prefill {
        /// Tokens read so far, those found in the KV cache included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
        /// Tokens found in the KV cache.
        reused: u32,
    },
    /// Prose.
    Text {
        /// Whole characters.
        text: String,
    },
    /// Thinking, where the model marks it.
    Reasoning {
        /// Whole characters.
        text: String,
    },
    /// How likely the tokens of the prose or thinking that comes next were, where the request asks for it. A token of
    /// which only a part is there yet is among them.
    Logprobs {
        /// The tokens, in the order in which they were written.
        tokens: Vec<TokenLogprob>,
    },
    /// A call has begun and its tool is known.
    CallStarted {
        /// The call.
        id: CallId,
        /// The tool's name.
        name: String,
    },
    /// More of a call's arguments, in the model's own syntax.
    CallArguments {
        /// The call.
        id: CallId,
        /// Whole characters.
        text: String,
    },
    /// A call is complete.
    CallReady {
        /// The call.
        call: ToolCall,
    },
    /// A program for the interpreter has begun.
    CodeStarted {
        /// The call.
        id: CallId,
    },
    /// More of the program.
    CodeText {
        /// The call.
        id: CallId,
        /// Whole characters.
        text: String,
    },
    /// The program is complete.
    CodeReady {
        /// The call.
        id: CallId,
        /// The program.
        source: String,
    },
    /// Something meant as a call that could not be read.
    Malformed {
        /// The call.
        id: CallId,
        /// The tool's name, where that much could be read.
        name: Option<String>,
        /// What the model wrote.
        raw: String,
        /// What was wrong, said to the model.
        problem: String,
    },
    /// The end.
    Finished {
        /// All that was written, as one message for the history.
        message: AssistantMessage,
        /// Why it ended.
        reason: FinishReason,
        /// What it cost.
        usage: Usage,
        /// How long it took.
        timings: Timings,
    },
}

/// How likely a token was: by the model alone, before penalties, temperature, cuts and grammar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token that was written.
    pub token: Likelihood,
    /// The likeliest tokens at its place, likeliest first; the one that was written need not be among them.
    pub top: Vec<Likelihood>,
}

/// A token and its likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// The token.
    pub id: u32,
    /// What it stands for; may be part of a character. A special is named by its text.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability.
    pub logprob: f32,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// The model was done, or wrote a stop text.
    Stop,
    /// A call or code waits for its observation.
    Calls,
    /// `max_tokens` were written.
    Length,
    /// The context is full.
    ContextFull,
    /// The request was cancelled.
    Cancelled,
    /// It said the same again and again, and whoever reads it had it stopped. No model gives this by itself.
    Repetition,
}

/// Tokens of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, the ones found in the KV cache and not computed again.
    pub reused_tokens: u32,
    /// Tokens written.
    pub completion_tokens: u32,
    /// The seed that was used.
    pub seed: u32,
}

/// Wall-clock times of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for the engine.
    pub queued: Duration,
    /// Reading the prompt.
    pub prefill: Duration,
    /// Writing.
    pub decode: Duration,
    /// From the request to the first token.
    pub first_token: Duration,
}
