//! Replies in one go.

use futures::stream::{BoxStream, StreamExt};
use glassbox_model::TokenLogprob;

use crate::error::ApiError;
use crate::piece::Piece;
use crate::wire::{ChatLogprobs, Choice, Completion, ReplyMessage, ToolCallEntry, Usage};

use super::{Indexed, Reply};

/// What a reply has so far.
#[derive(Default)]
struct Partial {
    content: String,
    reasoning: String,
    tool_calls: Vec<ToolCallEntry>,
    likely: Vec<TokenLogprob>,
    reason: Option<&'static str>,
}

/// Waits for all replies.
pub(super) async fn whole(reply: Reply, mut written: BoxStream<'static, Indexed>) -> Result<Completion, ApiError> {
    let mut usage: Usage = glassbox_model::Usage::default().into();
    let mut partial: Vec<Partial> = (0..reply.replies).map(|_| Partial::default()).collect();
    while let Some((index, piece)) = written.next().await {
        let piece = piece?;
        let Some(partial) = partial.get_mut(index) else { continue };
        match piece {
            Piece::Text { text, logprobs } => {
                partial.content.push_str(&text);
                partial.likely.extend(logprobs);
            }
            Piece::Reasoning(text) => partial.reasoning.push_str(&text),
            Piece::Call(call) => partial.tool_calls.push(call),
            Piece::End { reason, usage: more } => {
                partial.reason = Some(reason);
                usage.add(more, index == 0);
            }
        }
    }
    let choices = partial.into_iter().enumerate().map(|(index, partial)| partial.choice(index, reply.logprobs));
    Ok(Completion {
        choices: choices.collect::<Option<_>>().ok_or_else(ApiError::cut_short)?,
        id: reply.id,
        object: "chat.completion",
        created: reply.created,
        model: reply.model,
        system_fingerprint: reply.fingerprint,
        usage,
    })
}

impl Partial {
    /// The reply, where it has ended.
    fn choice(self, index: usize, logprobs: bool) -> Option<Choice> {
        let Self { content, reasoning, tool_calls, likely, reason } = self;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let message = ReplyMessage {
            role: "assistant",
            // Clients take a missing text for an error where there is no call either.
            content: if tool_calls.is_empty() { Some(content) } else { some(content) },
            reasoning_content: some(reasoning),
            tool_calls,
            refusal: None,
        };
        let logprobs = logprobs.then(|| ChatLogprobs::new(likely));
        Some(Choice { index, message, finish_reason: reason?, logprobs })
    }
}
