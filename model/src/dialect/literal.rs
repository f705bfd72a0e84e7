//! Reads Python literals as `repr` writes them, and the keyword calls that ChatGLM3 writes around them. Nothing is
//! ever evaluated.
//!
//! | Python | becomes |
//! |---|---|
//! | `None`, `True`, `False` (and JSON's `null`, `true`, `false`) | null, true, false |
//! | integers, also `0x1f`, `0o17`, `0b1`, `1_000` | a number; an error beyond 64 bits |
//! | floats | a number; an error for `inf` and `nan`, which JSON does not have |
//! | strings, also raw, triple-quoted and put together from neighbours | a string |
//! | lists, tuples, sets | an array, in the order written |
//! | dicts | an object; keys become strings as `json.dumps` makes them (`1` → `"1"`, `None` → `"null"`); the last of equal keys counts |
//! | bytes, f-strings, complex numbers, names, calls | an error |
//!
//! A pair of surrogate escapes (`"\ud83d\ude00"`) becomes its character; a lone one becomes U+FFFD, since a Rust string
//! cannot hold it.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// The deepest nesting that is read. Deeper values are an error, not a stack overflow.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not a literal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {line}, column {column})")]
pub struct LiteralError {
    /// What is wrong.
    pub problem: String,
    /// Where, in bytes from the start.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A keyword call: `name(key=value, …)`.
#[derive(Debug, Clone, PartialEq)]
pub struct KeywordCall {
    /// The name before the parenthesis.
    pub name: String,
    /// The arguments, in the order written.
    pub arguments: Map<String, Value>,
    /// Bytes of the text up to and including the closing parenthesis.
    pub length: usize,
}

/// Reads one literal; white space around it is allowed, anything else is an error.
///
/// # Errors
/// [`LiteralError`] with the place.
pub fn read(text: &str) -> Result<Value, LiteralError> {
    Reader::new(text, false).only_value()
}

/// Reads JSON with the faults that models make: Python's words and quotes, trailing commas, raw line breaks in strings,
/// unknown escapes. What is right JSON means the same as in JSON.
///
/// # Errors
/// [`LiteralError`] with the place.
pub fn read_relaxed_json(text: &str) -> Result<Value, LiteralError> {
    Reader::new(text, true).only_value()
}

/// Reads the relaxed JSON value that `text` begins with, and its length in bytes.
///
/// # Errors
/// [`LiteralError`] with the place.
pub fn read_relaxed_json_prefix(text: &str) -> Result<(Value, usize), LiteralError> {
    let mut reader = Reader::new(text, true);
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

/// Reads the keyword call that `text` begins with, as in `tool_call(city='Beijing', days=3)`.
///
/// Values without a name are an error, as is a name given twice. `**{…}` gives arguments whose names are no
/// identifiers.
///
/// # Errors
/// [`LiteralError`] with the place.
pub fn read_call(text: &str) -> Result<KeywordCall, LiteralError> {
    Reader::new(text, false).call()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    relaxed: bool,
}

type Read<T> = Result<T, LiteralError>;

impl<'a> Reader<'a> {
    fn new(text: &'a str, relaxed: bool) -> Self {
        Self { text, at: 0, relaxed }
    }

    fn only_value(mut self) -> Read<Value> {
        let value = self.value(0)?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(c) => Err(self.error(format!("`{}` after the end of the value", shown(c)))),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            if !c.is_whitespace() {
                break;
            }
            self.at += c.len_utf8();
        }
    }

    fn error(&self, problem: impl Into<String>) -> LiteralError {
        self.error_at(self.at, problem)
    }

    fn error_at(&self, at: usize, problem: impl Into<String>) -> LiteralError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        LiteralError { problem: problem.into(), at, line, column }
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.skip_space();
        let Some(c) = self.peek() else { return Err(self.error("the text ends where a value should stand")) };
        match c {
            '[' => {
                self.at += 1;
                Ok(Value::Array(self.items(']', depth)?.0))
            }
            '(' => {
                self.at += 1;
                let (mut items, comma) = self.items(')', depth)?;
                // (x) is x in parentheses, (x,) is a tuple.
                Ok(if items.len() == 1 && !comma { items.swap_remove(0) } else { Value::Array(items) })
            }
            '{' => {
                self.at += 1;
                self.dict_or_set(depth)
            }
            '\'' | '"' => self.strings(),
            '+' | '-' => self.signed(),
            '0'..='9' => self.number(false),
            '.' if self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => self.number(false),
            c if is_word(c) => self.word(depth),
            c => Err(self.error(format!("`{}` where a value should stand", shown(c)))),
        }
    }

