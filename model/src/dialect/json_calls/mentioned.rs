//! Whether the user has said what stands in a call.

use std::sync::Arc;

use crate::{Message, Request};

/// Words that have so many letters in common at their beginning are forms of one, as `EUR` and `euros` are.
const BEGINNING: usize = 3;

/// The words of the user's last message, with a space before and behind each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said(Arc<str>);

impl Said {
    pub(super) fn of(request: &Request) -> Self {
        let last = request.messages.iter().rev().find_map(|message| match message {
            Message::User { content } => Some(content.as_str()),
            _ => None,
        });
        Self(words(last.unwrap_or_default()).into())
    }

    /// True where the words of `value`, which is JSON, are among those of the message, one after another.
    pub(super) fn mentions(&self, value: &str) -> bool {
        let value = words(value);
        !value.trim().is_empty() && self.0.contains(&value)
    }

    /// True where a word of `value` is one of the message's, or begins like one.
    pub(super) fn touches(&self, value: &str) -> bool {
        let begins_like = |a: &str, b: &str| {
            let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b && a.is_alphabetic()).count();
            a == b || same >= BEGINNING
        };
        let value = words(value);
        value.split_whitespace().any(|word| self.0.split_whitespace().any(|said| begins_like(word, said)))
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
        for value in ["\"EU\"", "\"London\"", "202", "20245", "\"白\"", "\"\""] {
            assert!(!said.touches(value), "{value}");
        }
    }

    #[test]
    fn without_a_message_nothing_is() {
        assert!(!Said::of(&Request::default()).mentions("5"));
    }
}
