//! One generation, from its prompt to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{
    adapters::Weights,
    constraint::Constraint,
    handle::EngineEvent,
    hesitation::{Doubt, Verdict, Weighing},
    leaning::Leaning,
    logprobs::{Logprobs, logprobs, surest},
    persistence::{Persisting, Retreat},
    sampler::Sampler,
    softmax::masked,
};
use crate::{FinishReason, ModelError, Timings, Usage};

/// A place among the generations that run or wait; given back when dropped.
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// Takes a place, where fewer than `most` are taken; else gives their number.
    pub(crate) fn take(taken: &Arc<AtomicUsize>, most: usize) -> Result<Self, usize> {
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < most).then(|| n.saturating_add(1)))
            .map(|_| Self(Arc::clone(taken)))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The grammar of a generation, which may still be in the making.
pub(crate) enum Hold {
    /// None.
    Free,
    /// Being compiled by another thread, while the prompt is read.
    Coming(mpsc::Receiver<Result<Constraint, ModelError>>),
    /// At hand.
    Ready(Box<Constraint>),
}

impl Hold {
    /// True where there is nothing to wait for.
    fn fetch(&mut self) -> Result<bool, ModelError> {
        let Self::Coming(coming) = self else { return Ok(true) };
        match coming.try_recv() {
            Ok(constraint) => {
                *self = Self::Ready(Box::new(constraint?));
                Ok(true)
            }
            Err(mpsc::TryRecvError::Empty) => Ok(false),
            Err(mpsc::TryRecvError::Disconnected) => {
                Err(ModelError::Grammar { problem: "compiling it ended in a panic".into() })
            }
        }
    }
}

/// What comes after a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// More tokens.
    On,
    /// The reply goes on anew from so many tokens, of prompt and reply; further ones are there already. What the KV cache holds
    /// past those is of no use.
    Back(usize),
    /// The end.
    End(FinishReason),
}

/// One generation.
pub(crate) struct Session {
    /// Prompt and reply so far.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt: usize,
    /// What it is computed with.
    pub(crate) weights: Weights,
    pub(crate) hold: Hold,
    /// Until the first token is chosen; and the grammar in place of `hold` where the doubt prevails.
    pub(crate) doubt: Option<(Doubt, Hold)>,
    /// The logarithm of how likely the next token is, where the grammar left a choice.
    pub(crate) likely: Option<f64>,
    /// While it is not known whether the call is one that the model is sure of.
    pub(crate) weighing: Option<Weighing>,
    /// Follows a reply that may be a list of calls.
    pub(crate) persisting: Option<Persisting>,
    /// Makes one call likelier than another.
    pub(crate) leaning: Option<Leaning>,
    /// Events that wait until it is known that what they tell will stay.
    pub(crate) held: Vec<EngineEvent>,
    pub(crate) sampler: Sampler,
    /// Tokens that end the reply, sorted.
    pub(crate) stops: Vec<u32>,
    pub(crate) most: usize,
    /// Says how likely each token was, beside so many others.
    pub(crate) logprobs: Option<u32>,
    /// Says how sure the model is of each token.
    pub(crate) how_sure: bool,
    pub(crate) cancellation: CancellationToken,
    pub(crate) events: UnboundedSender<Result<EngineEvent, ModelError>>,
    /// Its sequence, while it runs.
    pub(crate) slot: Option<u32>,
    /// Its place in the order of arrival.
    pub(crate) order: u64,
    /// True once it was asked for its first token.
    pub(crate) begun: bool,
    pub(crate) reused: u32,
    pub(crate) submitted: Instant,
    pub(crate) admitted: Option<Instant>,
    pub(crate) prompt_read: Option<Instant>,
    pub(crate) first_token: Option<Instant>,
    pub(crate) ticket: Ticket,
}

impl Session {
    /// Tokens of the reply.
    pub(crate) fn written(&self) -> usize {
        self.tokens.len().saturating_sub(self.prompt)
    }

