//! How a scripted reply is streamed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use glassbox_tools::{CallId, ToolCall};
use tokio::sync::Notify;

use super::Spoken;
use super::reply::{Reply, Step};
use crate::assembly::Assembly;
use crate::dialect::Chunk;
use crate::{Delta, DeltaStream, FinishReason, ModelError, Request, Timings, Usage, Vocab};

/// Characters of a piece. Small, so that what reads the pieces meets calls and words in the middle.
const PIECE: usize = 4;

/// A moment of a reply.
enum Moment {
    Delta(Delta),
    Wait(Arc<Notify>),
    Tell(Arc<Notify>),
    Hang,
    Pace(Duration),
    Fail(ModelError),
}

struct Play {
    moments: VecDeque<Moment>,
    request: Request,
    assembly: Assembly,
    reason: Option<FinishReason>,
    pace: Duration,
    usage: Usage,
    /// The most pieces that may be written, and why no more.
    room: (u32, FinishReason),
    started: Instant,
    timings: Timings,
}

pub(super) fn play(
    reply: Result<Reply, ModelError>,
    request: Request,
    prompt: u32,
    context: u32,
    spoken: Option<&Spoken>,
) -> DeltaStream {
    let (moments, reason) = match reply {
        Ok(reply) => (moments(reply.steps, &request, spoken), reply.reason),
        Err(error) => (VecDeque::from([Moment::Fail(error)]), None),
    };
    let left = context.saturating_sub(prompt);
    let room = match request.max_tokens {
        Some(max) if max < left => (max, FinishReason::Length),
        _ => (left, FinishReason::ContextFull),
    };
    let usage = Usage { prompt_tokens: prompt, seed: request.sampling.seed.unwrap_or(0), ..Usage::default() };
    let play = Play {
        moments,
        request,
        assembly: Assembly::default(),
        reason,
        pace: Duration::ZERO,
        usage,
        room,
        started: Instant::now(),
        timings: Timings::default(),
    };
    stream::unfold(Some(play), |play| async move { play?.next().await }).boxed()
}

impl Play {
    /// The next delta, and what comes after it.
    async fn next(mut self) -> Option<(Result<Delta, ModelError>, Option<Self>)> {
        // As a real model does: each token takes a while, and others run in the meantime.
        tokio::task::yield_now().await;
        loop {
            let cancellation = self.request.cancellation.clone();
            if cancellation.is_cancelled() {
                return Some((Ok(self.finish(Some(FinishReason::Cancelled))), None));
            }
            let paused = match self.moments.pop_front() {
                None => return Some((Ok(self.finish(None)), None)),
                Some(Moment::Fail(error)) => return Some((Err(error), None)),
                Some(Moment::Delta(delta)) => {
                    let (room, why) = self.room;
                    if self.usage.completion_tokens >= room {
                        return Some((Ok(self.finish(Some(why))), None));
                    }
                    self.wrote(&delta);
                    if !self.pace.is_zero() {
                        self.moments.push_front(Moment::Pace(self.pace));
                        let pause = tokio::time::sleep(self.pace);
                        tokio::select! { () = pause => {} () = cancellation.cancelled() => {} }
                    }
                    return Some((Ok(delta), Some(self)));
                }
                Some(Moment::Pace(pace)) => {
                    self.pace = pace;
                    continue;
                }
                Some(Moment::Tell(notify)) => {
                    notify.notify_one();
                    continue;
                }
                Some(Moment::Wait(notify)) => Some(notify),
                Some(Moment::Hang) => None,
            };
            match paused {
                Some(notify) => tokio::select! { () = notify.notified() => {} () = cancellation.cancelled() => {} },
                None => cancellation.cancelled().await,
            }
        }
    }

    fn wrote(&mut self, delta: &Delta) {
        self.assembly.push(delta);
        if matches!(delta, Delta::Prefill { .. }) {
            return;
        }
        if self.usage.completion_tokens == 0 {
            self.timings.first_token = self.started.elapsed();
        }
        self.usage.completion_tokens = self.usage.completion_tokens.saturating_add(1);
    }

    fn finish(self, reason: Option<FinishReason>) -> Delta {
        let message = self.assembly.finish();
        let natural = if message.needs_observation() { FinishReason::Calls } else { FinishReason::Stop };
        let timings = Timings { decode: self.started.elapsed(), ..self.timings };
        Delta::Finished { message, reason: reason.or(self.reason).unwrap_or(natural), usage: self.usage, timings }
    }
}

