//! Choosing the next token from the logits.
//!
//! The order is llama.cpp's: bias, penalties, `top_k`, `top_p`, `min_p`, temperature. The sampler is our own so that the same
//! seed gives the same reply on every platform and with every release of llama.cpp.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use super::softmax::{LANES, largest, sum, weights};
use crate::{ModelError, Sampling};

/// The repetition penalty looks at so many tokens.
const PENALTY_WINDOW: usize = 64;
/// The likeliest candidates are sought among those that are less likely than the first by this much at most, as a logarithm,
/// and by twice as much each time where those are too few.
const NEAR: f32 = 3.0;
/// Where so much is not enough, all are sorted.
const FAR: f32 = 50.0;
/// So many weights are added up at a time.
const BLOCK: usize = 64;

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
    /// Reused.
    weights: Vec<f32>,
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
            weights: Vec::new(),
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

    /// Chooses among `logits`; one that is negative infinity is not chosen. `history`: prompt and reply so far. `None` where
    /// no logit is a finite number.
    pub(crate) fn choose(&mut self, logits: &[f32], history: &[u32]) -> Option<u32> {
        if self.leaves_logits() {
            return self.pick(logits);
        }
        let mut penalised = std::mem::take(&mut self.penalised);
        penalised.clear();
        penalised.extend_from_slice(logits);
        self.penalise(&mut penalised, history);
        let choice = self.pick(&penalised);
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

    fn pick(&mut self, logits: &[f32]) -> Option<u32> {
        let top = largest(logits);
        if !top.is_finite() {
            return None;
        }
        if self.settings.temperature == 0.0 {
            return first(logits, top);
        }
        match self.cut(logits, top) {
            Some(candidates) => self.draw(&candidates, top),
            None => self.draw_from_all(logits, top),
        }
    }

    /// The candidates that `top_k`, `top_p` and `min_p` let through; `None` where none of them is on.
    fn cut(&self, logits: &[f32], top: f32) -> Option<Vec<Candidate>> {
        let Sampling { top_p, min_p, .. } = self.settings;
        let top_k = self.settings.top_k as usize;
        let least = top + min_p.ln();
        let mut candidates = if top_k > 0 {
            let mut candidates = head(logits, top, |candidates| (candidates.len() >= top_k).then_some(top_k));
            if top_p < 1.0 {
                let all: f64 = candidates.iter().map(|candidate| weight(candidate, top)).sum();
                let kept = reaching(&candidates, top, all * f64::from(top_p));
                candidates.truncate(kept.unwrap_or(candidates.len()));
            }
            candidates
        } else if top_p < 1.0 {
            let enough = sum(logits, top) * f64::from(top_p);
            head(logits, top, |candidates| reaching(candidates, top, enough))
        } else if min_p > 0.0 {
            above(logits, least)
        } else {
            return None;
        };
        if min_p > 0.0 {
            candidates.retain(|candidate| candidate.logit >= least);
        }
        Some(candidates)
    }

    fn draw(&mut self, candidates: &[Candidate], top: f32) -> Option<u32> {
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

    /// The same for a whole vocabulary.
    fn draw_from_all(&mut self, logits: &[f32], top: f32) -> Option<u32> {
        weights(logits, top, self.settings.temperature, &mut self.weights);
        let of_block = |block: &[f32]| block.iter().map(|&weight| f64::from(weight)).sum::<f64>();
        let blocks: Vec<f64> = self.weights.chunks(BLOCK).map(of_block).collect();
        let mut rest = self.random.unit() * blocks.iter().sum::<f64>();
        let mut before = 0usize;
        for sum in blocks {
            if rest < sum {
                break;
            }
            rest -= sum;
            before = before.saturating_add(BLOCK);
        }
        let mut possible = self.weights.iter().enumerate().skip(before).filter(|(_, weight)| **weight > 0.0);
        let drawn = possible.find(|(_, weight)| {
            rest -= f64::from(**weight);
            rest < 0.0
        });
        // Rounding: nothing was left over, so the likeliest it is.
        drawn.map_or_else(|| first(logits, top), |(id, _)| u32::try_from(id).ok())
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

/// The first token that has this logit.
fn first(logits: &[f32], logit: f32) -> Option<u32> {
    logits.iter().position(|&other| other == logit).and_then(|at| u32::try_from(at).ok())
}

/// The likeliest first, of equals the first in the vocabulary.
pub(crate) fn descending(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

fn weight(candidate: &Candidate, top: f32) -> f64 {
    f64::from(candidate.logit - top).exp()
}

/// The candidates whose logit is at least `least`, in the order of the vocabulary.
fn above(logits: &[f32], least: f32) -> Vec<Candidate> {
    // Few are, so a look at many at once pays.
    let mut found = Vec::new();
    let mut add =
        |first: usize, logits: &[f32]| {
            let near = logits.iter().enumerate().filter(|(_, logit)| **logit >= least && logit.is_finite());
            found.extend(near.filter_map(|(at, &logit)| {
                Some(Candidate { id: u32::try_from(first.saturating_add(at)).ok()?, logit })
            }));
        };
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for (at, chunk) in chunks.iter().enumerate() {
        if chunk.iter().fold(false, |any, &logit| any | (logit >= least)) {
            add(at.saturating_mul(LANES), chunk);
        }
    }
    add(chunks.len().saturating_mul(LANES), rest);
    found
}

/// The likeliest candidates, likeliest first: as many as `enough` says, which may ask for more of them.
fn head(logits: &[f32], top: f32, enough: impl Fn(&[Candidate]) -> Option<usize>) -> Vec<Candidate> {
    let mut near = NEAR;
    loop {
        let all = near > FAR;
        let mut candidates = above(logits, if all { f32::NEG_INFINITY } else { top - near });
        candidates.sort_unstable_by(descending);
        match enough(&candidates) {
            Some(kept) => {
                candidates.truncate(kept);
                return candidates;
            }
            None if all => return candidates,
            None => near *= 2.0,
        }
    }
}

/// How many of the `sorted` candidates have `enough` weight together.
fn reaching(sorted: &[Candidate], top: f32, enough: f64) -> Option<usize> {
    let mut sum = 0.0;
    let last = sorted.iter().position(|candidate| {
        sum += weight(candidate, top);
        sum >= enough
    });
    last.map(|last| last.saturating_add(1))
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
