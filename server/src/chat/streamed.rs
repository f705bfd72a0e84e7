//! Replies in chunks, as server-sent events.

use futures::stream::{self, BoxStream, Stream, StreamExt};

use crate::piece::Piece;
use crate::sse::to_text;
use crate::wire::{ChatLogprobs, Chunk, ChunkChoice, ChunkDelta, DeltaCall, DeltaFunction, Usage};

use super::{Indexed, Reply};

/// What was told of the replies.
struct Told {
    reply: Reply,
    /// Calls of each.
    calls: Vec<u32>,
    /// Replies that have ended.
    ended: usize,
    /// Of all; `None` where it is not asked for.
    usage: Option<Usage>,
}

/// The data of the events. An error is the last one.
pub(super) fn data(
    reply: Reply,
    include_usage: bool,
    written: BoxStream<'static, Indexed>,
) -> impl Stream<Item = String> + Send + 'static {
    let first = || ChunkDelta { role: Some("assistant"), content: Some(String::new()), ..ChunkDelta::default() };
    let first: Vec<String> =
        (0..reply.replies).map(|index| to_text(&reply.chunk(Some((index, first(), None)), None))).collect();
    let usage = include_usage.then(|| glassbox_model::Usage::default().into());
    let told = Told { calls: vec![0; reply.replies], ended: 0, usage, reply };
    let chunks = stream::unfold((told, written, false), |(mut told, mut written, failed)| async move {
        if failed {
            return None;
        }
        let (texts, failed) = match written.next().await? {
            (index, Ok(piece)) => (told.chunks(index, piece), false),
            (_, Err(error)) => (vec![error.body().to_string()], true),
        };
        Some((stream::iter(texts), (told, written, failed)))
    });
    stream::iter(first).chain(chunks.flatten())
}

impl Told {
    fn chunks(&mut self, index: usize, piece: Piece) -> Vec<String> {
        let Self { reply, calls, ended, usage: all } = self;
        let delta = |delta: ChunkDelta| to_text(&reply.chunk(Some((index, delta, None)), None));
        match piece {
            Piece::Text { text, logprobs } => {
                let mut chunk =
                    reply.chunk(Some((index, ChunkDelta { content: Some(text), ..ChunkDelta::default() }, None)), None);
                if let Some(choice) = chunk.choices.first_mut().filter(|_| reply.logprobs) {
                    choice.logprobs = Some(ChatLogprobs::new(logprobs));
                }
                vec![to_text(&chunk)]
            }
            Piece::Reasoning(text) => {
                vec![delta(ChunkDelta { reasoning_content: Some(text), ..ChunkDelta::default() })]
            }
            Piece::Call(call) => {
                let Some(calls) = calls.get_mut(index) else { return Vec::new() };
                let number = *calls;
                *calls = calls.saturating_add(1);
                // As OpenAI has it: the name first, then the arguments, which some clients only add up from the second on.
                let begun = DeltaCall {
                    index: number,
                    id: Some(call.id),
                    kind: Some("function"),
                    function: DeltaFunction { name: Some(call.function.name), arguments: String::new() },
                };
                let arguments = DeltaFunction { name: None, arguments: call.function.arguments };
                let more = DeltaCall { index: number, id: None, kind: None, function: arguments };
                let of = |call| delta(ChunkDelta { tool_calls: vec![call], ..ChunkDelta::default() });
                vec![of(begun), of(more)]
            }
            Piece::End { reason, usage } => {
                let mut texts = vec![to_text(&reply.chunk(Some((index, ChunkDelta::default(), Some(reason))), None))];
                *ended = ended.saturating_add(1);
                if let Some(all) = all {
                    all.add(usage, index == 0);
                    if *ended == reply.replies {
                        texts.push(to_text(&reply.chunk(None, Some(*all))));
                    }
                }
                texts
            }
        }
    }
}

impl Reply {
    fn chunk(&self, choice: Option<(usize, ChunkDelta, Option<&'static str>)>, usage: Option<Usage>) -> Chunk {
        let choice =
            choice.map(|(index, delta, finish_reason)| ChunkChoice { index, delta, finish_reason, logprobs: None });
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
