//! Beginning a call only where the model is sure enough: [`Hesitation`].

use std::sync::{Arc, Mutex, PoisonError};

use super::{session::Hold, softmax::largest, vocab::LlamaVocab};
use crate::{
    Vocab,
    dialect::{Hesitation, Judge, Maker},
};

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
    pub(crate) fn doubt(&self, hesitation: &Hesitation, vocab: &Arc<LlamaVocab>) -> Doubt {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.iter().find(|(texts, _)| *texts == hesitation.openers).map(|(_, ids)| Arc::clone(ids));
        let openers = known.unwrap_or_else(|| {
            let ids: Arc<[u32]> = (0..vocab.len()).filter(|id| opens(&**vocab, *id, &hesitation.openers)).collect();
            found.truncate(KEPT.saturating_sub(1));
            found.insert(0, (hesitation.openers.clone(), Arc::clone(&ids)));
            ids
        });
        let threshold = Threshold { openers, least: hesitation.least };
        Doubt { threshold, judge: hesitation.judge.clone(), vocab: Arc::clone(vocab) }
    }
}

fn opens(vocab: &dyn Vocab, id: u32, openers: &[String]) -> bool {
    let piece = vocab.piece(id);
    let mark = vocab.special_text(id);
    openers.iter().any(|opener| piece.starts_with(opener.as_bytes()) || mark.as_deref() == Some(opener))
}

/// The doubt about one reply.
pub(crate) struct Doubt {
    threshold: Threshold,
    pub(crate) judge: Option<Maker<dyn Judge>>,
    vocab: Arc<LlamaVocab>,
}

impl Doubt {
    /// What the logits of the first token say.
    pub(crate) fn verdict(&self, logits: &[f32]) -> Verdict {
        self.threshold.verdict(logits)
    }
}

/// What the first token of a reply must not be, unless it is likely enough.
struct Threshold {
    openers: Arc<[u32]>,
    least: f32,
}

/// What a reply may begin with, and the logits without the tokens that begin a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// No call.
    Words(Vec<f32>),
    /// A call: the logits without all other tokens, and those without a call.
    Call(Vec<f32>, Vec<f32>),
    /// A call, as nothing else is left.
    OnlyCall,
}

impl Threshold {
    fn verdict(&self, logits: &[f32]) -> Verdict {
        let largest = largest(logits);
        let weight = |logit: &f32| if logit.is_nan() { 0.0 } else { f64::from(logit - largest).exp() };
        let all: f64 = logits.iter().map(weight).sum();
        let calls: f64 = self.openers.iter().filter_map(|id| logits.get(*id as usize)).map(weight).sum();
        tracing::debug!(likely = calls / all, "how likely a call is");
        if calls >= all {
            return Verdict::OnlyCall;
        }
        let mut rest = logits.to_vec();
        let mut only = vec![f32::NEG_INFINITY; logits.len()];
        for id in self.openers.iter() {
            if let (Some(logit), Some(call)) = (rest.get_mut(*id as usize), only.get_mut(*id as usize)) {
                *call = std::mem::replace(logit, f32::NEG_INFINITY);
            }
        }
        if calls >= f64::from(self.least) * all { Verdict::Call(only, rest) } else { Verdict::Words(rest) }
    }
}

/// A call of which nobody has been told yet.
pub(crate) struct Weighing {
    judge: Box<dyn Judge>,
    vocab: Arc<LlamaVocab>,
    /// The logits that a reply without a call begins with.
    pub(crate) rest: Vec<f32>,
    /// What such a reply follows.
    pub(crate) instead: Hold,
}

impl Weighing {
    pub(crate) fn new(doubt: &Doubt, judge: &Maker<dyn Judge>, rest: Vec<f32>, instead: Hold) -> Self {
        Self { judge: judge.make(), vocab: Arc::clone(&doubt.vocab), rest, instead }
    }

    /// Takes note of a token, and of how likely it was.
    pub(crate) fn note(&mut self, token: u32, likely: f32) {
        self.judge.hear(&self.vocab.piece(token), likely);
    }

    /// Whether the model is sure enough; `None` where that is not known yet. `over`: no more comes.
    pub(crate) fn is_sure(&self, over: bool) -> Option<bool> {
        self.judge.is_sure(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(least: f32, logits: &[f32]) -> Verdict {
        Threshold { openers: Arc::from([1, 3, 9]), least }.verdict(logits)
    }

    #[test]
    fn all_openers_together_count() {
        // 1/2, 1/4, 1/8, 1/8.
        let logits = [3.0, 2.0, 1.0, 1.0].map(|power: f32| power * 2.0f32.ln());
        let rest = vec![logits[0], f32::NEG_INFINITY, logits[2], f32::NEG_INFINITY];
        let never = f32::NEG_INFINITY;
        let only = vec![never, logits[1], never, logits[3]];
        assert_eq!(verdict(0.37, &logits), Verdict::Call(only, rest.clone()));
        assert_eq!(verdict(0.38, &logits), Verdict::Words(rest));
    }

    #[test]
    fn where_nothing_else_can_come_the_call_does() {
        let never = f32::NEG_INFINITY;
        assert_eq!(verdict(1.0, &[never, 1.0, f32::NAN, 0.5]), Verdict::OnlyCall);
        assert!(matches!(verdict(1.0, &[0.0, 9.0]), Verdict::Words(_)));
    }
}
