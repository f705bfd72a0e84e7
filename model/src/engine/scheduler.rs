//! Who computes next.
//!
//! Every step makes one batch: the next token of each generation that writes, and a chunk of one or more prompts. The
//! chunk starts with another prompt each time, so that a long one does not hold up a short one, and it is short where
//! somebody waits for the next token. A batch holds generations of one adapter; who waits with another gets the next turn.

mod keep;
mod room;
mod turns;

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use llama_cpp_2::{DecodeError, context::LlamaContext, llama_batch::LlamaBatch, token::LlamaToken};

use super::{
    adapters::{Applied, Weights},
    ahead::masks_ahead,
    gauges::Gauges,
    kv::{KvLedger, KvMemory},
    pace::Pace,
    session::{Session, Step},
    watch::Watch,
    worker::Command,
};
use crate::{FinishReason, ModelError};
use turns::{SLICE, Turns};

/// So many tokens at the most are fed besides the chunk of prompts: the one just written, or those that a grammar
/// forced. More are read like a prompt.
const SHORT: usize = 32;
/// Room that a generation must find, besides its tokens, to be admitted next to others.
const RESERVE: usize = 64;
/// How often a cancelled generation is looked for while all wait for their grammars.
const LOOK: Duration = Duration::from_millis(20);
/// How long a step should last while only prompts are read: long enough to read them at full speed, short enough to
/// say how far it is, and to let in who comes next.
const READING: Duration = Duration::from_millis(2500);
/// How long a step should last while others write: they feel it as their pace.
const BESIDE: Duration = Duration::from_millis(120);
/// What llama.cpp gives where it was asked to give up a batch.
const GIVEN_UP: DecodeError = DecodeError::Unknown(2);

/// Runs generations on one context.
pub(crate) struct Scheduler<'model> {
    context: LlamaContext<'model>,
    /// After the context, which computes with them.
    adapters: Applied,
    turns: Turns,
    batch: LlamaBatch<'static>,
    batch_size: usize,
    kv: KvLedger,
    watch: &'model Watch,
    gauges: &'model Gauges,
    reading: Pace,
    beside: Pace,
    active: Vec<Session>,
    waiting: VecDeque<Session>,
    /// Tokens that fit in a generation's context.
    limit: usize,
    turn: usize,
    arrivals: u64,
}

/// What a step computes, and with which weights; `None` where there is nothing to compute. The error is that of one
/// generation, which ends with it.
type Plan = Result<Option<(Weights, Vec<Share>)>, (usize, ModelError)>;

/// What a generation puts into a batch.
struct Share {
    session: usize,
    slot: u32,
    from: usize,
    count: usize,
    /// Where its logits will be.
    logits: Option<i32>,
}

impl<'model> Scheduler<'model> {
    pub(crate) fn new(
        context: LlamaContext<'model>,
        adapters: Applied,
        watch: &'model Watch,
        gauges: &'model Gauges,
        sequences: u32,
        limit: u32,
        can_share: bool,
    ) -> Self {
        let batch_size = context.n_batch() as usize;
        Self {
            adapters,
            turns: Turns::new(SLICE),
            batch: LlamaBatch::new(batch_size, 1),
            batch_size,
            kv: KvLedger::new(sequences, context.n_ctx(), can_share),
            watch,
            gauges,
            reading: Pace::new(batch_size, READING),
            beside: Pace::new(batch_size, BESIDE),
            active: Vec::new(),
            waiting: VecDeque::new(),
            limit: limit as usize,
            turn: 0,
            arrivals: 0,
            context,
        }
    }

