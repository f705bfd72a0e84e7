//! How many prompt tokens one step takes.

use std::time::Duration;

/// What the first step takes, before anything is known of the machine.
const FIRST: usize = 64;
/// The fewest tokens: a step has costs of its own, however short it is.
const LEAST: usize = 16;

/// Adapts the length of a chunk to the speed of the machine, so that a step lasts about as long as wanted.
#[derive(Debug)]
pub(crate) struct Pace {
    chunk: usize,
    most: usize,
    target: Duration,
}

impl Pace {
    /// Steps that last about `target`, of at most `most` tokens.
    pub(crate) fn new(most: usize, target: Duration) -> Self {
        let most = most.max(1);
        Self { chunk: FIRST.min(most), most, target }
    }

    /// Prompt tokens for the next step.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }

    /// Learns from a step of `tokens` that lasted `elapsed`.
    pub(crate) fn learn(&mut self, tokens: usize, elapsed: Duration) {
        // A step much shorter than asked for says little: its time is that of reading the weights.
        if tokens.saturating_mul(2) < self.chunk {
            return;
        }
        let per_token = elapsed.as_secs_f64().max(1e-6) / tokens as f64;
        let wanted = (self.target.as_secs_f64() / per_token) as usize;
        // Halves and doubles only: one odd step must not throw it off. A multiple of 8 suits the kernels.
        let next = wanted.clamp(self.chunk / 2, self.chunk.saturating_mul(2)) / 8 * 8;
        // Small changes are noise.
        if next.abs_diff(self.chunk).saturating_mul(5) > self.chunk {
            self.chunk = next.max(LEAST).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    fn settle(most: usize, per_token: Duration) -> usize {
        let mut pace = Pace::new(most, TARGET);
        for _ in 0..20 {
            let chunk = pace.chunk();
            pace.learn(chunk, per_token * chunk as u32);
        }
        pace.chunk()
    }

    #[test]
    fn a_step_lasts_about_as_long_as_wanted() {
        for micros in [30, 300, 1000, 3000, 5000] {
            let per_token = Duration::from_micros(micros);
            let chunk = settle(4096, per_token);
            let lasts = per_token * chunk as u32;
            assert!(lasts < TARGET * 13 / 10, "{micros} µs: {chunk} tokens last {lasts:?}");
            assert!(lasts > TARGET * 7 / 10, "{micros} µs: {chunk} tokens last {lasts:?}");
        }
    }

    #[test]
    fn stays_within_its_bounds() {
        assert_eq!(settle(512, Duration::from_nanos(10)), 512);
        assert_eq!(settle(512, Duration::from_secs(1)), LEAST);
        assert_eq!(settle(4, Duration::from_secs(1)), 4);
    }

    #[test]
    fn a_short_last_step_changes_nothing() {
        let mut pace = Pace::new(512, TARGET);
        pace.learn(3, Duration::from_millis(90));
        assert_eq!(pace.chunk(), FIRST);
    }
}
