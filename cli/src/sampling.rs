//! The sampling settings, each defined once: its name, its range, what it does. The options of the command line, the
//! `/set` command and the help come from here.

use glassbox::model::Sampling;

/// What a person can tune between two turns.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tuning {
    /// How tokens are chosen.
    pub(crate) sampling: Sampling,
    /// The most tokens of one reply; `None` leaves it to the context.
    pub(crate) max_tokens: Option<u32>,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knob {
    /// `temperature`.
    Temperature,
    /// `top_p`.
    TopP,
    /// `top_k`.
    TopK,
    /// `min_p`.
    MinP,
    /// `repetition_penalty`.
    RepetitionPenalty,
    /// `seed`.
    Seed,
    /// `max_tokens`.
    MaxTokens,
}

/// A setting with a value that is in its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Assignment {
    /// A number with a fraction, for the knob named.
    Share(Knob, f32),
    /// A whole number, for the knob named. `None` is the setting's "as it comes".
    Count(Knob, Option<u32>),
}

impl Knob {
    /// All of them, in the order in which they are listed.
    pub(crate) const ALL: [Self; 7] =
        [Self::Temperature, Self::TopP, Self::TopK, Self::MinP, Self::RepetitionPenalty, Self::Seed, Self::MaxTokens];

    /// The name, as `/set` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::RepetitionPenalty => "repetition_penalty",
            Self::Seed => "seed",
            Self::MaxTokens => "max_tokens",
        }
    }

    /// The setting of that name; `-` and `_` are one, case does not matter.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase().replace('-', "_");
        Self::ALL.into_iter().find(|knob| knob.name() == name)
    }

    /// What values it takes, in words.
    pub(crate) fn range(self) -> &'static str {
        match self {
            Self::Temperature => "a number from 0 (the likeliest token) to 5",
            Self::TopP => "a number above 0 and at most 1 (off)",
            Self::TopK => "a whole number; 0 is off",
            Self::MinP => "a number from 0 (off) to below 1",
            Self::RepetitionPenalty => "a number from 0.1 to 10; 1 is off",
            Self::Seed => "a whole number from 0 to 4294967295, or `random`",
            Self::MaxTokens => "a whole number of at least 1, or `none`",
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What the value must be, as a sentence's end: `must be …`.
    pub(crate) fn parse(self, text: &str) -> Result<Assignment, String> {
        let text = text.trim();
        let wrong = || format!("must be {}", self.range());
        let share = |fits: fn(f32) -> bool| {
            let value = text.parse::<f32>().ok().filter(|value| value.is_finite() && fits(*value));
            value.map(|value| Assignment::Share(self, value)).ok_or_else(wrong)
        };
        let count = |off: &[&str], least: u32| {
            if off.contains(&text) {
                return Ok(Assignment::Count(self, None));
            }
            let value = text.parse::<u32>().ok().filter(|value| *value >= least);
            value.map(|value| Assignment::Count(self, Some(value))).ok_or_else(wrong)
        };
        match self {
            Self::Temperature => share(|value| (0.0..=5.0).contains(&value)),
            Self::TopP => share(|value| value > 0.0 && value <= 1.0),
            Self::TopK => count(&[], 0),
            Self::MinP => share(|value| (0.0..1.0).contains(&value)),
            Self::RepetitionPenalty => share(|value| (0.1..=10.0).contains(&value)),
            Self::Seed => count(&["random", "none"], 0),
            Self::MaxTokens => count(&["none"], 1),
        }
    }

    /// The value in force, as `/set` shows it.
    pub(crate) fn show(self, tuning: &Tuning) -> String {
        let Tuning { sampling, max_tokens } = tuning;
        match self {
            Self::Temperature => sampling.temperature.to_string(),
            Self::TopP => sampling.top_p.to_string(),
            Self::TopK => sampling.top_k.to_string(),
            Self::MinP => sampling.min_p.to_string(),
            Self::RepetitionPenalty => sampling.repetition_penalty.to_string(),
            Self::Seed => sampling.seed.map_or_else(|| "random".to_owned(), |seed| seed.to_string()),
            Self::MaxTokens => max_tokens.map_or_else(|| "none".to_owned(), |most| most.to_string()),
        }
    }
}

impl Assignment {
    /// The setting that it sets.
    pub(crate) fn knob(self) -> Knob {
        match self {
            Self::Share(knob, _) | Self::Count(knob, _) => knob,
        }
    }

    /// Puts the value in its place.
    pub(crate) fn apply(self, tuning: &mut Tuning) {
        let sampling = &mut tuning.sampling;
        match self {
            Self::Share(Knob::Temperature, value) => sampling.temperature = value,
            Self::Share(Knob::TopP, value) => sampling.top_p = value,
            Self::Share(Knob::MinP, value) => sampling.min_p = value,
            Self::Share(Knob::RepetitionPenalty, value) => sampling.repetition_penalty = value,
            Self::Count(Knob::TopK, value) => sampling.top_k = value.unwrap_or(0),
            Self::Count(Knob::Seed, value) => sampling.seed = value,
            Self::Count(Knob::MaxTokens, value) => tuning.max_tokens = value,
            // `parse` pairs each knob with its kind of number; the other pairs are never made.
            Self::Share(..) | Self::Count(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_range_arrives_and_is_shown() {
        let mut tuning = Tuning::default();
        for (name, value) in [
            ("temperature", "0.2"),
            ("top-p", "0.9"),
            ("TOP_K", "40"),
            ("min_p", "0.05"),
            ("repetition_penalty", "1.1"),
            ("seed", "7"),
            ("max_tokens", "100"),
        ] {
            let knob = Knob::by_name(name).unwrap();
            let assignment = knob.parse(value).unwrap();
            assert_eq!(assignment.knob(), knob);
            assignment.apply(&mut tuning);
            assert_eq!(knob.show(&tuning), value, "{name}");
        }
        assert_eq!(tuning.sampling.seed, Some(7));
        assert_eq!(tuning.sampling.top_k, 40);
        assert_eq!(tuning.max_tokens, Some(100));
    }

    #[test]
    fn a_value_out_of_range_says_the_range() {
        for (knob, value) in [
            (Knob::Temperature, "-1"),
            (Knob::Temperature, "NaN"),
            (Knob::Temperature, "warm"),
            (Knob::TopP, "0"),
            (Knob::TopP, "1.5"),
            (Knob::TopK, "-3"),
            (Knob::MinP, "1"),
            (Knob::RepetitionPenalty, "0"),
            (Knob::Seed, "4294967296"),
            (Knob::MaxTokens, "0"),
        ] {
            let problem = knob.parse(value).unwrap_err();
            assert_eq!(problem, format!("must be {}", knob.range()), "{knob:?} {value}");
        }
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let tuning = Tuning::default();
        for knob in Knob::ALL {
            let mut again = tuning.clone();
            knob.parse(&knob.show(&tuning)).unwrap().apply(&mut again);
            assert_eq!(again, tuning, "{knob:?}");
        }
    }
}
