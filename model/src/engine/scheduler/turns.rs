//! Whose weights come next, where generations with different adapters wait.

use std::time::{Duration, Instant};

use crate::engine::adapters::Weights;

/// How long the same weights go on while others wait. Changing them makes llama.cpp build its graph anew, and who waits
/// feels it as a pause.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// Turns of weights: each waits until all others that wait have had one.
#[derive(Debug)]
pub(super) struct Turns {
    /// How long a turn lasts while others wait.
    slice: Duration,
    /// When the present turn began.
    since: Instant,
    /// When the last turn of each ended, as a number that grows.
    had: Vec<(Weights, u64)>,
    count: u64,
}

impl Turns {
    pub(super) fn new(slice: Duration) -> Self {
        Self { slice, since: Instant::now(), had: Vec::new(), count: 0 }
    }

    /// Which of `waiting` come next; `now` are those that had the last turn. `None` where nobody waits.
    pub(super) fn next(&mut self, waiting: &[Weights], now: Weights) -> Option<Weights> {
        let others = waiting.iter().any(|weights| *weights != now);
        if waiting.contains(&now) && (!others || self.since.elapsed() < self.slice) {
            if !others {
                // A turn begins when somebody else comes.
                self.since = Instant::now();
            }
            return Some(now);
        }
        // Who is gone has no turn to wait for, and scales may be as many as requests.
        self.had.retain(|(weights, _)| waiting.contains(weights));
        let last = |weights: &Weights| self.had.iter().find(|(had, _)| had == weights).map_or(0, |(_, at)| *at);
        let next = waiting.iter().filter(|weights| **weights != now).min_by_key(|weights| last(weights)).copied()?;
        self.count = self.count.saturating_add(1);
        self.had.retain(|(weights, _)| *weights != now);
        self.had.push((now, self.count));
        self.since = Instant::now();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::adapters::tests::some;

    /// Who computes in each of `steps` steps, while all of `waiting` wait.
    fn run(turns: &mut Turns, waiting: &[Weights], now: Weights, steps: usize) -> Vec<Weights> {
        let mut now = now;
        let step = |_| {
            now = turns.next(waiting, now)?;
            Some(now)
        };
        (0..steps).filter_map(step).collect()
    }

    #[test]
    fn whose_turn_is_over_waits_for_all_others() {
        let [a, b, c] = some();
        let mut turns = Turns::new(Duration::ZERO);
        assert_eq!(run(&mut turns, &[a, b, c], a, 7), [b, c, a, b, c, a, b]);
        // Who comes anew has had no turn.
        assert_eq!(run(&mut turns, &[a, b], b, 2), [a, b]);
        assert_eq!(run(&mut turns, &[b, c, a], b, 4), [c, a, b, c]);
        // A crowd with one adapter has no more turns than one with another.
        let ran = run(&mut turns, &[a, a, a, a, b], a, 10);
        assert_eq!(ran.iter().filter(|weights| **weights == b).count(), 5);
    }

    #[test]
    fn a_turn_lasts_and_nobody_waits_for_those_who_have_nothing_to_do() {
        let [a, b, c] = some();
        let mut turns = Turns::new(Duration::from_hours(1));
        assert_eq!(run(&mut turns, &[a, b], a, 3), [a, a, a]);
        assert_eq!(run(&mut turns, &[b, c], a, 3), [b, b, b]);
        assert_eq!(run(&mut turns, &[c], b, 2), [c, c]);
        assert_eq!(run(&mut turns, &[], c, 2), []);
    }
}
