//! What a turn cost.

use std::time::Duration;

use glassbox_model::{Timings, Usage};
use serde::{Deserialize, Serialize};

/// Tokens of all generations of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TurnUsage {
    /// How often the model generated.
    pub generations: u32,
    /// Tokens of the prompts. A turn with a call has two prompts, and the second holds the first.
    pub prompt_tokens: u32,
    /// Of those, the ones found in the KV cache and not computed again.
    pub reused_tokens: u32,
    /// Tokens written.
    pub completion_tokens: u32,
    /// The seed of the last generation.
    pub seed: u32,
}

impl TurnUsage {
    /// Adds one generation.
    pub(crate) fn add(&mut self, usage: &Usage) {
        self.generations = self.generations.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(usage.prompt_tokens);
        self.reused_tokens = self.reused_tokens.saturating_add(usage.reused_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(usage.completion_tokens);
        self.seed = usage.seed;
    }
}

/// Wall-clock times of a turn; in JSON, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TurnTimings {
    /// The whole turn.
    #[serde(rename = "total_ms", with = "crate::millis")]
    pub total: Duration,
    /// Waiting for the engine.
    #[serde(rename = "queued_ms", with = "crate::millis")]
    pub queued: Duration,
    /// Reading prompts.
    #[serde(rename = "prefill_ms", with = "crate::millis")]
    pub prefill: Duration,
    /// Writing.
    #[serde(rename = "decode_ms", with = "crate::millis")]
    pub decode: Duration,
    /// From the first request to its first token.
    #[serde(rename = "first_token_ms", with = "crate::millis")]
    pub first_token: Duration,
    /// Running tools and code. Calls beside each other count once.
    #[serde(rename = "tools_ms", with = "crate::millis")]
    pub tools: Duration,
}

impl TurnTimings {
    /// Adds one generation.
    pub(crate) fn add(&mut self, timings: &Timings, first: bool) {
        self.queued = self.queued.saturating_add(timings.queued);
        self.prefill = self.prefill.saturating_add(timings.prefill);
        self.decode = self.decode.saturating_add(timings.decode);
        if first {
            self.first_token = timings.first_token;
        }
    }
}