    /// True where nobody listens any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Fetches the grammar where it has been compiled. True where there is nothing to wait for.
    pub(crate) fn fetch_grammar(&mut self) -> Result<bool, ModelError> {
        let instead = self.doubt.as_mut().map_or(Ok(true), |(_, instead)| instead.fetch())?;
        Ok(self.hold.fetch()? && instead)
    }

    /// Says how far the prompt is read. `held`: tokens that are in the KV cache.
    pub(crate) fn report_prefill(&mut self, held: usize) {
        if self.prompt_read.is_some() {
            return;
        }
        let done = held.min(self.prompt);
        if done == self.prompt {
            self.prompt_read = Some(Instant::now());
        }
        self.send(EngineEvent::Prefill { done: count(done), total: count(self.prompt), reused: self.reused });
    }

    /// Chooses what follows from `logits`, and writes it. `limit`: tokens that fit in the context.
    pub(crate) fn advance(&mut self, logits: &[f32], limit: usize) -> Result<Step, ModelError> {
        let end = self.write_next(logits, limit)?;
        match self.weighing.as_ref().and_then(|weighing| weighing.is_sure(end.is_some())) {
            Some(true) => {
                self.weighing = None;
                self.tell_held();
            }
            Some(false) => return self.begin_in_words(limit),
            None => {}
        }
        let outcome = self.persisting.as_mut().and_then(|persisting| persisting.outcome(end.is_some()));
        match outcome {
            Some(Err(retreat)) => return self.retreat(retreat, limit),
            Some(Ok(())) => self.tell_held(),
            None => {}
        }
        Ok(end.map_or(Step::On, Step::End))
    }

    /// The call is not one that the model means: the reply begins with something else.
    fn begin_in_words(&mut self, limit: usize) -> Result<Step, ModelError> {
        let Some(Weighing { rest, instead, .. }) = self.weighing.take() else { return Ok(Step::On) };
        self.held.clear();
        self.tokens.truncate(self.prompt);
        self.answer_in_words(instead);
        Ok(self.write_one(&rest, &rest, limit)?.map_or(Step::Back(self.prompt), Step::End))
    }

    /// The call that the list went on with is no good: something else comes in its place, and the list is not made to go on again.
    fn retreat(&mut self, retreat: Retreat, limit: usize) -> Result<Step, ModelError> {
        let Retreat { tokens, held, instead } = retreat;
        (self.persisting, self.leaning) = (None, None);
        self.held.truncate(held);
        if let Hold::Ready(constraint) = &mut self.hold {
            constraint.take_back(self.tokens.len().saturating_sub(tokens))?;
        }
        self.tokens.truncate(tokens);
        let end = match self.write(instead, limit)? {
            Some(end) => Some(end),
            None => self.write_forced(limit)?,
        };
        self.tell_held();
        Ok(end.map_or(Step::Back(tokens), Step::End))
    }

    /// Gives why the reply ends, where it does.
    fn write_next(&mut self, logits: &[f32], limit: usize) -> Result<Option<FinishReason>, ModelError> {
        if !self.begun {
            self.begun = true;
            if self.written() >= self.most {
                return Ok(Some(FinishReason::Length));
            }
            // What the grammar begins with need not be sampled.
            let before = self.written();
            if let Some(end) = self.write_forced(limit)? {
                return Ok(Some(end));
            }
            if self.written() > before {
                return Ok(None);
            }
        }
        let Some((doubt, instead)) = self.doubt.take() else { return self.write_one(logits, logits, limit) };
        match doubt.verdict(logits) {
            Verdict::OnlyCall => self.write_one(logits, logits, limit),
            Verdict::Words(rest) => {
                self.answer_in_words(instead);
                self.write_one(&rest, logits, limit)
            }
            Verdict::Call(only, rest) => {
                self.weighing = doubt.judge.as_ref().map(|judge| Weighing::new(&doubt, judge, rest, instead));
                self.write_one(&only, logits, limit)
            }
        }
    }