    /// Items up to `close`, and whether the last one was followed by a comma.
    fn items(&mut self, close: char, depth: usize) -> Read<(Vec<Value>, bool)> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.skip_space();
            if self.eat(close) {
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return Err(self.missing(close));
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            comma = self.eat(',');
        }
    }

    fn missing(&self, close: char) -> LiteralError {
        match self.peek() {
            None => self.error(format!("the text ends before the closing `{close}`")),
            Some(c) => self.error(format!("`{}` where `,` or `{close}` should stand", shown(c))),
        }
    }

    fn dict_or_set(&mut self, depth: usize) -> Read<Value> {
        self.skip_space();
        if self.eat('}') {
            return Ok(Value::Object(Map::new()));
        }
        let start = self.at;
        let first = self.value(depth + 1)?;
        self.skip_space();
        if self.peek() != Some(':') {
            let mut items = vec![first];
            if self.eat(',') {
                items.extend(self.items('}', depth)?.0);
            } else if !self.eat('}') {
                return Err(self.missing('}'));
            }
            return Ok(Value::Array(items));
        }
        let mut map = Map::new();
        let mut key = self.key(first, start)?;
        loop {
            self.skip_space();
            if !self.eat(':') {
                return Err(self.error(format!("`:` is missing after the key `{key}`")));
            }
            map.insert(key, self.value(depth + 1)?);
            self.skip_space();
            let comma = self.eat(',');
            self.skip_space();
            if self.eat('}') {
                return Ok(Value::Object(map));
            }
            if !comma {
                return Err(self.missing('}'));
            }
            let start = self.at;
            let next = self.value(depth + 1)?;
            key = self.key(next, start)?;
        }
    }

    fn key(&self, value: Value, at: usize) -> Read<String> {
        match value {
            Value::String(text) => Ok(text),
            Value::Bool(true) => Ok("true".to_owned()),
            Value::Bool(false) => Ok("false".to_owned()),
            Value::Null => Ok("null".to_owned()),
            Value::Number(number) => Ok(super::pyjson::number(&number)),
            Value::Array(_) | Value::Object(_) => {
                Err(self.error_at(at, "a key must be a string, a number, True, False or None"))
            }
        }
    }

    fn word(&mut self, depth: usize) -> Read<Value> {
        let start = self.at;
        let word: String = self.rest().chars().take_while(|c| is_word(*c)).collect();
        let after = self.rest().get(word.len()..).and_then(|rest| rest.chars().next());
        if matches!(after, Some('\'' | '"')) && is_string_prefix(&word) {
            return self.strings();
        }
        self.at += word.len();
        match word.as_str() {
            "None" | "null" => Ok(Value::Null),
            "True" | "true" => Ok(Value::Bool(true)),
            "False" | "false" => Ok(Value::Bool(false)),
            "nan" | "NaN" | "inf" | "Infinity" | "Inf" => {
                Err(self.error_at(start, format!("`{word}` is no value that JSON knows")))
            }
            // The repr of a set without elements.
            "set" | "frozenset" if after == Some('(') => {
                self.at += 1;
                let (mut items, _) = self.items(')', depth)?;
                match items.pop() {
                    None => Ok(Value::Array(Vec::new())),
                    Some(Value::Array(elements)) if items.is_empty() => Ok(Value::Array(elements)),
                    Some(_) => Err(self.error_at(start, format!("`{word}(…)` takes one list or set"))),
                }
            }
            _ if after == Some('(') => Err(self.error_at(start, format!("`{word}(…)` is a call, not a value"))),
            _ => Err(self.error_at(start, format!("`{word}` is no value; text needs quotes"))),
        }
    }

    fn call(mut self) -> Read<KeywordCall> {
        self.skip_space();
        let name: String =
            self.rest().chars().take_while(|c| !c.is_whitespace() && !"()[]{}'\",=".contains(*c)).collect();
        if name.is_empty() {
            return Err(self.error("a call begins with a name"));
        }
        self.at += name.len();
        self.skip_space();
        if !self.eat('(') {
            return Err(self.error(format!("`(` is missing after `{name}`")));
        }
        let mut arguments = Map::new();
        let mut comma = true;
        let mut position = 1;
        loop {
            self.skip_space();
            if self.eat(')') {
                return Ok(KeywordCall { name, arguments, length: self.at });
            }
            if !comma {
                return Err(self.missing(')'));
            }
            self.argument(position, &mut arguments)?;
            position += 1;
            self.skip_space();
            comma = self.eat(',');
        }
    }

    fn argument(&mut self, position: usize, arguments: &mut Map<String, Value>) -> Read<()> {
        let start = self.at;
        if self.rest().starts_with("**") {
            self.at += 2;
            let Value::Object(map) = self.value(1)? else {
                return Err(self.error_at(start, "`**` takes a dict"));
            };
            for (key, value) in map {
                self.put(arguments, key, value, start)?;
            }
            return Ok(());
        }
        let key: String =
            self.rest().chars().take_while(|c| !c.is_whitespace() && !"()[]{}'\",=".contains(*c)).collect();
        self.at += key.len();
        self.skip_space();
        let named = !key.is_empty() && self.peek() == Some('=') && !self.rest().starts_with("==");
        if !named {
            return Err(match self.text.get(start..).and_then(|rest| rest.chars().next()) {
                None => self.error_at(start, "the text ends before the closing `)`"),
                Some(_) => self.error_at(start, format!("argument {position} has no name; write each as name=value")),
            });
        }
        self.at += 1;
        let value = self.value(1)?;
        self.put(arguments, key, value, start)
    }

    fn put(&self, arguments: &mut Map<String, Value>, key: String, value: Value, at: usize) -> Read<()> {
        if arguments.contains_key(&key) {
            return Err(self.error_at(at, format!("the argument `{key}` is given twice")));
        }
        arguments.insert(key, value);
        Ok(())
    }
}

mod number;
mod string;
mod writer;

pub(crate) use writer::is_keyword;
pub use writer::{Quotes, write, write_call};

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_string_prefix(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "r" | "u" | "b" | "br" | "rb" | "f" | "fr" | "rf" | "t" | "tr" | "rt")
}

/// A character as it may stand in a message.
fn shown(c: char) -> Cow<'static, str> {
    if c.is_control() { Cow::Owned(c.escape_default().to_string()) } else { Cow::Owned(c.to_string()) }
}

fn finite(value: f64) -> Option<Value> {
    Number::from_f64(value).map(Value::Number)
}
