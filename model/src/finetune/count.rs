//! How large a file's samples are.

use super::render::Rendered;
use super::sample::Sample;

/// Numbers of a file, or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Samples.
    pub samples: usize,
    /// Those of them that are pairs.
    pub pairs: usize,
    /// Entries of all conversations, and one for each pair.
    pub turns: usize,
    /// Tokens.
    pub tokens: usize,
    /// Tokens that are learnt.
    pub targets: usize,
    /// Tokens of the longest sample.
    pub longest: usize,
    /// Its line.
    pub longest_line: usize,
    /// Samples that have no more tokens than the limit; all, where there is none.
    pub within: usize,
}

impl Counts {
    /// Counts a sample of line `line`. `limit`: the most tokens of a sample.
    pub fn add(&mut self, line: usize, sample: &Sample, rendered: &Rendered, limit: Option<usize>) {
        let tokens = rendered.ids.len();
        self.samples = self.samples.saturating_add(1);
        self.pairs = self.pairs.saturating_add(usize::from(matches!(sample, Sample::Pair(_))));
        self.turns = self.turns.saturating_add(sample.turns());
        self.tokens = self.tokens.saturating_add(tokens);
        self.targets = self.targets.saturating_add(rendered.learnt());
        if tokens > self.longest {
            (self.longest, self.longest_line) = (tokens, line);
        }
        self.within = self.within.saturating_add(usize::from(limit.is_none_or(|limit| tokens <= limit)));
    }
}
