//! The model's deltas as what OpenAI's clients know: prose, thinking, calls, an end.

use futures::stream::{BoxStream, StreamExt};
use glassbox_model::{Delta, DeltaStream, FinishReason, TokenLogprob};
use uuid::Uuid;

use crate::error::ApiError;
use crate::metrics::{End, Running};
use crate::wire::{FunctionCall, ToolCallEntry, Usage};

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text { text: String, logprobs: Vec<TokenLogprob> },
    Reasoning(String),
    Call(ToolCallEntry),
    End { reason: &'static str, usage: Usage },
}

/// The pieces of a reply. The last one is an end or an error.
pub(super) fn pieces(deltas: DeltaStream, mut running: Running) -> BoxStream<'static, Result<Piece, ApiError>> {
    let mut seen = Seen::default();
    deltas
        .filter_map(move |delta| {
            let piece = match delta {
                Err(error) => Some(Err(error.into())),
                Ok(delta) => seen.read(delta).map(Ok),
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

/// What was seen of a reply.
#[derive(Default)]
struct Seen {
    called: bool,
    /// Of the tokens of the text that comes next.
    logprobs: Vec<TokenLogprob>,
}

impl Seen {
    fn read(&mut self, delta: Delta) -> Option<Piece> {
        Some(match delta {
            Delta::Logprobs { tokens } => {
                self.logprobs.extend(tokens);
                return None;
            }
            Delta::Text { text } if !text.is_empty() => self.text(text),
            Delta::Reasoning { text } if !text.is_empty() => {
                // OpenAI's shape has a place for those of the text alone.
                self.logprobs.clear();
                Piece::Reasoning(text)
            }
            Delta::CallReady { call } => {
                self.called = true;
                // Unique over all requests, as clients keep calls of several replies together.
                let id = format!("call_{}", Uuid::new_v4().simple());
                let function = FunctionCall { name: call.name, arguments: call.arguments.to_string() };
                Piece::Call(ToolCallEntry { id, kind: "function".to_owned(), function })
            }
            // There is no call to make of it, and nothing of a reply is lost.
            Delta::Malformed { raw, .. } => self.text(raw),
            Delta::CodeReady { source, .. } => self.text(source),
            Delta::Finished { reason, usage, .. } => Piece::End {
                reason: match reason {
                    FinishReason::Length | FinishReason::ContextFull | FinishReason::Repetition => "length",
                    _ if self.called => "tool_calls",
                    _ => "stop",
                },
                usage: usage.into(),
            },
            _ => return None,
        })
    }

    fn text(&mut self, text: String) -> Piece {
        Piece::Text { text, logprobs: std::mem::take(&mut self.logprobs) }
    }
}
