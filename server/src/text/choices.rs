//! The texts of a reply under way.

use glassbox_model::TokenLogprob;

use crate::piece::Piece;
use crate::wire::{Likely, TextChoice, TextLogprobs, Usage};

use super::read::Asked;

/// What was seen of the texts.
pub(super) struct Choices {
    echoes: Vec<String>,
    /// Characters of each that its tokens make.
    lengths: Vec<usize>,
    logprobs: bool,
    each: usize,
    usage: Usage,
}

impl Choices {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            lengths: vec![0; asked.echoes.len()],
            echoes: asked.echoes.clone(),
            logprobs: asked.logprobs,
            each: asked.each,
            usage: glassbox_model::Usage::default().into(),
        }
    }

    /// What the texts begin with.
    pub(super) fn begin(&self) -> Vec<String> {
        self.echoes.clone()
    }

    /// What a piece adds to its text.
    pub(super) fn take(&mut self, index: usize, piece: Piece) -> TextChoice {
        match piece {
            Piece::Text { text, logprobs } => {
                let logprobs = self.logprobs.then(|| self.logprobs(index, logprobs));
                TextChoice { text, index, logprobs, finish_reason: None }
            }
            Piece::End { reason, usage } => {
                self.count(index, usage);
                TextChoice { index, finish_reason: Some(reason), ..TextChoice::default() }
            }
            // Plain text has neither.
            Piece::Reasoning(_) | Piece::Call(_) => TextChoice { index, ..TextChoice::default() },
        }
    }

    fn logprobs(&mut self, index: usize, tokens: Vec<TokenLogprob>) -> TextLogprobs {
        let mut all = TextLogprobs::default();
        for TokenLogprob { token, top } in tokens {
            let Likely { token, logprob, .. } = token.into();
            if let Some(length) = self.lengths.get_mut(index) {
                all.text_offset.push(*length);
                *length = length.saturating_add(token.chars().count());
            }
            let mut likeliest: std::collections::BTreeMap<String, f32> = std::collections::BTreeMap::new();
            for Likely { token, logprob, .. } in top.into_iter().map(Likely::from) {
                // Parts of characters look alike; the likeliest stands for them.
                likeliest.entry(token).or_insert(logprob);
            }
            likeliest.entry(token.clone()).or_insert(logprob);
            all.tokens.push(token);
            all.token_logprobs.push(logprob);
            all.top_logprobs.push(likeliest);
        }
        all
    }

    /// A prompt counts once, however many texts it has.
    fn count(&mut self, index: usize, usage: Usage) {
        self.usage.add(usage, index.checked_rem(self.each) == Some(0));
    }

    /// Of all texts.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }
}

impl TextLogprobs {
    /// Those of more tokens.
    pub(super) fn extend(&mut self, more: Self) {
        self.tokens.extend(more.tokens);
        self.token_logprobs.extend(more.token_logprobs);
        self.top_logprobs.extend(more.top_logprobs);
        self.text_offset.extend(more.text_offset);
    }
}
