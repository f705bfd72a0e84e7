//! Beginning a call only where the model is sure enough: [`Hesitation`].

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Vocab, dialect::Hesitation};

/// Sets of tokens that are kept; a model has one dialect, and that asks for one.
const KEPT: usize = 4;

/// The texts that calls begin with, and the tokens that begin so.
type Found = (Vec<String>, Arc<[u32]>);

/// Finds the tokens that begin a call. To look through a vocabulary takes some milliseconds, so they are kept.
#[derive(Default)]
pub(crate) struct Openers {
    found: Mutex<Vec<Found>>,
}

impl Openers {
    /// `hesitation` for one reply.
    pub(crate) fn doubt(&self, hesitation: &Hesitation, vocab: &dyn Vocab) -> Doubt {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.iter().find(|(texts, _)| *texts == hesitation.openers).map(|(_, ids)| Arc::clone(ids));
        let openers = known.unwrap_or_else(|| {
            let ids: Arc<[u32]> = (0..vocab.len()).filter(|id| opens(vocab, *id, &hesitation.openers)).collect();
            found.truncate(KEPT.saturating_sub(1));
            found.insert(0, (hesitation.openers.clone(), Arc::clone(&ids)));
            ids
        });
        Doubt { openers, least: hesitation.least }
    }
}

fn opens(vocab: &dyn Vocab, id: u32, openers: &[String]) -> bool {
    let piece = vocab.piece(id);
    let mark = vocab.special_text(id);
    openers.iter().any(|opener| piece.starts_with(opener.as_bytes()) || mark.as_deref() == Some(opener))
}

/// What the first token of a reply must not be, unless it is likely enough.
pub(crate) struct Doubt {
    openers: Arc<[u32]>,
    least: f32,
}

impl Doubt {
    /// The logits of the first token without those that begin a call; `None` where the model is sure of one, or nothing
    /// else is left.
    pub(crate) fn without(&self, logits: &[f32]) -> Option<Vec<f32>> {
        let largest = logits.iter().copied().filter(|logit| !logit.is_nan()).fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: &f32| if logit.is_nan() { 0.0 } else { f64::from(logit - largest).exp() };
        let all: f64 = logits.iter().map(weight).sum();
        let calls: f64 = self.openers.iter().filter_map(|id| logits.get(*id as usize)).map(weight).sum();
        if calls >= f64::from(self.least) * all || calls >= all {
            return None;
        }
        let mut rest = logits.to_vec();
        for id in self.openers.iter() {
            if let Some(logit) = rest.get_mut(*id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(least: f32) -> Doubt {
        Doubt { openers: Arc::from([1, 3, 9]), least }
    }

    #[test]
    fn all_openers_together_count() {
        // 1/2, 1/4, 1/8, 1/8.
        let logits = [3.0, 2.0, 1.0, 1.0].map(|power: f32| power * 2.0f32.ln());
        assert_eq!(doubt(0.37).without(&logits), None);
        let rest = doubt(0.38).without(&logits).unwrap();
        assert_eq!((rest[0], rest[1], rest[3]), (logits[0], f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert_eq!(rest[2], logits[2]);
    }

    #[test]
    fn where_nothing_else_can_come_the_call_does() {
        let never = f32::NEG_INFINITY;
        assert_eq!(doubt(1.0).without(&[never, 1.0, f32::NAN, 0.5]), None);
        assert!(doubt(1.0).without(&[0.0, 9.0]).is_some());
    }
}