    /// Works until all handles are gone.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let idle = self.active.is_empty() && self.waiting.is_empty();
            if idle {
                match commands.recv() {
                    Ok(command) => {
                        if !self.take(command) {
                            return;
                        }
                    }
                    Err(_) => return,
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(command) => {
                        if !self.take(command) {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.drop_cancelled();
            self.admit();
            self.tell();
            if self.step() || (self.active.is_empty() && self.waiting.is_empty()) {
                continue;
            }
            // All wait for their grammars; the one who compiles them says when.
            match commands.recv_timeout(LOOK) {
                Ok(command) => {
                    if !self.take(command) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tell(&self) {
        self.gauges.now(self.active.len(), self.kv.used_cells());
    }

    /// False where the engine is to stop.
    fn take(&mut self, command: Command) -> bool {
        match command {
            Command::Generate(mut session) => {
                self.arrivals = self.arrivals.saturating_add(1);
                session.order = self.arrivals;
                self.waiting.push_back(*session);
                true
            }
            // Whoever asked may be gone.
            Command::Save(prompt, weights, answer) => {
                let _ = answer.send(self.save(&prompt, weights));
                true
            }
            Command::Restore(saved, weights, answer) => {
                let _ = answer.send(self.restore(&saved, weights));
                true
            }
            Command::Wake => true,
            Command::Stop => false,
            #[cfg(test)]
            Command::Panic => std::panic::panic_any("asked to panic"),
        }
    }

    fn drop_cancelled(&mut self) {
        let gone = |session: &Session| session.is_abandoned() || session.cancellation.is_cancelled();
        for at in (0..self.active.len()).rev() {
            if self.active.get(at).is_some_and(gone) {
                self.end(at, Ok(FinishReason::Cancelled));
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        for session in waiting {
            if gone(&session) {
                session.finish(Ok(FinishReason::Cancelled));
            } else {
                self.waiting.push_back(session);
            }
        }
    }

    /// Lets those in that wait, in their order, while there are sequences and room.
    fn admit(&mut self) {
        while self.kv.has_idle() {
            let Some(next) = self.waiting.front() else { return };
            if !self.active.is_empty() {
                let (room, shared) = self.kv.room_beside_busy(&next.tokens, next.weights);
                if room < next.tokens.len().saturating_sub(shared).saturating_add(RESERVE) {
                    return;
                }
            }
            let Some(mut session) = self.waiting.pop_front() else { return };
            let Some(claim) = self.kv.claim(&session.tokens, session.weights, &mut self.context) else {
                self.waiting.push_front(session);
                return;
            };
            session.slot = Some(claim.slot);
            if session.admitted.is_none() {
                session.admitted = Some(Instant::now());
                session.reused = claim.reused;
            }
            self.active.push(session);
        }
    }

    /// Computes one batch. False where there was nothing to compute.
    fn step(&mut self) -> bool {
        let (weights, shares) = match self.plan() {
            Ok(Some(plan)) => plan,
            Ok(None) => return false,
            Err((at, error)) => {
                self.end(at, Err(error));
                return true;
            }
        };
        let tokens: usize = shares.iter().map(|share| share.count).sum();
        if tokens == 0 {
            return false;
        }
        if !self.make_room(tokens) {
            return true;
        }
        let started = Instant::now();
        if let Err(error) = self.adapters.apply(weights, &mut self.context) {
            self.fail(&shares, &error.to_string());
            return true;
        }
        let shares = self.fill(shares);
        self.watch.set(self.active.iter().map(|session| (&session.cancellation, &session.events)));
        let Self { context, batch, active, .. } = self;
        let chooses = |at| shares.iter().any(|share| share.session == at && share.logits.is_some());
        let choosing = active.iter_mut().enumerate().filter(|(at, _)| chooses(*at)).map(|(_, session)| session);
        let result = masks_ahead(choosing, || context.decode(batch));
        self.watch.clear();
        match result {
            Ok(()) => {}
            Err(GIVEN_UP) => {
                // Somebody was cancelled, which the next look sees. The others start this batch over.
                self.undo(&shares);
                return true;
            }
            Err(DecodeError::NoKvCacheSlot) => {
                // The ledger says that there is room. Trust the cache, and make more.
                if !self.kv.evict(&mut self.context) && !self.preempt() {
                    self.fail(&shares, "the KV cache is full");
                }
                return true;
            }
            Err(error) => {
                self.fail(&shares, &error.to_string());
                return true;
            }
        }
        // The last logits may still be computed: they are waited for here, so that the time is whole.
        self.context.synchronize();
        self.gauges.batch(tokens, shares.len());
        let writing = shares.iter().any(|share| self.active.get(share.session).is_some_and(|s| s.begun));
        if writing { &mut self.beside } else { &mut self.reading }.learn(tokens, started.elapsed());
        self.harvest(&shares);
        true
    }

    /// What each generation puts into the next batch.
    fn plan(&mut self) -> Plan {
        let mut ready = Vec::new();
        for (at, session) in self.active.iter_mut().enumerate() {
            let Some(slot) = session.slot else { continue };
            let held = self.kv.held(slot);
            let mut pending = session.tokens.len().saturating_sub(held);
            let waits = !session.fetch_grammar().map_err(|error| (at, error))?;
            if waits {
                // The logits of the last token are of no use before the grammar is there.
                pending = pending.saturating_sub(1);
            }
            if pending > 0 {
                let share = Share { session: at, slot, from: held, count: pending, logits: None };
                ready.push((session.weights, session.begun, share));
            }
        }
        let waiting: Vec<Weights> = ready.iter().map(|(weights, ..)| *weights).collect();
        let Some(weights) = self.turns.next(&waiting, self.adapters.now()) else { return Ok(None) };
        let writes = |begun: bool, share: &Share| begun && share.count <= SHORT;
        // Those with another adapter too: this step is a part of what they wait.
        let somebody_writes = ready.iter().any(|(_, begun, share)| writes(*begun, share));
        let mut shares = Vec::new();
        let mut left = self.batch_size;
        let mut prompts = Vec::new();
        for (_, begun, share) in ready.into_iter().filter(|(of, ..)| *of == weights) {
            if !writes(begun, &share) {
                prompts.push(share);
            } else if share.count <= left {
                left = left.saturating_sub(share.count);
                shares.push(share);
            }
        }
        let pace = if somebody_writes { &self.beside } else { &self.reading };
        let mut chunk = pace.chunk().min(left);
        let first = self.turn.checked_rem(prompts.len()).unwrap_or(0);
        prompts.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        for mut share in prompts {
            share.count = share.count.min(chunk);
            if share.count > 0 {
                chunk = chunk.saturating_sub(share.count);
                shares.push(share);
            }
        }
        Ok(Some((weights, shares)))
    }

    /// Writes the batch.
    fn fill(&mut self, mut shares: Vec<Share>) -> Vec<Share> {
        self.batch.clear();
        for share in &mut shares {
            let Some(session) = self.active.get(share.session) else { continue };
            let end = share.from.saturating_add(share.count);
            let last = session.tokens.len().saturating_sub(1);
            let Some(tokens) = session.tokens.get(share.from..end) else { continue };
            for (position, &token) in (share.from..end).zip(tokens) {
                // Ids were checked against the vocabulary, positions are below the context's length, and the shares
                // were cut to the batch: none of this fails.
                let (Ok(id), Ok(pos), Ok(slot)) =
                    (i32::try_from(token), i32::try_from(position), i32::try_from(share.slot))
                else {
                    continue;
                };
                let logits = position == last;
                if logits {
                    share.logits = Some(self.batch.n_tokens());
                }
                let _ = self.batch.add(LlamaToken(id), pos, &[slot], logits);
            }
        }
        shares
    }

    /// Takes note of what was computed, and lets each generation choose its next token.
    fn harvest(&mut self, shares: &[Share]) {
        let mut ended = Vec::new();
        for share in shares {
            let Some(session) = self.active.get_mut(share.session) else { continue };
            let end = share.from.saturating_add(share.count);
            for &token in session.tokens.get(share.from..end).unwrap_or_default() {
                self.kv.push(share.slot, token);
            }
            session.report_prefill(end);
            let Some(index) = share.logits else { continue };
            match session.advance(self.context.get_logits_ith(index), self.limit) {
                Ok(Step::On) => {}
                Ok(Step::Back(tokens)) => self.kv.cut(share.slot, tokens, &mut self.context),
                Ok(Step::End(reason)) => ended.push((share.session, Ok(reason))),
                Err(error) => ended.push((share.session, Err(error))),
            }
        }
        ended.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, result) in ended {
            self.end(at, result);
        }
    }

    /// Makes the cache what the ledger says: of a batch that was given up, parts may be there.
    fn undo(&mut self, shares: &[Share]) {
        for share in shares {
            let Ok(from) = u32::try_from(share.from) else { continue };
            if !self.context.remove_from(share.slot, from) {
                self.kv.clear(share.slot, &mut self.context);
            }
        }
    }

    /// llama.cpp refused the batch: those in it end, and what they hold is not to be trusted.
    fn fail(&mut self, shares: &[Share], problem: &str) {
        let mut at: Vec<usize> = shares.iter().map(|share| share.session).collect();
        at.sort_unstable_by(|a, b| b.cmp(a));
        at.dedup();
        for at in at {
            if let Some(slot) = self.active.get(at).and_then(|session| session.slot) {
                self.kv.clear(slot, &mut self.context);
            }
            let error = ModelError::Engine { action: "decode".into(), problem: problem.to_owned() };
            self.end(at, Err(error));
        }
    }

    fn end(&mut self, at: usize, result: Result<FinishReason, ModelError>) {
        let session = self.active.remove(at);
        if let Some(slot) = session.slot {
            self.kv.release(slot);
        }
        self.tell();
        session.finish(result);
    }
}