    /// The reply is to hold no call. Only of a call's values it matters how sure the model is, and to find that out takes a
    /// look at the whole vocabulary.
    fn answer_in_words(&mut self, instead: Hold) {
        self.hold = instead;
        self.how_sure = false;
        (self.persisting, self.leaning) = (None, None);
    }

    /// Chooses a token from some of the model's `logits`, and writes it and what the grammar forces after it.
    fn write_one(&mut self, some: &[f32], logits: &[f32], limit: usize) -> Result<Option<FinishReason>, ModelError> {
        let Some(token) = self.choose(some)? else { return Ok(Some(FinishReason::Stop)) };
        if let Some(most) = self.logprobs {
            let Logprobs { chosen, top } = logprobs(logits, token, most as usize);
            self.send(EngineEvent::Logprobs { chosen, top });
        }
        match self.write(token, limit)? {
            Some(end) => Ok(Some(end)),
            None => self.write_forced(limit),
        }
    }

    /// Tells what was held back and will stay.
    fn tell_held(&mut self) {
        if self.weighing.is_some() {
            return;
        }
        let before = self.persisting.as_mut().and_then(Persisting::told);
        let stay = before.unwrap_or(self.held.len());
        if stay > 0 {
            self.first_token.get_or_insert_with(Instant::now);
        }
        for event in self.held.drain(..stay.min(self.held.len())) {
            // Nobody listens: the scheduler sees it at the next step.
            let _ = self.events.send(Ok(event));
        }
    }

    /// The next token; `None` where the reply stops.
    fn choose(&mut self, logits: &[f32]) -> Result<Option<u32>, ModelError> {
        let needs_mask = self.needs_mask();
        let Hold::Ready(constraint) = &mut self.hold else {
            let token = self.sampler.choose(logits, &self.tokens).ok_or_else(no_token)?;
            return Ok(Some(token).filter(|token| self.stops.binary_search(token).is_err()));
        };
        // Most free choices are allowed, and to ask for one token is far cheaper than to ask for all. A refused one is
        // drawn again among the allowed, which comes to the same distribution as drawing among the allowed at once:
        // p(t) + p(refused) p(t) / p(allowed) = p(t) / p(allowed).
        if !needs_mask {
            let token = self.sampler.choose(logits, &self.tokens).ok_or_else(no_token)?;
            if self.stops.binary_search(&token).is_ok() {
                if constraint.accepting()? {
                    return Ok(None);
                }
            } else if constraint.allows(token)? {
                self.weigh(logits);
                return self.another_call(token, logits).map(Some);
            }
        }
        let allowed = masked(logits, constraint.mask(&self.stops)?);
        let leant = self.leaning.as_ref().filter(|leaning| leaning.minds()).map(|leaning| leaning.apply(&allowed));
        let some = leant.as_deref().unwrap_or(&allowed);
        let token = self.sampler.choose(some, &self.tokens).ok_or_else(no_token)?;
        if self.stops.binary_search(&token).is_ok() {
            return Ok(None);
        }
        self.weigh(&allowed);
        self.another_call(token, logits).map(Some)
    }

    /// True where a free choice will not do: the prior has a say, or candidates are cut off by their rank.
    pub(crate) fn needs_mask(&self) -> bool {
        !self.sampler.may_try_free() || self.leaning.as_ref().is_some_and(Leaning::minds)
    }

    /// Another call in place of `token`, where that ends a list of calls too early; else `token`.
    fn another_call(&mut self, token: u32, logits: &[f32]) -> Result<u32, ModelError> {
        let Some(persisting) = &mut self.persisting else { return Ok(token) };
        let Hold::Ready(constraint) = &mut self.hold else { return Ok(token) };
        if !persisting.minds(token) {
            return Ok(token);
        }
        let mask = constraint.mask(&self.stops)?;
        match persisting.venture(token, logits, mask, (self.tokens.len(), self.held.len())) {
            Some(calls) if !calls.is_allowed(token) => {
                self.sampler.choose(&masked(logits, &calls), &self.tokens).ok_or_else(no_token)
            }
            _ => Ok(token),
        }
    }

