//! What the user said, from each of its words on: most texts in a call are a piece of it.

/// A piece is known by so many characters of its beginning.
const LENGTH: usize = 32;

/// More words of a message are not looked at.
const WORDS: usize = 4096;

/// Words that may stand between `from` or `to` and a place.
const BETWEEN: [&str; 4] = ["the", "a", "my", "city"];

/// A message from each word on, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans {
    all: Vec<String>,
    /// Those that begin inside a name: they are none of the others.
    cut: Vec<String>,
    /// Those behind `from`.
    from: Vec<String>,
    /// Those behind `to`.
    to: Vec<String>,
}

impl Spans {
    pub(super) fn of(message: &str) -> Self {
        let mut out = Self::default();
        let mut before = ' ';
        let mut last = Word::default();
        let mut direction = "";
        for (at, c) in message.char_indices() {
            // Where there are no spaces any character may begin a word.
            let begins = c.is_alphanumeric() && (!before.is_alphanumeric() || !c.is_ascii());
            before = c;
            if !begins {
                continue;
            }
            let word = Word::at(message, at);
            if !BETWEEN.iter().any(|between| last.text.eq_ignore_ascii_case(between)) {
                direction = last.text;
            }
            let inside = last.is_name && c.is_uppercase() && word.follows(&last, message);
            last = word;
            if out.all.len() >= WORDS {
                break;
            }
            let rest = message.get(at..).unwrap_or_default();
            let span: String = rest.chars().take(LENGTH).flat_map(char::to_lowercase).collect();
            if inside {
                out.cut.push(span);
                continue;
            }

            if direction.eq_ignore_ascii_case("from") {
                out.from.push(span.clone());
            } else if direction.eq_ignore_ascii_case("to") {
                out.to.push(span.clone());
            }
            out.all.push(span);
        }
        for spans in [&mut out.all, &mut out.cut, &mut out.from, &mut out.to] {
            spans.sort_unstable();
        }
        out
    }

    /// True where a piece begins so; also for what has no letter or digit, or more than is known of a piece.
    pub(super) fn has(&self, text: &str) -> bool {
        begin(&self.all, text)
    }

    /// True where a piece begins so and a word ends there, but for one letter: `Christian` is no piece of `Christianity`, and `C`
    /// none of `C#`.
    pub(super) fn has_whole(&self, text: &str) -> bool {
        let text = known(text);
        let of_word = |c: &char| c.is_alphabetic() || matches!(c, '#' | '+' | '_');
        let letter = |c: char| if c.is_alphabetic() { 1 } else { 2 };
        let rest = |span: &String| -> Option<usize> {
            Some(span.strip_prefix(&text)?.chars().take_while(of_word).map(letter).sum())
        };
        text.is_empty() || text.chars().count() > LENGTH || self.all.iter().filter_map(rest).any(|letters| letters <= 1)
    }

    /// True where a piece begins with `text`, one space and `word`.
    pub(super) fn follows(&self, text: &str, word: &str) -> bool {
        let piece = format!("{text} {word}");
        !text.is_empty() && piece.len() <= LENGTH && self.has(&piece)
    }

    /// True where a piece begins so only inside a name.
    pub(super) fn cuts_a_name(&self, text: &str) -> bool {
        begin(&self.cut, text) && !begin(&self.all, text)
    }

    /// True where one behind `to` begins so, and none behind `from`.
    pub(super) fn is_goal(&self, text: &str) -> bool {
        begin(&self.to, text) && !begin(&self.from, text)
    }

    /// True where one behind `from` begins so, and none behind `to`.
    pub(super) fn is_origin(&self, text: &str) -> bool {
        begin(&self.from, text) && !begin(&self.to, text)
    }
}

/// A word of a message.
#[derive(Debug, Clone, Copy, Default)]
struct Word<'a> {
    text: &'a str,
    /// Where it ends.
    end: usize,
    /// It has a capital letter, and not for beginning a sentence.
    is_name: bool,
}

impl<'a> Word<'a> {
    fn at(message: &'a str, at: usize) -> Self {
        let rest = message.get(at..).unwrap_or_default();
        let text = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let before = message.get(..at).unwrap_or_default().trim_end_matches([' ', '\'', '"', '(']);
        let first = before.is_empty() || before.ends_with(['.', '?', '!', ':', '\n']);
        let is_name = !first && text.starts_with(char::is_uppercase);
        Self { text, end: at.saturating_add(text.len()), is_name }
    }

    /// True where only a space is between them.
    fn follows(&self, other: &Self, message: &str) -> bool {
        let start = self.end.saturating_sub(self.text.len());
        message.get(other.end..start) == Some(" ")
    }
}

fn begin(spans: &[String], text: &str) -> bool {
    let text = known(text);
    let next = spans.partition_point(|span| *span < text);
    text.is_empty() || text.chars().count() > LENGTH || spans.get(next).is_some_and(|span| span.starts_with(&text))
}

/// A text as pieces are kept.
fn known(text: &str) -> String {
    text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_the_message_begins_at_a_word() {
        let spans = Spans::of("Search for Divorce-law specialists in L.A., 3 of them. 北京");
        for text in ["divorce", "Divorce-law spec", "L.A", "3 of", "la", "\"law", "京", "$", "", &"x".repeat(40)] {
            assert!(spans.has(text), "{text}");
        }
        assert!(!spans.has("vorce") && !spans.has("Marriage") && !spans.has("lawyer"));
        assert!(!Spans::of("").has("x"));
        assert!(spans.has_whole("divorce") && spans.has_whole("Specialist") && spans.has_whole("specialists in"));
        assert!(!spans.has_whole("special") && !spans.has_whole("marriage"));
        assert!(spans.follows("Divorce-law", "specialist") && !spans.follows("law", "in") && !spans.follows("", "law"));
        let spans = Spans::of("The C# of the theory");
        assert!(spans.has_whole("C#") && !spans.has_whole("C"));
    }

    #[test]
    fn no_piece_begins_inside_a_name() {
        let spans = Spans::of("Find a used Gibson Les Paul, Paul's guitar. Mister Smith, of New York");
        for text in ["Gibson Les", "Smith", "Paul's", "New York", "guitar"] {
            assert!(spans.has(text), "{text}");
        }
        for text in ["Les Paul", "Paul,", "York"] {
            assert!(!spans.has(text) && spans.cuts_a_name(text), "{text}");
        }
        for text in ["guitar", "Oslo", "Paul's", "Gibson", "New York", ""] {
            assert!(!spans.cuts_a_name(text), "{text}");
        }
    }

    #[test]
    fn places_are_told_apart_by_what_stands_before_them() {
        let spans = Spans::of("Go from the Hague to my Rome office, then back from Rome to the city Oslo");
        assert!(spans.is_origin("Hague") && !spans.is_goal("hague"));
        assert!(spans.is_goal("oslo") && !spans.is_origin("Oslo"));
        // Behind both, or neither.
        for text in ["rome", "office", "back", "", "Paris"] {
            assert!(!spans.is_goal(text) && !spans.is_origin(text), "{text}");
        }
    }
}
