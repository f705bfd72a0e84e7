//! Going on with a list of calls where another one is likely enough: [`Persistence`].

use std::sync::Arc;

use toktrie::SimpleVob;

use super::vocab::LlamaVocab;
use crate::{
    Vocab,
    dialect::{CallList, Follows, Grounds, Judge, Maker, Persistence},
};

/// Tokens less likely than the likeliest by this much, as a logarithm, say nothing of what follows.
const NOTHING: f32 = -12.0;

/// Follows one reply.
pub(crate) struct Persisting {
    list: Box<dyn CallList>,
    least: f32,
    judge: Maker<dyn Judge>,
    vocab: Arc<LlamaVocab>,
    venture: Option<Venture>,
    /// The list has more calls than the model had given it by itself.
    prolonged: bool,
}

/// A call of which it is not known yet whether it stays.
struct Venture {
    /// Its number in the list.
    call: usize,
    /// The model made it by itself.
    own: bool,
    judge: Box<dyn Judge>,
    /// What is done where it does not.
    retreat: Retreat,
}

/// The way back from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retreat {
    /// How many tokens were there before.
    pub(crate) tokens: usize,
    /// How many events were held back then.
    pub(crate) held: usize,
    /// What comes in place of the call.
    pub(crate) instead: u32,
}

impl Persisting {
    pub(crate) fn new(persistence: &Persistence, vocab: &Arc<LlamaVocab>) -> Self {
        let Persistence { least, list, judge } = persistence;
        let (list, judge) = (list.make(), judge.clone());
        Self { list, least: *least, judge, vocab: Arc::clone(vocab), venture: None, prolonged: false }
    }

    /// Takes note of a token that was written, and of how likely it was.
    pub(crate) fn hear(&mut self, token: u32, likely: f32) {
        let text = self.vocab.piece(token);
        self.list.hear(&text);
        if let Some(venture) = &mut self.venture {
            venture.judge.hear(&text, likely);
        }
    }

    /// True where `token` would say what follows a call, which is not for the model alone to say.
    pub(crate) fn minds(&self, token: u32) -> bool {
        let follows = self.list.after(&self.vocab.piece(token));
        follows.is_some_and(|follows| !self.ventures() || follows != Follows::Open)
    }

    /// The tokens, of those that `mask` allows, one of which comes in place of `chosen`; `None` where `chosen` stands. With them
    /// another call follows that is ventured; or a call that was ventured ends and no more, so that it is known whether it
    /// stays before anything follows it. `tokens` are there, and `held` events are held back.
    pub(crate) fn venture(
        &mut self,
        chosen: u32,
        logits: &[f32],
        mask: &SimpleVob,
        (tokens, held): (usize, usize),
    ) -> Option<SimpleVob> {
        let after = |token| self.list.after(&self.vocab.piece(token));
        if self.ventures() {
            let text = self.vocab.piece(chosen);
            let ends_a_call = |token| text.starts_with(&self.vocab.piece(token)) && after(token) == Some(Follows::Open);
            return only(mask, ends_a_call);
        }
        let Shares { calls, likely, end } = shares(logits, mask, after);
        tracing::debug!(likely, "how likely another call is");
        let goes_on = calls.is_allowed(chosen);
        if !goes_on && (likely <= 0.0 || likely < f64::from(self.least)) {
            return None;
        }
        let instead = if goes_on { end? } else { chosen };
        let retreat = Retreat { tokens, held, instead };
        // Behind a call that the model had not made by itself none is its own.
        let own = goes_on && !self.prolonged;
        self.venture = Some(Venture { call: self.list.calls(), own, judge: self.judge.make(), retreat });
        Some(calls)
    }

    /// True while it is not known whether what is written stays.
    pub(crate) fn ventures(&self) -> bool {
        self.venture.is_some()
    }

    /// The events that were held back before the call that is ventured are told.
    pub(crate) fn told(&mut self) -> Option<usize> {
        self.venture.as_mut().map(|venture| std::mem::take(&mut venture.retreat.held))
    }

