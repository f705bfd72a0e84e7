//! A reply in chunks, as server-sent events.

use futures::stream::{self, BoxStream, Stream, StreamExt};

use crate::error::ApiError;
use crate::piece::Piece;
use crate::sse::to_text;
use crate::wire::{ChatLogprobs, Chunk, ChunkChoice, ChunkDelta, DeltaCall, DeltaFunction, Usage};

use super::Reply;

/// The data of the events.
pub(super) fn data(
    reply: Reply,
    include_usage: bool,
    pieces: BoxStream<'static, Result<Piece, ApiError>>,
) -> impl Stream<Item = String> + Send + 'static {
    let first = ChunkDelta { role: Some("assistant"), content: Some(String::new()), ..ChunkDelta::default() };
    let first = to_text(&reply.chunk(Some((first, None)), None));
    let mut calls = 0_u32;
    let chunks = pieces.flat_map(move |piece| {
        let texts = match piece {
            Ok(piece) => chunks(&reply, include_usage, piece, &mut calls),
            Err(error) => vec![error.body().to_string()],
        };
        stream::iter(texts)
    });
    stream::once(std::future::ready(first)).chain(chunks)
}

fn chunks(reply: &Reply, include_usage: bool, piece: Piece, calls: &mut u32) -> Vec<String> {
    let delta = |delta: ChunkDelta| to_text(&reply.chunk(Some((delta, None)), None));
    match piece {
        Piece::Text { text, logprobs } => {
            let mut chunk =
                reply.chunk(Some((ChunkDelta { content: Some(text), ..ChunkDelta::default() }, None)), None);
            if let Some(choice) = chunk.choices.first_mut().filter(|_| reply.logprobs) {
                choice.logprobs = Some(ChatLogprobs::new(logprobs));
            }
            vec![to_text(&chunk)]
        }
        Piece::Reasoning(text) => vec![delta(ChunkDelta { reasoning_content: Some(text), ..ChunkDelta::default() })],
        Piece::Call(call) => {
            let index = *calls;
            *calls = calls.saturating_add(1);
            // As OpenAI has it: the name first, then the arguments, which some clients only add up from the second on.
            let begun = DeltaCall {
                index,
                id: Some(call.id),
                kind: Some("function"),
                function: DeltaFunction { name: Some(call.function.name), arguments: String::new() },
            };
            let arguments = DeltaFunction { name: None, arguments: call.function.arguments };
            let more = DeltaCall { index, id: None, kind: None, function: arguments };
            let of = |call| delta(ChunkDelta { tool_calls: vec![call], ..ChunkDelta::default() });
            vec![of(begun), of(more)]
        }
        Piece::End { reason, usage } => {
            let mut texts = vec![to_text(&reply.chunk(Some((ChunkDelta::default(), Some(reason))), None))];
            if include_usage {
                texts.push(to_text(&reply.chunk(None, Some(usage))));
            }
            texts
        }
    }
}

impl Reply {
    fn chunk(&self, choice: Option<(ChunkDelta, Option<&'static str>)>, usage: Option<Usage>) -> Chunk {
        let choice =
            choice.map(|(delta, finish_reason)| ChunkChoice { index: 0, delta, finish_reason, logprobs: None });
        Chunk {
            id: self.id.clone(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.fingerprint.clone(),
            choices: choice.into_iter().collect(),
            usage,
        }
    }
}