fn moments(steps: Vec<Step>, request: &Request, spoken: Option<&Spoken>) -> VecDeque<Moment> {
    let mut moments = VecDeque::new();
    let mut next_call = request.next_call;
    let mut id = || {
        let id = CallId(format!("call-{next_call}"));
        next_call = next_call.saturating_add(1);
        id
    };
    for step in steps {
        let mut write = |deltas: Vec<Delta>| moments.extend(deltas.into_iter().map(Moment::Delta));
        match step {
            Step::Text(text) => write(pieces(&text).map(|text| Delta::Text { text }).collect()),
            Step::Reasoning(text) => write(pieces(&text).map(|text| Delta::Reasoning { text }).collect()),
            Step::Call { name, arguments } => {
                let id = id();
                write(vec![Delta::CallStarted { id: id.clone(), name: name.clone() }]);
                write(
                    pieces(&arguments.to_string()).map(|text| Delta::CallArguments { id: id.clone(), text }).collect(),
                );
                write(vec![Delta::CallReady { call: ToolCall { id, name, arguments } }]);
            }
            Step::Code(source) => {
                let id = id();
                write(vec![Delta::CodeStarted { id: id.clone() }]);
                write(pieces(&source).map(|text| Delta::CodeText { id: id.clone(), text }).collect());
                write(vec![Delta::CodeReady { id, source }]);
            }
            Step::Malformed { name, raw, problem } => write(vec![Delta::Malformed { id: id(), name, raw, problem }]),
            Step::Raw(output) => match spoken {
                Some(spoken) => write(read(&output, request, spoken)),
                None => moments.push_back(Moment::Fail(ModelError::Stopped {
                    problem: "a raw reply needs ScriptedModel::with_dialect".to_owned(),
                })),
            },
            Step::Wait(notify) => moments.push_back(Moment::Wait(notify)),
            Step::Tell(notify) => moments.push_back(Moment::Tell(notify)),
            Step::Hang => moments.push_back(Moment::Hang),
            Step::Pace(pace) => moments.push_back(Moment::Pace(pace)),
            Step::Fail(error) => moments.push_back(Moment::Fail(error)),
        }
    }
    moments
}

/// What the dialect's parser makes of `output`.
fn read(output: &str, request: &Request, spoken: &Spoken) -> Vec<Delta> {
    let Spoken { dialect, vocab } = spoken;
    let mut stops = dialect.stop_tokens();
    stops.extend(vocab.end_of_generation());
    let mut parser = dialect.parser(request);
    let mut deltas = Vec::new();
    let mut rest = output;
    while !rest.is_empty() {
        let (text, special) = until_special(rest, vocab.as_ref());
        for piece in pieces(text) {
            parser.push(Chunk::Text(&piece), &mut deltas);
        }
        let Some((id, known_by, after)) = special else { break };
        if stops.contains(&id) {
            break;
        }
        parser.push(Chunk::Special(id, known_by), &mut deltas);
        rest = after;
    }
    parser.finish(&mut deltas);
    deltas
}

type Special<'a> = (u32, &'a str, &'a str);

/// The text before the first special; the special's id, its text, and what comes after it.
fn until_special<'a>(text: &'a str, vocab: &dyn Vocab) -> (&'a str, Option<Special<'a>>) {
    for (start, open) in text.char_indices().filter(|(_, c)| matches!(c, '<' | '[')) {
        let close = if open == '<' { '>' } else { ']' };
        let Some((before, tail)) = text.split_at_checked(start) else { continue };
        let found = tail.char_indices().take(64).filter(|(_, c)| *c == close).find_map(|(end, c)| {
            let (known_by, after) = tail.split_at_checked(end + c.len_utf8())?;
            Some((vocab.special(known_by)?, known_by, after))
        });
        if found.is_some() {
            return (before, found);
        }
    }
    (text, None)
}

/// `text` in pieces of a few whole characters.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut chars = text.chars();
    std::iter::from_fn(move || {
        let piece: String = chars.by_ref().take(PIECE).collect();
        (!piece.is_empty()).then_some(piece)
    })
}
