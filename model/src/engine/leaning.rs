//! Choosing what a call says with a [`Prior`].

use std::sync::Arc;

use toktrie::SimpleVob;

use super::vocab::LlamaVocab;
use crate::{
    Vocab,
    dialect::{Maker, Prior},
};

/// Tokens less likely than the likeliest by this much, as a logarithm, are left as they are: there are many.
const NEVER: f32 = -40.0;

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

    /// The logits with what the prior says.
    pub(crate) fn apply(&self, logits: &[f32], mask: &SimpleVob) -> Vec<f32> {
        let mut out = logits.to_vec();
        let allowed = (0u32..).zip(out.iter_mut()).filter(|(id, logit)| !logit.is_nan() && mask.is_allowed(*id));
        let allowed: Vec<_> = allowed.collect();
        let largest = allowed.iter().map(|(_, logit)| **logit).fold(f32::NEG_INFINITY, f32::max);
        for (id, logit) in allowed {
            if *logit - largest > NEVER {
                *logit += self.prior.lean(&self.vocab.piece(id));
            }
        }
        out
    }
}
