//! Whether the user has said what stands in a call.

use std::sync::Arc;

use super::support::are_forms_of_one;
use crate::{Message, Request};

/// Words that have so many letters in common at their beginning are forms of one, as `EUR` and `euros` are.
const BEGINNING: usize = 3;

/// The user's last message.
pub(super) fn last_of_the_user(request: &Request) -> &str {
    let mut messages = request.messages.iter().rev();
    let last = messages.find_map(|message| match message {
        Message::User { content } => Some(content.as_str()),
        _ => None,
    });
    last.unwrap_or_default()
}

/// What came after the user's last message.
fn since_the_user(request: &Request) -> &[Message] {
    let last = request.messages.iter().rposition(|message| matches!(message, Message::User { .. }));
    request.messages.get(last.map_or(0, |at| at.saturating_add(1))..).unwrap_or_default()
}

/// The user's last message, and what tools have answered since.
pub(super) fn said_since(request: &Request) -> impl Iterator<Item = &str> {
    let answers = since_the_user(request).iter().filter_map(|message| match message {
        Message::Observation(observation) => Some(observation.content.as_str()),
        _ => None,
    });
    [last_of_the_user(request)].into_iter().chain(answers)
}

/// True where the user's last message has been answered with a call.
pub(crate) fn has_called(request: &Request) -> bool {
    since_the_user(request).iter().any(|message| matches!(message, Message::Observation(_)))
}

/// The words of the user's last message, and of what tools have answered since, with a space before and behind each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said(Arc<str>);

impl Said {
    pub(super) fn of(request: &Request) -> Self {
        Self(said_since(request).map(words).collect::<String>().into())
    }

    /// True where the words of `value`, which is JSON, are among those of the message, one after another.
    pub(super) fn mentions(&self, value: &str) -> bool {
        let value = words(value);
        !value.trim().is_empty() && self.0.contains(&value)
    }

    /// True where a word of `value` is one of the message's, or begins like one.
    pub(super) fn touches(&self, value: &str) -> bool {
        words(value).split_whitespace().any(|word| self.has_like(word))
    }

    /// True where such a word is no form of one of `name`'s.
    pub(super) fn touches_beside(&self, value: &str, name: &str) -> bool {
        let name = words(name);
        let is_of_name = |word: &str| name.split_whitespace().any(|own| are_forms_of_one(own, word));
        words(value).split_whitespace().any(|word| !is_of_name(word) && self.has_like(word))
    }

    /// True where all words of `value` are such.
    pub(super) fn names(&self, value: &str) -> bool {
        let value = words(value);
        !value.trim().is_empty() && value.split_whitespace().all(|word| self.has_like(word))
    }

    /// True where a word of `value` that is none of `before`'s is one of the message's, or a form of one.
    pub(super) fn has_new(&self, value: &str, before: &str) -> bool {
        let before = words(before);
        let is_new = |word: &&str| !before.split_whitespace().any(|other| other == *word);
        words(value).split_whitespace().filter(is_new).any(|word| self.has_form(word))
    }

    /// True where a form of `word`, in lower case, was said.
    pub(super) fn has_form(&self, word: &str) -> bool {
        self.0.split_whitespace().any(|said| are_forms_of_one(word, said))
    }

    fn has_like(&self, word: &str) -> bool {
        let begins_like = |said: &str| {
            let same = word.chars().zip(said.chars()).take_while(|(a, b)| a == b && a.is_alphabetic()).count();
            word == said || same >= BEGINNING
        };
        self.0.split_whitespace().any(begins_like)
    }
}

/// The words of `text` in lower case. Letters next to digits are a word of their own, as in `5cm`; each letter beyond ASCII is one,
/// as there are languages without spaces.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    let mut before = Class::Other;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let digit_follows = chars.peek().is_some_and(char::is_ascii_digit);
        let class = match c {
            c if c.is_ascii_digit() => Class::Digit,
            '.' if before == Class::Digit && digit_follows => Class::Digit,
            // 1,000.
            ',' if before == Class::Digit && digit_follows => continue,
            c if c.is_ascii_alphabetic() => Class::Letter,
            c if c.is_alphanumeric() => Class::Alone,
            _ => Class::Other,
        };
        let ends_word = class != before || class == Class::Alone;
        if ends_word && !out.ends_with(' ') {
            out.push(' ');
        }
        if class != Class::Other {
            out.extend(c.to_lowercase());
        }
        before = class;
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// A word by itself.
    Alone,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        let messages = vec![Message::user("first: red"), Message::user(text)];
        Said::of(&Request { messages, ..Request::default() })
    }

    #[test]
    fn whole_words_of_the_last_message_are_mentioned() {
        let said = said("Areas of 5cm, 1,000 m and -2.5 in 'Dictionary' format; true north. 用摄氏度");
        for value in
            ["5", "\"cm\"", "1000", "2.5", "-2.5", " \"dictionary\"", "\"M\"", "true", "\"摄氏\"", "[5, \"cm\"]"]
        {
            assert!(said.mentions(value), "{value}");
        }
        for value in
            ["\"c\"", "2", "100", "\"red\"", "\"\"", "false", "\"diction\"", "\"cm 5\"", "\"华氏\"", "3.0", "{}"]
        {
            assert!(!said.mentions(value), "{value}");
        }
    }

    #[test]
    fn a_value_touches_what_was_said_by_one_word() {
        let said = said("Areas in euros, for Paris 2024, from the physicist 李");
        for value in ["\"EUR\"", "\"Paris, France\"", "\"Physics\"", "2024", "\"李白\"", "\"in\""] {
            assert!(said.touches(value), "{value}");
        }
        assert!(said.touches_beside("\"EUR\"", "currency") && said.touches_beside("\"area of Paris\"", "area_name"));
        assert!(!said.touches_beside("\"area 1\"", "area_name") && !said.touches_beside("\"Areas\"", "area"));
        for value in ["\"EU\"", "\"London\"", "202", "20245", "\"白\"", "\"\""] {
            assert!(!said.touches(value), "{value}");
        }
    }

    #[test]
    fn a_value_names_what_was_said_by_all_of_its_words_and_is_new_by_those_of_its_own() {
        let said = said("Missions and trophies of games with 3 players");
        assert!(said.names("\"Game mission\"") && !said.names("\"Mission 2\"") && !said.names("\"\""));
        assert!(said.has_new("\"Mission 3\"", "\"Mission 2\"") && said.has_new("\"game\"", ""));
        assert!(!said.has_new("\"Mission 2\"", "\"Mission 3\"") && !said.has_new("4", ""));
        assert!(!said.has_new("\"misty\"", "") && said.touches("\"misty\""));
    }

    #[test]
    fn without_a_message_nothing_is() {
        assert!(!Said::of(&Request::default()).mentions("5"));
    }
}
