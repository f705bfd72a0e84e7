//! Marks in what a template is given, and how they are read from what it wrote.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Specials;
use crate::dialect::{DialectError, Piece};

/// Private-use characters: no text means anything by them, and no template does.
const PRIVATE: std::ops::RangeInclusive<u32> = 0xE000..=0xF8FF;

/// Two characters that stand nowhere in the input, and the replies they stand for.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Stands inside a special's text that is no special.
    breaker: char,
    /// Stands on both sides of the number of a recorded reply.
    bracket: char,
    recorded: Vec<Vec<u32>>,
}

impl Guard {
    /// Finds two characters that occur in none of `texts`, `values` and `specials`.
    ///
    /// # Errors
    /// [`DialectError::Template`] where there are none: the texts use all 6,400 private characters.
    pub(crate) fn new<'a>(
        texts: impl Iterator<Item = &'a str>,
        values: impl Iterator<Item = &'a Value>,
        specials: &Specials,
    ) -> Result<Self, DialectError> {
        let mut used = std::collections::HashSet::new();
        for text in texts {
            note(text, &mut used);
        }
        for value in values {
            note_value(value, &mut used);
        }
        let mut free = PRIVATE.filter_map(char::from_u32).filter(|c| !used.contains(c) && !specials.contain(*c));
        match (free.next(), free.next()) {
            (Some(breaker), Some(bracket)) => Ok(Self { breaker, bracket, recorded: Vec::new() }),
            _ => Err(DialectError::Template { problem: "the texts use every private character of Unicode".to_owned() }),
        }
    }

    /// `text` with every special in it broken.
    pub(crate) fn text(&self, text: &str, specials: &Specials) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            out.push(c);
            if specials.at_start(rest).is_some() {
                out.push(self.breaker);
            }
            rest = chars.as_str();
        }
        out
    }

    /// `value` with every special in its texts and keys broken.
    pub(crate) fn value(&self, value: &Value, specials: &Specials) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, specials)),
            Value::Array(items) => items.iter().map(|item| self.value(item, specials)).collect(),
            Value::Object(map) => {
                let pairs = map.iter().map(|(key, item)| (self.text(key, specials), self.value(item, specials)));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    /// A text that stands for `tokens`.
    pub(crate) fn recorded(&mut self, tokens: &[u32]) -> String {
        let mark = format!("{}{}{}", self.bracket, self.recorded.len(), self.bracket);
        self.recorded.push(tokens.to_vec());
        mark
    }

    /// Puts the rest of `opening` before each recorded reply that has only its first part before it.
    fn reopen<'a>(&self, rendered: &'a str, opening: &str) -> Cow<'a, str> {
        if opening.is_empty() || self.recorded.is_empty() {
            return Cow::Borrowed(rendered);
        }
        let mut out = String::with_capacity(rendered.len());
        let mut inside = false;
        for (i, part) in rendered.split(self.bracket).enumerate() {
            if i > 0 {
                if !inside {
                    let missing = opening.char_indices().rev().map(|(at, _)| opening.split_at_checked(at));
                    let whole = out.ends_with(opening);
                    let missing = missing.flatten().find(|(head, _)| !head.is_empty() && out.ends_with(head));
                    if let Some((_, tail)) = missing.filter(|_| !whole) {
                        out.push_str(tail);
                    }
                }
                inside = !inside;
                out.push(self.bracket);
            }
            out.push_str(part);
        }
        Cow::Owned(out)
    }

    /// Reads what a template wrote.
    ///
    /// # Errors
    /// [`DialectError::Template`] where a recorded reply is missing or stands there twice.
    pub(crate) fn split(&self, rendered: &str, specials: &Specials, opening: &str) -> Result<Vec<Piece>, DialectError> {
        let rendered = self.reopen(rendered, opening);
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        let mut rest = rendered.as_ref();
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            if c == self.breaker {
                rest = after;
            } else if c == self.bracket {
                let (number, after) = after.split_once(self.bracket).ok_or_else(unknown_reply)?;
                // In their order and each once, or the prompt would not grow at its end only.
                let tokens =
                    self.recorded.get(next).filter(|_| number.parse() == Ok(next)).ok_or_else(unknown_reply)?;
                next += 1;
                flush(&mut text, &mut pieces);
                pieces.push(Piece::Tokens(tokens.clone()));
                rest = after;
            } else if let Some((special, id)) = specials.at_start(rest) {
                flush(&mut text, &mut pieces);
                pieces.push(Piece::Special(id));
                rest = rest.get(special.len()..).unwrap_or_default();
            } else {
                text.push(c);
                rest = after;
            }
        }
        flush(&mut text, &mut pieces);
        if next != self.recorded.len() {
            return Err(unknown_reply());
        }
        Ok(pieces)
    }
}

fn flush(text: &mut String, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

fn unknown_reply() -> DialectError {
    DialectError::Template { problem: "it leaves out or reorders the replies of the model".to_owned() }
}

fn note(text: &str, used: &mut std::collections::HashSet<char>) {
    used.extend(text.chars().filter(|c| PRIVATE.contains(&u32::from(*c))));
}

fn note_value(value: &Value, used: &mut std::collections::HashSet<char>) {
    match value {
        Value::String(text) => note(text, used),
        Value::Array(items) => items.iter().for_each(|item| note_value(item, used)),
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            note(key, used);
            note_value(item, used);
        }),
        _ => {}
    }
}
