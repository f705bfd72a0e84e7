//! What a value in a call should look like, and what speaks against one that does not.

use super::{amounts::Amounts, asked::Asked};

/// By so much, as a logarithm, a value is less likely that is not what the description shows. Models are very sure of what they have
/// seen more often.
const UNLIKE: f32 = -12.0;

/// The same of a text that is no piece of what the user said: more than nine in ten are one (`docs/evals.md`).
const UNSAID: f32 = -2.5;

/// The same of one that leaves out how a name begins, or how its own last word ends, that holds what is for another parameter, or
/// that is what the tool is called: of 990, 1,470, 830 and 2,770 texts that are right 5, 8, 3 and 21 do.
const CUT: f32 = -5.0;

/// The same of a `false` where all words in the parameter's name were said: of 163 such booleans 20 are false.
const DENIED: f32 = -2.0;

/// The same of a place to go to where one to come from is asked for, and the other way round.
const TURNED: f32 = -3.0;

/// Shorter beginnings of a word may be those of another, but where it is a number.
const TOLD_APART: usize = 3;

/// A first word is looked at for so many bytes.
const BEGINNING: usize = 16;

/// What a value should look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// A city with its state, region or country, a comma between them.
    Place,
    /// A share of one: 0.05 for 5 %.
    Share,
    /// A percentage: 5 for 5 %.
    Percentage,
    /// No type of a schema, but for those that the user or the description names.
    NoType(Vec<&'static str>),
    /// One of these, which the description lists; in lower case.
    Listed(Vec<String>),
    /// Without these words of the message, which are for another parameter; in lower case.
    Elsewhere(Vec<String>),
    /// None of these words of the message, which are what the tool itself is called; in lower case.
    NoTool(Vec<String>),
    /// A boolean that is true, as the user has spoken of it.
    Affirmed,
    /// A piece of what the user said.
    Said,
    /// What the user said behind `from`.
    Origin,
    /// What the user said behind `to`.
    Goal,
}

impl Hint {
    /// True where it may speak against what follows `written`, with which the value begins.
    pub(super) fn minds(&self, written: &str, asked: &Asked) -> bool {
        match self {
            Self::Place => !written.contains(','),
            Self::Share | Self::Percentage | Self::Elsewhere(_) => true,
            Self::Listed(items) => {
                let begun = |content: &str| items.iter().any(|item| item.starts_with(content));
                begins(written, "").is_none_or(|(content, ended)| !ended && begun(&content.to_lowercase()))
            }
            Self::Affirmed => written.trim().is_empty(),
            Self::NoTool(_) => begins(written, "").is_none_or(|(content, ended)| !ended && is_a_beginning(&content)),
            Self::NoType(_) | Self::Said | Self::Origin | Self::Goal => {
                // Who has begun a piece, or something else, goes on with it.
                begins(written, "")
                    .is_none_or(|(content, ended)| !ended && is_a_beginning(&content) && asked.spans.has(&content))
            }
        }
    }

    /// By how much `text` is less likely behind `written`, with which the value begins; as a logarithm, at most 0.
    pub(super) fn lean(&self, written: &str, text: &str, asked: &Asked) -> f32 {
        let number = || number(written.trim_start(), text);
        let content = || begins(written, text);
        let (unlike, lean) = match self {
            Self::Share => {
                (number().is_some_and(|(number, ended)| is_percentage(&number, ended, &asked.amounts)), UNLIKE)
            }
            Self::Percentage => (number().is_some_and(|(number, _)| asked.amounts.begins_share(&number)), UNLIKE),
            Self::Place => (content().is_some_and(|(content, ended)| ended && !content.contains(',')), UNLIKE),
            Self::NoType(types) => {
                // Beside it there is the same with a space in front.
                let is_type = |content: &str| {
                    let word = content.trim_start().to_lowercase();
                    content.starts_with(' ') || types.iter().any(|known| word.starts_with(known))
                };
                (content().is_some_and(|(content, _)| is_type(&content)), UNLIKE)
            }
            Self::Affirmed => (text.trim_start().to_lowercase().starts_with('f'), DENIED),
            Self::NoTool(words) => (content().is_some_and(|(content, _)| words.contains(&content.to_lowercase())), CUT),
            Self::Elsewhere(words) => {
                let before = begins(written, "").map(|(content, _)| content).unwrap_or_default();
                // Who has begun one goes on with it.
                let begins_one = content().is_some_and(|(content, _)| is_at_one(words, &content))
                    && !is_at_one(words, &before)
                    || text == " " && words.iter().any(|word| asked.spans.follows(&before, word));
                (begins_one, CUT)
            }
            Self::Listed(items) => {
                let is_other = |(content, ended): (String, bool)| {
                    let content = content.to_lowercase();
                    !items.iter().any(|item| if ended { *item == content } else { item.starts_with(&content) })
                };
                (content().is_some_and(is_other), UNLIKE)
            }
            Self::Said => {
                let Some((content, ended)) = content() else { return 0.0 };
                let spans = &asked.spans;
                if spans.cuts_a_name(&content) || ended && spans.has(&content) && !spans.has_whole(&content) {
                    (true, CUT)
                } else {
                    (!spans.has(&content), UNSAID)
                }
            }
            Self::Origin => (content().is_some_and(|(content, _)| asked.spans.is_goal(&content)), TURNED),
            Self::Goal => (content().is_some_and(|(content, _)| asked.spans.is_origin(&content)), TURNED),
        };
        if unlike { lean } else { 0.0 }
    }
}

