//! Choosing the next token from the logits.
//!
//! The order is llama.cpp's: bias, penalties, `top_k`, `top_p`, `min_p`, temperature. The sampler is our own so that the same
//! seed gives the same reply on every platform and with every release of llama.cpp.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use toktrie::SimpleVob;

use crate::{ModelError, Sampling};

/// The repetition penalty looks at so many tokens.
const PENALTY_WINDOW: usize = 64;
/// `top_p` sorts so many candidates at first, and more only where their share is too small.
const SORTED_FIRST: usize = 256;

/// Chooses tokens for one generation.
pub(crate) struct Sampler {
    settings: Sampling,
    seed: u32,
    random: SplitMix,
    /// Tokens of the prompt.
    prompt: usize,
    /// How often each token stands in the reply, and up to where in the history that is counted.
    counts: HashMap<u32, u32>,
    counted: usize,
    /// Logits under bias and penalties; reused.
    penalised: Vec<f32>,
    candidates: Vec<Candidate>,
}

/// A token that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

impl Sampler {
    /// A sampler with `settings`, for a reply to `prompt` tokens.
    ///
    /// # Errors
    /// [`ModelError::Sampling`] where a value is out of range.
    pub(crate) fn new(settings: &Sampling, prompt: usize) -> Result<Self, ModelError> {
        validate(settings)?;
        let seed = settings.seed.unwrap_or_else(random_seed);
        Ok(Self {
            settings: settings.clone(),
            seed,
            random: SplitMix(seed.into()),
            prompt,
            counts: HashMap::new(),
            counted: prompt,
            penalised: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// The seed in use.
    pub(crate) fn seed(&self) -> u32 {
        self.seed
    }

    /// True where a free choice that happens to be allowed has the same distribution as a choice among the allowed:
    /// always for the likeliest token, and for sampling where no candidates are cut off by their rank.
    pub(crate) fn may_try_free(&self) -> bool {
        let s = &self.settings;
        s.temperature == 0.0 || (s.top_k == 0 && s.top_p >= 1.0 && s.min_p == 0.0)
    }

    /// Chooses among `logits`, only what `mask` allows. `history`: prompt and reply so far. `None` where nothing is
    /// allowed, or no logit is a number.
    pub(crate) fn choose(&mut self, logits: &[f32], history: &[u32], mask: Option<&SimpleVob>) -> Option<u32> {
        if self.leaves_logits() {
            return self.pick(logits, mask);
        }
        let mut penalised = std::mem::take(&mut self.penalised);
        penalised.clear();
        penalised.extend_from_slice(logits);
        self.penalise(&mut penalised, history);
        let choice = self.pick(&penalised, mask);
        self.penalised = penalised;
        choice
    }

    /// True where there is neither bias nor penalty.
    fn leaves_logits(&self) -> bool {
        let s = &self.settings;
        s.repetition_penalty == 1.0
            && s.frequency_penalty == 0.0
            && s.presence_penalty == 0.0
            && s.logit_bias.is_empty()
    }

    fn penalise(&mut self, logits: &mut [f32], history: &[u32]) {
        for &(id, bias) in &self.settings.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        if self.settings.repetition_penalty != 1.0 {
            self.divide_recent(logits, history);
        }
        if self.settings.frequency_penalty == 0.0 && self.settings.presence_penalty == 0.0 {
            return;
        }
        for &id in history.get(self.counted..).unwrap_or_default() {
            let count = self.counts.entry(id).or_insert(0);
            *count = count.saturating_add(1);
        }
        self.counted = history.len().max(self.prompt);
        for (&id, &count) in &self.counts {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit -= count as f32 * self.settings.frequency_penalty + self.settings.presence_penalty;
            }
        }
    }

    fn divide_recent(&self, logits: &mut [f32], history: &[u32]) {
        let mut recent: Vec<u32> = history.iter().rev().take(PENALTY_WINDOW).copied().collect();
        recent.sort_unstable();
        recent.dedup();
        for id in recent {
            if let Some(logit) = logits.get_mut(id as usize) {
                // A negative logit is multiplied: dividing would make it likelier.
                *logit = if *logit > 0.0 {
                    *logit / self.settings.repetition_penalty
                } else {
                    *logit * self.settings.repetition_penalty
                };
            }
        }
    }

    fn pick(&mut self, logits: &[f32], mask: Option<&SimpleVob>) -> Option<u32> {
        if self.settings.temperature == 0.0 {
            return match mask {
                None => likeliest(logits),
                Some(mask) => allowed(logits, mask).fold(None, keep_larger).map(|c| c.id),
            };
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        match mask {
            None => candidates.extend((0u32..).zip(logits).map(|(id, &logit)| Candidate { id, logit })),
            Some(mask) => candidates.extend(allowed(logits, mask)),
        }
        candidates.retain(|c| c.logit.is_finite());
        self.filter(&mut candidates);
        let choice = self.draw(&candidates);
        self.candidates = candidates;
        choice
    }

    /// Leaves the candidates that `top_k`, `top_p` and `min_p` let through.
    fn filter(&self, candidates: &mut Vec<Candidate>) {
        let top_k = self.settings.top_k as usize;
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k.saturating_sub(1), descending);
            candidates.truncate(top_k);
        }
        if self.settings.top_p < 1.0 {
            keep_top_p(candidates, self.settings.top_p);
        }
        if self.settings.min_p > 0.0 {
            let least = largest(candidates) + self.settings.min_p.ln();
            candidates.retain(|c| c.logit >= least);
        }
    }

    fn draw(&mut self, candidates: &[Candidate]) -> Option<u32> {
        let top = largest(candidates);
        let weight = |c: &Candidate| f64::from((c.logit - top) / self.settings.temperature).exp();
        let total: f64 = candidates.iter().map(weight).sum();
        let mut rest = self.random.unit() * total;
        for candidate in candidates {
            rest -= weight(candidate);
            if rest < 0.0 {
                return Some(candidate.id);
            }
        }
        // Rounding: nothing was left over, so the last one it is.
        candidates.last().map(|c| c.id)
    }
}

fn validate(settings: &Sampling) -> Result<(), ModelError> {
    let check = |good: bool, name: &'static str, value: f32, range: &'static str| match good {
        true => Ok(()),
        false => Err(ModelError::Sampling { name, value: value.to_string(), range }),
    };
    let Sampling { temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty, .. } = *settings;
    check((0.0..=100.0).contains(&temperature), "temperature", temperature, "between 0 and 100")?;
    check(top_p > 0.0 && top_p <= 1.0, "top_p", top_p, "more than 0 and at most 1")?;
    check((0.0..1.0).contains(&min_p), "min_p", min_p, "at least 0 and less than 1")?;
    let good = repetition_penalty > 0.0 && repetition_penalty <= 10.0;
    check(good, "repetition_penalty", repetition_penalty, "more than 0 and at most 10")?;
    for (name, penalty) in [("frequency_penalty", frequency_penalty), ("presence_penalty", presence_penalty)] {
        check((-2.0..=2.0).contains(&penalty), name, penalty, "between -2 and 2")?;
    }
    match settings.logit_bias.iter().find(|(_, bias)| !(-100.0..=100.0).contains(bias)) {
        Some(&(_, bias)) => check(false, "logit_bias", bias, "between -100 and 100"),
        None => Ok(()),
    }
}

/// The id of the largest logit, the first of equals; numbers that are none are passed over.
fn likeliest(logits: &[f32]) -> Option<u32> {
    // Two passes: the first one has no index to carry, so the compiler makes vector code of it.
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = if logit > *lane { logit } else { *lane };
        }
    }
    let top = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |top, &logit| if logit > top { logit } else { top });
    if top == f32::NEG_INFINITY {
        return None;
    }
    logits.iter().position(|&logit| logit == top).and_then(|at| u32::try_from(at).ok())
}

