//! One reply: from the engine's tokens to deltas.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{Inner, Prepared, text::StopTexts};
use crate::{
    AssistantMessage, Delta, FinishReason, Likelihood, ModelError, RawTokens, Timings, TokenLogprob, Usage, Vocab,
    assembly::Assembly,
    characters::Characters,
    dialect::{Chunk, OutputParser},
    engine::{EngineEvent, EngineStream, GenerateRequest},
};

/// Starts the generation and gives its deltas. `asked`: when the request came.
pub(super) fn start(
    inner: &Arc<Inner>,
    prepared: Prepared,
    asked: Instant,
) -> impl Stream<Item = Result<Delta, ModelError>> + Send + use<> {
    let Prepared { prompt, grammar, steering, parser, stop_tokens, request } = prepared;
    // A stop text cancels this generation, not the request.
    let cancellation = request.cancellation.child_token();
    let events = inner.engine.generate(GenerateRequest {
        prompt,
        sampling: request.sampling,
        adapter: request.adapter,
        stop_tokens,
        constraint: grammar,
        steering,
        max_tokens: request.max_tokens,
        logprobs: request.logprobs,
        how_sure: parser.asks_how_sure(),
        cancellation: cancellation.clone(),
    });
    let reply = Reply {
        inner: Arc::clone(inner),
        events,
        parser,
        characters: Characters::default(),
        stops: StopTexts::new(request.stop),
        assembly: Assembly::default(),
        ids: Vec::new(),
        likely: None,
        sure: None,
        unsaid: Vec::new(),
        stopped: false,
        cancellation,
        prepared: asked.elapsed(),
        ready: VecDeque::new(),
        over: false,
    };
    stream::unfold(reply, |mut reply| async move { reply.next().await.map(|item| (item, reply)) })
}

struct Reply {
    inner: Arc<Inner>,
    events: EngineStream,
    parser: Box<dyn OutputParser>,
    characters: Characters,
    stops: StopTexts,
    assembly: Assembly,
    /// The tokens written.
    ids: Vec<u32>,
    /// How likely the next token is.
    likely: Option<(f32, Vec<(u32, f32)>)>,
    /// How sure the model is of the next token.
    sure: Option<f32>,
    /// How likely the tokens were whose text is not told yet.
    unsaid: Vec<TokenLogprob>,
    /// True once a stop text was found: what comes after it is passed over.
    stopped: bool,
    cancellation: CancellationToken,
    /// How long rendering and tokenising took.
    prepared: Duration,
    ready: VecDeque<Delta>,
    over: bool,
}

impl Reply {
    async fn next(&mut self) -> Option<Result<Delta, ModelError>> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Some(Ok(delta));
            }
            if self.over {
                return None;
            }
            match self.events.next().await {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(error));
                }
                None => self.over = true,
            }
        }
    }

    fn take(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Prefill { done, total, reused } => {
                self.ready.push_back(Delta::Prefill { done, total, reused });
            }
            EngineEvent::Logprobs { chosen, top } => self.likely = Some((chosen, top)),
            EngineEvent::Sure { probability } => self.sure = Some(probability),
            EngineEvent::Token { id } => {
                if !self.stopped {
                    self.token(id);
                }
            }
            EngineEvent::Finished { reason, usage, timings } => self.finish(reason, usage, timings),
        }
    }

    fn token(&mut self, id: u32) {
        self.ids.push(id);
        self.parser.sure(self.sure.take().unwrap_or(1.0));
        if let Some((chosen, top)) = self.likely.take() {
            let top = top.into_iter().map(|(id, logprob)| self.likelihood(id, logprob)).collect();
            self.unsaid.push(TokenLogprob { token: self.likelihood(id, chosen), top });
        }
        match self.inner.vocab.special_text(id) {
            Some(known_by) => {
                // No character and no stop text goes on past a special.
                self.end_of_text();
                if !self.stopped {
                    self.parse(Chunk::Special(id, &known_by));
                }
            }
            None => {
                let text = self.characters.push(&self.inner.vocab.piece(id));
                self.text(&text);
            }
        }
    }

    fn likelihood(&self, id: u32, logprob: f32) -> Likelihood {
        Likelihood { id, bytes: self.inner.vocab.named_piece(id), logprob }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let (text, found) = self.stops.push(text);
        if !text.is_empty() {
            self.parse(Chunk::Text(&text));
        }
        if found {
            self.stopped = true;
            self.cancellation.cancel();
        }
    }

    fn end_of_text(&mut self) {
        let broken = self.characters.finish();
        self.text(broken);
        let held = self.stops.flush();
        if !held.is_empty() && !self.stopped {
            self.parse(Chunk::Text(&held));
        }
    }

    fn parse(&mut self, chunk: Chunk<'_>) {
        let mut deltas = Vec::new();
        self.parser.push(chunk, &mut deltas);
        self.give(deltas);
    }

    fn give(&mut self, deltas: Vec<Delta>) {
        for delta in deltas {
            self.assembly.push(&delta);
            match delta {
                Delta::Text { .. } | Delta::Reasoning { .. } | Delta::Malformed { .. } if !self.unsaid.is_empty() => {
                    self.ready.push_back(Delta::Logprobs { tokens: std::mem::take(&mut self.unsaid) });
                }
                // Those of calls and programs are nobody's prose.
                Delta::CallReady { .. } | Delta::CodeReady { .. } => self.unsaid.clear(),
                _ => {}
            }
            self.ready.push_back(delta);
        }
    }

    fn finish(&mut self, reason: FinishReason, usage: Usage, timings: Timings) {
        self.over = true;
        if !self.stopped {
            self.end_of_text();
        }
        let mut deltas = Vec::new();
        self.parser.finish(&mut deltas);
        self.give(deltas);
        let mut message: AssistantMessage = std::mem::take(&mut self.assembly).finish();
        // The tokens after a stop text were written too, so the very tokens are not what the message says; nor are they where
        // the parser left something out.
        message.raw = (!self.stopped && self.parser.told_all()).then(|| RawTokens {
            fingerprint: self.inner.info.fingerprint.clone(),
            ids: std::mem::take(&mut self.ids),
        });
        let reason = match if self.stopped { FinishReason::Stop } else { reason } {
            FinishReason::Stop if message.needs_observation() => FinishReason::Calls,
            reason => reason,
        };
        let first_token = timings.first_token.saturating_add(self.prepared);
        self.ready.push_back(Delta::Finished { message, reason, usage, timings: Timings { first_token, ..timings } });
    }
}
