//! The model's deltas as what OpenAI's clients know: prose, thinking, calls, an end.

use futures::stream::{BoxStream, StreamExt};
use glassbox_model::{Delta, DeltaStream, FinishReason};
use uuid::Uuid;

use crate::error::ApiError;
use crate::metrics::{End, Running};
use crate::wire::{FunctionCall, PromptDetails, ToolCallEntry, Usage};

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Reasoning(String),
    Call(ToolCallEntry),
    End { reason: &'static str, usage: Usage },
}

/// The pieces of a reply. The last one is an end or an error.
pub(super) fn pieces(deltas: DeltaStream, mut running: Running) -> BoxStream<'static, Result<Piece, ApiError>> {
    let mut called = false;
    deltas
        .filter_map(move |delta| {
            let piece = match delta {
                Err(error) => Some(Err(error.into())),
                Ok(delta) => read(delta, &mut called).map(Ok),
            };
            match &piece {
                Some(Ok(Piece::End { reason, usage })) => running.ended(end(reason), Some(usage)),
                Some(Ok(_)) => running.piece(),
                Some(Err(_)) => running.ended(End::error, None),
                None => {}
            }
            std::future::ready(piece)
        })
        .boxed()
}

fn end(reason: &str) -> End {
    match reason {
        "tool_calls" => End::tool_calls,
        "length" => End::length,
        _ => End::stop,
    }
}

fn read(delta: Delta, called: &mut bool) -> Option<Piece> {
    Some(match delta {
        Delta::Text { text } if !text.is_empty() => Piece::Text(text),
        Delta::Reasoning { text } if !text.is_empty() => Piece::Reasoning(text),
        Delta::CallReady { call } => {
            *called = true;
            // Unique over all requests, as clients keep calls of several replies together.
            let id = format!("call_{}", Uuid::new_v4().simple());
            let function = FunctionCall { name: call.name, arguments: call.arguments.to_string() };
            Piece::Call(ToolCallEntry { id, kind: "function".to_owned(), function })
        }
        // There is no call to make of it, and nothing of a reply is lost.
        Delta::Malformed { raw, .. } => Piece::Text(raw),
        Delta::CodeReady { source, .. } => Piece::Text(source),
        Delta::Finished { reason, usage, .. } => Piece::End {
            reason: match reason {
                FinishReason::Length | FinishReason::ContextFull | FinishReason::Repetition => "length",
                _ if *called => "tool_calls",
                _ => "stop",
            },
            usage: Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
                total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
                prompt_tokens_details: PromptDetails { cached_tokens: usage.reused_tokens },
            },
        },
        _ => return None,
    })
}
