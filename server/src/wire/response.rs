//! Replies, whole and in chunks.

use serde::Serialize;

use super::{ChatLogprobs, ToolCallEntry};

/// A whole reply.
#[derive(Debug, Clone, Serialize)]
pub struct Completion {
    /// `chatcmpl-…`.
    pub id: String,
    /// `chat.completion`.
    pub object: &'static str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// Same for the same weights.
    pub system_fingerprint: String,
    /// One, or `n`.
    pub choices: Vec<Choice>,
    /// Tokens.
    pub usage: Usage,
}

/// A reply in it.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// Which of the replies, from 0.
    pub index: usize,
    /// The reply.
    pub message: ReplyMessage,
    /// `stop`, `length` or `tool_calls`.
    pub finish_reason: &'static str,
    /// Where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
}

/// What the model wrote.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplyMessage {
    /// `assistant`.
    pub role: &'static str,
    /// Prose; `null` where there is none beside calls.
    pub content: Option<String>,
    /// Thinking, where the model marks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls for the caller to make.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallEntry>,
    /// Never.
    pub refusal: Option<()>,
}

/// Tokens of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Written.
    pub completion_tokens: u32,
    /// Both.
    pub total_tokens: u32,
    /// More on the prompt.
    pub prompt_tokens_details: PromptDetails,
}

impl From<glassbox_model::Usage> for Usage {
    fn from(usage: glassbox_model::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens: usage.reused_tokens },
        }
    }
}

impl Usage {
    /// Adds those of another reply. The prompt of several replies counts once: `first` says whether this one has it.
    pub(crate) fn add(&mut self, usage: Self, first: bool) {
        if first {
            self.prompt_tokens = self.prompt_tokens.saturating_add(usage.prompt_tokens);
            let PromptDetails { cached_tokens } = &mut self.prompt_tokens_details;
            *cached_tokens = cached_tokens.saturating_add(usage.prompt_tokens_details.cached_tokens);
        }
        self.completion_tokens = self.completion_tokens.saturating_add(usage.completion_tokens);
        self.total_tokens = self.prompt_tokens.saturating_add(self.completion_tokens);
    }
}

/// More on the prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PromptDetails {
    /// Found in the KV cache and not computed again.
    pub cached_tokens: u32,
}

/// A piece of a streamed reply.
#[derive(Debug, Clone, Serialize)]
pub struct Chunk {
    /// The same in all chunks of a reply.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: &'static str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// Same for the same weights.
    pub system_fingerprint: String,
    /// One; none in the chunk with the usage.
    pub choices: Vec<ChunkChoice>,
    /// In the last chunk, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The piece in it.
#[derive(Debug, Clone, Serialize)]
pub struct ChunkChoice {
    /// Which of the replies, from 0.
    pub index: usize,
    /// What is new.
    pub delta: ChunkDelta,
    /// In the last chunk of the reply.
    pub finish_reason: Option<&'static str>,
    /// Those of the tokens of its text, where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
}

/// What is new.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChunkDelta {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// More prose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<DeltaCall>,
}

/// More of a call.
#[derive(Debug, Clone, Serialize)]
pub struct DeltaCall {
    /// Which call of the reply, from 0.
    pub index: u32,
    /// In its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, in its first piece.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The function.
    pub function: DeltaFunction,
}

/// More of a call's function.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeltaFunction {
    /// In the call's first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the arguments, a JSON object as text.
    pub arguments: String,
}
