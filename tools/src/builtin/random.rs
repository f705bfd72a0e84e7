//! `random_number_generator`, as the ChatGLM3 demos have it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::tool;

/// The range has no number, or only one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the range is [{min}, {max}]; its first number must be less than its second")]
pub struct EmptyRange {
    /// The first number.
    pub min: i64,
    /// The second number.
    pub max: i64,
}

/// A random integer between the two numbers of `range`, both included; reproducible within one release of Glassbox.
///
/// # Errors
/// [`EmptyRange`] where the first number is not less than the second.
#[tool(
    description = "Generate a random integer x with range[0] <= x <= range[1]. The same seed and range give the same x.",
    read_only
)]
pub fn random_number_generator(
    /// The random seed used by the generator.
    seed: i64,
    /// The range of the generated number: the smallest and the largest.
    range: [i64; 2],
) -> Result<i64, EmptyRange> {
    let [min, max] = range;
    if min >= max {
        return Err(EmptyRange { min, max });
    }
    Ok(StdRng::seed_from_u64(seed.cast_unsigned()).random_range(min..=max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_number_and_another_seed_another() {
        let numbers = (0..100).map(|seed| random_number_generator(seed, [0, 1_000_000]).unwrap()).collect::<Vec<_>>();
        let again = (0..100).map(|seed| random_number_generator(seed, [0, 1_000_000]).unwrap()).collect::<Vec<_>>();
        assert_eq!(numbers, again);
        let different = numbers.iter().collect::<std::collections::HashSet<_>>();
        assert!(different.len() > 90, "{} different of 100", different.len());
    }

    #[test]
    fn both_ends_are_reached_and_never_passed() {
        let numbers = (-50..50)
            .map(|seed| random_number_generator(seed, [-1, 1]).unwrap())
            .collect::<std::collections::HashSet<_>>();
        assert_eq!(numbers, [-1, 0, 1].into());
        assert!(random_number_generator(i64::MIN, [i64::MIN, i64::MAX]).is_ok());
    }

    #[test]
    fn an_empty_range_is_an_error() {
        for range in [[1, 1], [2, 1], [i64::MAX, i64::MIN]] {
            assert_eq!(random_number_generator(1, range), Err(EmptyRange { min: range[0], max: range[1] }));
        }
    }
}
