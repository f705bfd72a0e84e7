//! The model's deltas as what OpenAI's clients know: prose, thinking, calls, an end.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use glassbox_model::{Delta, DeltaStream, FinishReason, TokenLogprob};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::ApiError;
use crate::metrics::{End, Running};
use crate::state::Shared;
use crate::wire::{FunctionCall, ToolCallEntry, Usage};

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text { text: String, logprobs: Vec<TokenLogprob> },
    Reasoning(String),
    Call(ToolCallEntry),
    End { reason: &'static str, usage: Usage },
}

/// Cancels a generation when its time is over.
struct Deadline(JoinHandle<()>);

impl Deadline {
    fn new(limit: Duration, cancellation: CancellationToken) -> Self {
        // A task of its own: a client that does not read does not have the stream polled.
        Self(tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            cancellation.cancel();
        }))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pieces of a reply to which the tools `offered` may be called, and whose generation `cancellation` cancels. The last one is
/// an end or an error.
pub(crate) fn pieces(
    shared: &Arc<Shared>,
    cancellation: CancellationToken,
    offered: Vec<String>,
    deltas: DeltaStream,
) -> BoxStream<'static, Result<Piece, ApiError>> {
    let limit = shared.time_limit;
    let deadline = Deadline::new(limit, cancellation);
    let mut running = Running::new(Arc::clone(shared));
    let mut seen = Seen { offered, called: false, logprobs: Vec::new() };
    deltas
        .filter_map(move |delta| {
            // It goes when the stream goes.
            let _ = &deadline;
            let piece = match delta {
                Err(error) => {
                    running.ended(End::error);
                    Some(Err(error.into()))
                }
                Ok(Delta::Finished { reason: FinishReason::Cancelled, usage, timings, .. }) => {
                    running.finished(End::time_limit, &usage, &timings);
                    Some(Err(ApiError::time_limit(limit)))
                }
                Ok(delta) => {
                    let end = match &delta {
                        Delta::Finished { usage, timings, .. } => Some((*usage, *timings)),
                        Delta::Prefill { .. } => None,
                        _ => {
                            running.token();
                            None
                        }
                    };
                    let piece = seen.read(delta);
                    if let (Some((usage, timings)), Some(Piece::End { reason, .. })) = (end, &piece) {
                        running.finished(ended(reason), &usage, &timings);
                    }
                    piece.map(Ok)
                }
            };
            std::future::ready(piece)
        })
        .boxed()
}

fn ended(reason: &str) -> End {
    match reason {
        "tool_calls" => End::tool_calls,
        "length" => End::length,
        _ => End::stop,
    }
}

/// What was seen of a reply.
struct Seen {
    /// The names of the tools that may be called.
    offered: Vec<String>,
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
            Delta::CallReady { call } if self.offered.contains(&call.name) => {
                self.called = true;
                // Unique over all requests, as clients keep calls of several replies together.
                let id = format!("call_{}", Uuid::new_v4().simple());
                let function = FunctionCall { name: call.name, arguments: call.arguments.to_string() };
                Piece::Call(ToolCallEntry { id, kind: "function".to_owned(), function })
            }
            // There is no call to make of these, and nothing of a reply is lost.
            Delta::CallReady { call } => self.text(json!({"name": call.name, "arguments": call.arguments}).to_string()),
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