/// True where the last word of a text is one of `words`, or begins like one.
fn is_at_one(words: &[String], text: &str) -> bool {
    let last = text.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    let is_told_apart = last.len() >= TOLD_APART || last.starts_with(|c: char| c.is_ascii_digit());
    words.iter().any(|word| *word == last || is_told_apart && word.starts_with(&last))
}

/// True while a text is in its first word.
fn is_a_beginning(content: &str) -> bool {
    content.len() <= BEGINNING && content.chars().all(char::is_alphanumeric)
}

/// What stands in a text that `written` and `text` begin, where it is more than nothing, and whether its end is there.
fn begins(written: &str, text: &str) -> Option<(String, bool)> {
    let mut chars = written.trim_start().chars().chain(text.chars());
    let quote = chars.by_ref().find(|c| !c.is_whitespace()).filter(|c| matches!(c, '"' | '\''))?;
    let mut content = String::new();
    let ended = chars.any(|c| {
        let end = c == quote && !content.ends_with('\\');
        content.push(c);
        end
    });
    if ended {
        content.pop();
    }
    (!content.is_empty()).then_some((content, ended))
}

/// The number that `written` and `text` begin, where there is any of it, and whether its end is there.
fn number(written: &str, text: &str) -> Option<(String, bool)> {
    let text = if written.is_empty() { text.trim_start() } else { text };
    let digits = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-')).unwrap_or(text.len());
    let number = format!("{written}{}", text.get(..digits).unwrap_or_default());
    (!number.is_empty()).then_some((number, digits < text.len()))
}