fn allowed<'a>(logits: &'a [f32], mask: &'a SimpleVob) -> impl Iterator<Item = Candidate> + 'a {
    mask.iter().filter_map(|id| logits.get(id as usize).map(|&logit| Candidate { id, logit }))
}

fn keep_larger(best: Option<Candidate>, next: Candidate) -> Option<Candidate> {
    match best {
        _ if next.logit.is_nan() || next.logit == f32::NEG_INFINITY => best,
        Some(best) if best.logit >= next.logit => Some(best),
        _ => Some(next),
    }
}

/// The likeliest first, of equals the first in the vocabulary.
pub(crate) fn descending(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

fn largest(candidates: &[Candidate]) -> f32 {
    candidates.iter().fold(f32::NEG_INFINITY, |top, c| top.max(c.logit))
}

/// Leaves the likeliest candidates whose share of the probability first reaches `top_p`.
fn keep_top_p(candidates: &mut Vec<Candidate>, top_p: f32) {
    let top = largest(candidates);
    let weight = |c: &Candidate| f64::from(c.logit - top).exp();
    let enough = candidates.iter().map(weight).sum::<f64>() * f64::from(top_p);
    let mut sorted = SORTED_FIRST;
    loop {
        let part = sorted.min(candidates.len());
        if part < candidates.len() {
            candidates.select_nth_unstable_by(part, descending);
        }
        let (head, _) = candidates.split_at_mut(part);
        head.sort_unstable_by(descending);
        let mut sum = 0.0;
        let kept = head.iter().position(|c| {
            sum += weight(c);
            sum >= enough
        });
        match kept {
            Some(last) => return candidates.truncate(last.saturating_add(1)),
            None if part == candidates.len() => return,
            None => sorted = sorted.saturating_mul(8),
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same everywhere and for ever.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but not 1, with 53 random bits.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The standard library seeds its hash maps from the system's random numbers.
fn random_seed() -> u32 {
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (bits ^ (bits >> 32)) as u32
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
