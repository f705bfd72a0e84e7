//! What a value in a call should look like, and what speaks against one that does not.

use super::{amounts::Amounts, asked::Asked};

/// By so much, as a logarithm, a value is less likely that is not what the description shows. Models are very sure of what they have
/// seen more often.
const UNLIKE: f32 = -12.0;

/// The same of a text that is no piece of what the user said: more than nine in ten are one (`docs/evals.md`).
const UNSAID: f32 = -2.5;

/// The same of one that leaves out how a name begins, or how its own last word ends: of 990 and 1,470 texts that are right 5 and 8 do.
const CUT: f32 = -4.0;

/// The same of a place to go to where one to come from is asked for, and the other way round.
const TURNED: f32 = -3.0;

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
    /// Without the years that the user said: another parameter is for them.
    Yearless(Vec<String>),
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
            Self::Share | Self::Percentage | Self::Yearless(_) => true,
            Self::Listed(items) => {
                let begun = |content: &str| items.iter().any(|item| item.starts_with(content));
                begins(written, "").is_none_or(|(content, ended)| !ended && begun(&content.to_lowercase()))
            }
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
            Self::Yearless(years) => {
                let is_year = |(content, _): (String, bool)| {
                    let last = content.rsplit(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
                    last.is_some_and(|last| years.iter().any(|year| year.starts_with(last)))
                };
                // Who has begun one goes on with it.
                let begins_one = content().is_some_and(is_year) && !begins(written, "").is_some_and(is_year);
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
    fn a_year_is_left_to_the_parameter_that_is_for_it() {
        let hint = Hint::Yearless(vec!["2021".to_owned()]);
        let asked = asked("");
        let lean = |written: &str, text: &str| hint.lean(written, text, &asked);
        for (written, text) in [("", "\"20"), ("\"NBA ", "2"), ("\"NBA", " 2021\"")] {
            assert_eq!(lean(written, text), CUT, "{written} {text}");
        }
        for (written, text) in
            [("", "\"La"), ("\"NBA", " "), ("\"NBA ", "3"), ("\"A", "2"), ("\"NBA 202", "1"), ("\"2021", "\"")]
        {
            assert_eq!(lean(written, text), 0.0, "{written} {text}");
        }
    }

    #[test]
    fn an_origin_is_no_goal() {
        let asked = asked("from Rome to Oslo");
        let lean = |hint: Hint, text: &str| hint.lean("\"", text, &asked);
        assert_eq!((lean(Hint::Origin, "Os"), lean(Hint::Goal, "Rome")), (TURNED, TURNED));
        assert_eq!((lean(Hint::Origin, "Rom"), lean(Hint::Goal, "Oslo\""), lean(Hint::Goal, "Bern")), (0.0, 0.0, 0.0));
    }
}