    /// Takes note of a choice among `logits` that the grammar left.
    fn weigh(&mut self, logits: &[f32]) {
        if !self.how_sure && !self.is_undecided() {
            return;
        }
        let likely = surest(logits);
        self.likely = Some(likely);
        if self.how_sure {
            self.send(EngineEvent::Sure { probability: likely.exp() as f32 });
        }
    }

    /// Writes the tokens that the grammar leaves no choice about.
    fn write_forced(&mut self, limit: usize) -> Result<Option<FinishReason>, ModelError> {
        if self.logprobs.is_some() {
            // Each token needs logits of its own.
            return Ok(None);
        }
        let Hold::Ready(constraint) = &mut self.hold else { return Ok(None) };
        for token in constraint.forced()? {
            if let Some(end) = self.write(token, limit)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn write(&mut self, token: u32, limit: usize) -> Result<Option<FinishReason>, ModelError> {
        if let Hold::Ready(constraint) = &mut self.hold {
            constraint.accept(token)?;
        }
        let likely = self.likely.take().map_or(1.0, |likely| likely.exp() as f32);
        match &mut self.weighing {
            Some(weighing) => weighing.note(token, likely),
            None => {
                self.first_token.get_or_insert_with(Instant::now);
            }
        }
        if let Some(persisting) = &mut self.persisting {
            persisting.hear(token, likely);
        }
        if let Some(leaning) = &mut self.leaning {
            leaning.hear(token);
        }
        self.tokens.push(token);
        self.send(EngineEvent::Token { id: token });
        Ok(match &self.hold {
            Hold::Ready(constraint) if constraint.stopped() => Some(FinishReason::Stop),
            _ if self.written() >= self.most => Some(FinishReason::Length),
            _ if self.tokens.len() >= limit => Some(FinishReason::ContextFull),
            _ => None,
        })
    }

    /// True while a call is judged: what is written may be taken back.
    fn is_undecided(&self) -> bool {
        self.weighing.is_some() || self.persisting.as_ref().is_some_and(Persisting::ventures)
    }

    fn send(&mut self, event: EngineEvent) {
        if self.is_undecided() {
            self.held.push(event);
            return;
        }
        // Nobody listens: the scheduler sees it at the next step.
        let _ = self.events.send(Ok(event));
    }

    /// Ends the generation.
    pub(crate) fn finish(mut self, result: Result<FinishReason, ModelError>) {
        // It may have been cancelled before it was known what stays.
        (self.weighing, self.persisting) = (None, None);
        self.tell_held();
        let now = Instant::now();
        let event = result.map(|reason| EngineEvent::Finished {
            reason,
            usage: Usage {
                prompt_tokens: count(self.prompt),
                reused_tokens: self.reused,
                completion_tokens: count(self.written()),
                seed: self.sampler.seed(),
            },
            timings: self.timings(now),
        });
        let Self { events, ticket, .. } = self;
        // First the place, then the news: who hears that one is done may start the next.
        drop(ticket);
        let _ = events.send(event);
    }

    fn timings(&self, now: Instant) -> Timings {
        let admitted = self.admitted.unwrap_or(now);
        let read = self.prompt_read.unwrap_or(now);
        Timings {
            queued: admitted.saturating_duration_since(self.submitted),
            prefill: read.saturating_duration_since(admitted),
            decode: self.prompt_read.map_or(Duration::ZERO, |read| now.saturating_duration_since(read)),
            first_token: self.first_token.unwrap_or(now).saturating_duration_since(self.submitted),
        }
    }
}

fn no_token() -> ModelError {
    ModelError::Engine { action: "choose a token".into(), problem: "no logit is a finite number".into() }
}

pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
