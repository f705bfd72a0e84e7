//! Choosing what a call says with a [`Prior`].

use std::sync::Arc;

use super::{softmax::largest, vocab::LlamaVocab};
use crate::{
    Vocab,
    dialect::{Maker, Prior},
};

/// Tokens less likely than the likeliest by this much, as a logarithm, are left as they are: they do not come, and are many.
const FAR: f32 = 12.0;

/// Follows one reply.
pub(crate) struct Leaning {
    prior: Box<dyn Prior>,
    vocab: Arc<LlamaVocab>,
}

impl Leaning {
    pub(crate) fn new(prior: &Maker<dyn Prior>, vocab: &Arc<LlamaVocab>) -> Self {
        Self { prior: prior.make(), vocab: Arc::clone(vocab) }
    }

    /// Takes note of a token that was written.
    pub(crate) fn hear(&mut self, token: u32) {
        self.prior.hear(&self.vocab.piece(token));
    }

    /// True where the prior has a say in what the next token is.
    pub(crate) fn minds(&self) -> bool {
        self.prior.minds()
    }

    /// The logits with what the prior says. One that is negative infinity stays so.
    pub(crate) fn apply(&self, logits: &[f32]) -> Vec<f32> {
        let all = || (0u32..).zip(logits.iter().copied());
        let largest = largest(logits);
        let mut out = logits.to_vec();
        let mut best = f32::NEG_INFINITY;
        let mut lean = |above: f32, to: f32, best: &mut f32| {
            for (id, logit) in all().filter(|(_, logit)| *logit > above && *logit <= to) {
                let leant = logit + self.prior.lean(&self.vocab.piece(id));
                *best = best.max(leant);
                if let Some(logit) = out.get_mut(id as usize) {
                    *logit = leant;
                }
            }
        };
        lean(largest - FAR, largest, &mut best);
        // Where it speaks against the likeliest, others may be that come only behind them.
        lean(best - FAR, largest - FAR, &mut best);
        out
    }
}
