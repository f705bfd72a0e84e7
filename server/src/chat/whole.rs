//! A reply in one go.

use futures::stream::{BoxStream, StreamExt};

use crate::error::ApiError;
use crate::piece::Piece;
use crate::wire::{ChatLogprobs, Choice, Completion, ReplyMessage};

use super::Reply;

/// Waits for the whole reply.
pub(super) async fn whole(
    reply: Reply,
    mut pieces: BoxStream<'static, Result<Piece, ApiError>>,
) -> Result<Completion, ApiError> {
    let (mut content, mut reasoning, mut tool_calls) = (String::new(), String::new(), Vec::new());
    let mut likely = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Text { text, logprobs } => {
                content.push_str(&text);
                likely.extend(logprobs);
            }
            Piece::Reasoning(text) => reasoning.push_str(&text),
            Piece::Call(call) => tool_calls.push(call),
            Piece::End { reason, usage } => {
                let some = |text: String| (!text.is_empty()).then_some(text);
                let message = ReplyMessage {
                    role: "assistant",
                    // Clients take a missing text for an error where there is no call either.
                    content: if tool_calls.is_empty() { Some(content) } else { some(content) },
                    reasoning_content: some(reasoning),
                    tool_calls,
                    refusal: None,
                };
                let logprobs = reply.logprobs.then(|| ChatLogprobs::new(likely));
                return Ok(Completion {
                    id: reply.id,
                    object: "chat.completion",
                    created: reply.created,
                    model: reply.model,
                    system_fingerprint: reply.fingerprint,
                    choices: vec![Choice { index: 0, message, finish_reason: reason, logprobs }],
                    usage,
                });
            }
        }
    }
    Err(ApiError::cut_short())
}