    /// Whether the call that was ventured stays, or how to retreat from it; `None` where that is not known yet, or was told.
    /// `over`: no more comes.
    pub(crate) fn outcome(&mut self, over: bool) -> Option<Result<(), Retreat>> {
        let Venture { call, own, judge, retreat } = self.venture.as_ref()?;
        let stays = match self.list.grounds(*call) {
            None if !over => return None,
            Some(Grounds::None) => false,
            Some(Grounds::Model) if !own => false,
            Some(Grounds::User) if *own => true,
            _ => judge.is_sure(over)?,
        };
        let own = *own;
        let outcome = if stays { Ok(()) } else { Err(*retreat) };
        self.venture = None;
        self.prolonged |= !own;
        Some(outcome)
    }
}

/// Those tokens of `mask` for which `holds` does; `None` where there are none.
fn only(mask: &SimpleVob, holds: impl Fn(u32) -> bool) -> Option<SimpleVob> {
    let mut tokens = SimpleVob::alloc(mask.len());
    let mut any = false;
    for token in (0u32..).take(mask.len()).filter(|token| mask.is_allowed(*token) && holds(*token)) {
        tokens.allow_token(token);
        any = true;
    }
    any.then_some(tokens)
}

/// What may come behind a call.
struct Shares {
    /// The tokens with which another call follows.
    calls: SimpleVob,
    /// Their share of all that end a call.
    likely: f64,
    /// The likeliest token that ends the list, or else leaves it open.
    end: Option<u32>,
}

fn shares(logits: &[f32], mask: &SimpleVob, after: impl Fn(u32) -> Option<Follows>) -> Shares {
    let allowed = || {
        let all = (0u32..).zip(logits.iter().copied());
        all.filter(|(id, logit)| !logit.is_nan() && mask.is_allowed(*id))
    };
    let largest = allowed().map(|(_, logit)| logit).fold(f32::NEG_INFINITY, f32::max);
    let mut calls = SimpleVob::alloc(mask.len());
    let (mut another, mut all) = (0.0, 0.0);
    let mut end: Option<(bool, f32, u32)> = None;
    for (id, logit) in allowed().filter(|(_, logit)| logit - largest > NOTHING) {
        let Some(follows) = after(id) else { continue };
        let weight = f64::from(logit - largest).exp();
        all += weight;
        if follows == Follows::Call {
            another += weight;
            calls.allow_token(id);
            continue;
        }
        let rank = (follows == Follows::End, logit);
        if end.is_none_or(|(ends, best, _)| rank > (ends, best)) {
            end = Some((rank.0, rank.1, id));
        }
    }
    Shares { calls, likely: if all > 0.0 { another / all } else { 0.0 }, end: end.map(|(_, _, id)| id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_tokens_are_taken() {
        let mut mask = SimpleVob::alloc(4);
        mask.allow_token(1);
        mask.allow_token(2);
        let taken = only(&mask, |token| token >= 2).unwrap();
        assert_eq!((0..4).filter(|id| taken.is_allowed(*id)).collect::<Vec<u32>>(), [2]);
        assert!(only(&mask, |token| token == 3).is_none());
    }

    #[test]
    fn another_call_has_its_share_of_what_is_allowed_behind_a_call() {
        let logits = [4.0, 2.0, 1.0, 1.0, 9.0, f32::NAN, 2.0, 0.0].map(|power: f32| power * 2.0f32.ln());
        let mut mask = SimpleVob::alloc(8);
        for id in [0, 1, 2, 3, 5, 7] {
            mask.allow_token(id);
        }
        let after = |id: u32| match id {
            0 => None,
            1 => Some(Follows::Open),
            2 | 7 => Some(Follows::End),
            _ => Some(Follows::Call),
        };
        let Shares { calls, likely, end } = shares(&logits, &mask, after);
        assert!((likely - 2.0 / 9.0).abs() < 1e-6, "{likely}");
        assert_eq!((0..8).filter(|id| calls.is_allowed(*id)).collect::<Vec<u32>>(), [3]);
        assert_eq!(end, Some(2));
        let none = shares(&logits, &SimpleVob::alloc(8), after);
        assert_eq!((none.likely, none.end), (0.0, None));
    }
}