fn is_percentage(number: &str, ended: bool, amounts: &Amounts) -> bool {
    if ended { amounts.is_percentage(number) } else { amounts.begins_percentage(number) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Message, Request};

    fn asked(message: &str) -> Arc<Asked> {
        Asked::of(&Request { messages: vec![Message::user(message)], ..Request::default() })
    }

    #[test]
    fn a_place_goes_on_to_its_region() {
        let asked = asked("");
        let lean = |written: &str, text: &str| Hint::Place.lean(written, text, &asked);
        for (written, text) in [(" \"Rome", "\""), ("\"Ro", "me\","), ("", "\"Rome\""), ("'Rome", "'")] {
            assert_eq!(lean(written, text), UNLIKE, "{written} {text}");
        }
        for (written, text) in
            [("\"Rome", ","), ("\"Rome, I", "T\""), ("", "\""), ("\"", "\""), ("\"Ro", "\\\""), (" [\"Rome", "\"")]
        {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
        assert!(Hint::Place.minds("\"Rome", &asked) && !Hint::Place.minds("\"Rome, ", &asked));
    }

    #[test]
    fn a_percentage_is_written_as_its_parameter_wants_it() {
        let asked = asked("5% or 12.5 percent of 50 in 12 years");
        let lean = |hint: Hint, written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [("5", ","), ("", "1"), ("", " 12.5"), ("12.", "5"), ("12.5", "}")] {
            assert_eq!(lean(Hint::Share, written, text), UNLIKE, "{written} {text}");
            assert_eq!(lean(Hint::Percentage, written, text), 0.0, "{written} {text}");
        }
        for (written, text) in [("", "0"), ("0.", "0"), ("0.0", "5"), ("", "0.12"), ("0.125", "}")] {
            assert_eq!(lean(Hint::Percentage, written, text), UNLIKE, "{written} {text}");
            assert_eq!(lean(Hint::Share, written, text), 0.0, "{written} {text}");
        }
        for (written, text) in [("", " "), ("12", ","), ("50", ","), ("5", "0")] {
            for hint in [Hint::Share, Hint::Percentage] {
                assert_eq!(lean(hint, written, text), 0.0, "{written} {text}");
            }
        }
    }

    #[test]
    fn what_is_called_a_type_is_no_type_of_a_schema() {
        let hint = Hint::NoType(vec!["object", "array"]);
        let asked = asked("");
        let lean = |written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [("", " \"Object"), ("\"o", "bject\""), ("\"", " sculpture")] {
            assert_eq!(lean(written, text), UNLIKE, "{written} {text}");
        }
        for (written, text) in [("", "\"public"), ("\"", "string"), ("\"", "dict"), ("", "\"")] {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
        assert!(hint.minds(" \"", &asked) && !hint.minds("\"object\"", &asked));
    }

    #[test]
    fn a_text_that_is_required_begins_as_something_that_was_said() {
        let asked = asked("Search for divorce law specialists");
        let lean = |written: &str, text: &str| Hint::Said.lean(written, text, &asked);
        for (written, text, expected) in
            [(" \"", "Marriage", UNSAID), (" \"Div", "ision", UNSAID), (" \"Div", "\"", CUT), ("", "\"special\"", CUT)]
        {
            assert_eq!(lean(written, text), expected, "{written} {text}");
        }
        for (written, text) in [(" \"", "Div"), (" \"", "Divorce\""), ("\"", "specialist\""), ("", " \""), ("", " ")] {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
        let named = self::asked("A used Gibson Les Paul guitar");
        let lean = |text: &str| Hint::Said.lean("\"", text, &named);
        assert_eq!(
            ["Gibson", "Les", "Paul Gibson", "used", "Gibson\"", "used\""].map(lean),
            [0.0, CUT, UNSAID, 0.0, 0.0, 0.0]
        );
        assert!(Hint::Said.minds("", &asked) && Hint::Said.minds(" \"Div", &asked));
        for written in ["\"Divorce law", "\"Marr", "\"law\""] {
            assert!(!Hint::Said.minds(written, &asked), "{written}");
        }
    }

    #[test]
    fn a_text_is_one_of_those_that_its_description_lists() {
        let hint = Hint::Listed(["melting", "freezing point", "boiling"].map(str::to_owned).into());
        let asked = asked("");
        let lean = |written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [("", "\"water"), ("\"melt", "\""), ("\"melting", " ice")] {
            assert_eq!(lean(written, text), UNLIKE, "{written} {text}");
        }
        for (written, text) in [("", " \"Free"), ("\"melt", "ing"), ("\"melting", "\","), ("", "\"")] {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
        assert!(
            hint.minds("\"Freezing", &asked) && !hint.minds("\"water", &asked) && !hint.minds("\"melting\"", &asked)
        );
    }

    #[test]
    fn a_word_is_left_to_the_parameter_that_it_is_for() {
        let hint = Hint::Elsewhere(["2021", "major"].map(str::to_owned).into());
        let asked = asked("NBA 2021");
        let lean = |written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [
            ("", "\"20"),
            ("\"NBA ", "2"),
            ("\"NBA", " 2021\""),
            ("\"NBA", " "),
            ("\"C sharp", " Major"),
            ("\"C sharp ", "maj"),
            ("\"C sharp m", "ajor\""),
        ] {
            assert_eq!(lean(written, text), CUT, "{written} {text}");
        }
        for (written, text) in [
            ("", "\"La"),
            ("\"NFL", " "),
            ("\"NBA ", "3"),
            ("\"A", "2"),
            ("\"NBA 202", "1"),
            ("\"2021", "\""),
            ("\"C sharp", " m"),
            ("\"C sharp maj", "or"),
            ("\"C sharp", "\""),
            ("\"C sharp", " majority"),
        ] {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
    }

    #[test]
    fn what_was_spoken_of_is_true() {
        let asked = asked("");
        let lean = |text: &str| Hint::Affirmed.lean(" ", text, &asked);
        assert_eq!(["false", " False}", "f", "true", " "].map(lean), [DENIED, DENIED, DENIED, 0.0, 0.0]);
        assert!(Hint::Affirmed.minds("", &asked) && !Hint::Affirmed.minds(" f", &asked));
    }

    #[test]
    fn a_value_is_not_what_the_tool_is_called() {
        let hint = Hint::NoTool(vec!["concert".to_owned()]);
        let asked = asked("A classical concert");
        let lean = |written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [("", " \"Concert"), ("\"con", "cert"), ("\"", "concert\"")] {
            assert_eq!(lean(written, text), CUT, "{written} {text}");
        }
        for (written, text) in [("", "\"classical"), ("\"con", "certs"), ("\"classical", " concert"), ("", "\"")] {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
        assert!(hint.minds("\"con", &asked) && !hint.minds("\"classical ", &asked) && !hint.minds("\"jazz\"", &asked));
    }

    #[test]
    fn an_origin_is_no_goal() {
        let asked = asked("from Rome to Oslo");
        let lean = |hint: Hint, text: &str| hint.lean("\"", text, &asked);
        assert_eq!((lean(Hint::Origin, "Os"), lean(Hint::Goal, "Rome")), (TURNED, TURNED));
        assert_eq!((lean(Hint::Origin, "Rom"), lean(Hint::Goal, "Oslo\""), lean(Hint::Goal, "Bern")), (0.0, 0.0, 0.0));
    }
}
