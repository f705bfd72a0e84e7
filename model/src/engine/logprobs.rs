//! How likely tokens are.

use super::{
    sampler::{Candidate, descending},
    softmax::{largest, sum},
};

/// How likely a token was, by the logits alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logprobs {
    /// The logarithm of the probability of the token that was chosen.
    pub(crate) chosen: f32,
    /// The likeliest tokens, likeliest first.
    pub(crate) top: Vec<(u32, f32)>,
}

/// The probability of `token` after `logits`, and of the `most` likeliest tokens. Logits that are no number count as
/// impossible.
pub(crate) fn logprobs(logits: &[f32], token: u32, most: usize) -> Logprobs {
    let largest = largest(logits);
    let sum = sum(logits, largest);
    let logprob = |logit: f32| (f64::from(logit - largest) - sum.ln()) as f32;
    let chosen = logits.get(token as usize).copied().filter(|logit| !logit.is_nan()).unwrap_or(f32::NEG_INFINITY);
    let mut candidates: Vec<Candidate> = Vec::new();
    if most > 0 {
        candidates.extend((0u32..).zip(logits).map(|(id, &logit)| Candidate { id, logit }));
        candidates.retain(|candidate| !candidate.logit.is_nan());
        if most < candidates.len() {
            candidates.select_nth_unstable_by(most, descending);
            candidates.truncate(most);
        }
        candidates.sort_unstable_by(descending);
    }
    Logprobs { chosen: logprob(chosen), top: candidates.into_iter().map(|c| (c.id, logprob(c.logit))).collect() }
}

/// The logarithm of the probability of the likeliest token.
pub(crate) fn surest(logits: &[f32]) -> f64 {
    -sum(logits, largest(logits)).ln()
}

#[cfg(test)]
mod tests {
    use toktrie::SimpleVob;

    use super::{super::softmax::masked, *};

    #[test]
    fn the_surest_is_a_share_of_what_is_allowed() {
        let logits = [1.0, 1.0 + 2.0f32.ln(), f32::NAN, f32::NEG_INFINITY, 1.0, -90.0];
        assert!((surest(&logits) - 0.5f64.ln()).abs() < 1e-6);
        let mut mask = SimpleVob::alloc(6);
        mask.allow_token(0);
        mask.allow_token(2);
        mask.allow_token(4);
        assert!((surest(&masked(&logits, &mask)) - 0.5f64.ln()).abs() < 1e-6);
        mask.disallow_token(4);
        assert_eq!(surest(&masked(&logits, &mask)), 0.0);
    }

    #[test]
    fn they_are_logarithms_of_shares() {
        let logits = [1000.0, 1000.0 + 2.0f32.ln(), f32::NAN, f32::NEG_INFINITY, 1000.0];
        let seen = logprobs(&logits, 0, 3);
        assert!((seen.chosen - 0.25f32.ln()).abs() < 1e-4, "{seen:?}");
        let ids: Vec<u32> = seen.top.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 0, 4]);
        assert!((seen.top[0].1 - 0.5f32.ln()).abs() < 1e-4, "{seen:?}");
        assert_eq!(logprobs(&logits, 3, 0), Logprobs { chosen: f32::NEG_INFINITY, top: Vec::new() });
        assert_eq!(logprobs(&logits, 1, 99).top.len(), 4);
    }
}
