//! Finds the end of a JSON object that comes character by character, and what is known of it on the way.

use super::reading::is_argument_key;

/// Deeper objects are given up. More than the readers take, so that they can name the fault.
const MAX_DEPTH: usize = 160;

/// What a character did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing worth telling.
    Nothing,
    /// The object does not go on like JSON.
    Broken,
    /// A key of the object itself is complete: [`Scanner::key`].
    Key,
    /// This character is the first of the arguments.
    ArgumentsBegin,
    /// This character belongs to the arguments.
    Arguments,
    /// This character closes the object.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Colon,
    Value,
    InValue,
}

/// Follows one object, from its opening brace on.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    stack: Vec<char>,
    quote: Option<char>,
    escaped: bool,
    place: Place,
    /// The last key of the object itself.
    pub(super) key: String,
    /// Keys seen so far.
    pub(super) keys: usize,
    /// The value of `name`, once it is complete.
    pub(super) name: Option<String>,
    /// The key `description` was there: the object defines a tool, or may.
    pub(super) described: bool,
    /// A key for arguments was there.
    pub(super) has_arguments: bool,
    text: String,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            stack: Vec::new(),
            quote: None,
            escaped: false,
            place: Place::Key,
            key: String::new(),
            keys: 0,
            name: None,
            described: false,
            has_arguments: false,
            text: String::new(),
        }
    }

    /// True inside a string.
    pub(super) fn in_string(&self) -> bool {
        self.quote.is_some()
    }

    /// True in a value of the object itself.
    pub(super) fn in_value(&self) -> bool {
        matches!(self.place, Place::Value | Place::InValue)
    }

    /// The braces and brackets that would close what is open.
    pub(super) fn closers(&self) -> String {
        self.stack.iter().rev().collect()
    }

    pub(super) fn push(&mut self, c: char) -> Event {
        let top = self.stack.len() == 1;
        if let Some(quote) = self.quote {
            return self.in_quotes(c, quote, top);
        }
        match c {
            '"' | '\'' => {
                self.quote = Some(c);
                self.text.clear();
                if top && self.place == Place::Value {
                    self.place = Place::InValue;
                    return self.argument(Event::ArgumentsBegin);
                }
                if top && self.place == Place::Colon {
                    return Event::Broken;
                }
            }
            '{' | '[' | '(' => {
                if self.stack.len() >= MAX_DEPTH || (top && matches!(self.place, Place::Key | Place::Colon)) {
                    return Event::Broken;
                }
                self.stack.push(match c {
                    '{' => '}',
                    '[' => ']',
                    _ => ')',
                });
                if top && self.place == Place::Value {
                    self.place = Place::InValue;
                    return self.argument(Event::ArgumentsBegin);
                }
            }
            '}' | ']' | ')' => {
                if self.stack.pop() != Some(c) {
                    return Event::Broken;
                }
                if self.stack.is_empty() {
                    return Event::End;
                }
            }
            ',' if top => {
                self.place = Place::Key;
                return Event::Nothing;
            }
            ':' if top && self.place == Place::Colon => {
                self.place = Place::Value;
                return Event::Nothing;
            }
            c if c.is_whitespace() => {}
            _ if top => match self.place {
                Place::Value => {
                    self.place = Place::InValue;
                    return self.argument(Event::ArgumentsBegin);
                }
                Place::InValue => {}
                Place::Key | Place::Colon => return Event::Broken,
            },
            _ => {}
        }
        self.inside()
    }

    fn in_quotes(&mut self, c: char, quote: char, top: bool) -> Event {
        if self.escaped {
            self.escaped = false;
        } else if c == '\\' {
            self.escaped = true;
        } else if c == quote {
            self.quote = None;
            if top && self.place == Place::Key {
                self.key = std::mem::take(&mut self.text);
                self.keys += 1;
                self.place = Place::Colon;
                self.described |= self.key == "description";
                self.has_arguments |= is_argument_key(&self.key);
                return Event::Key;
            }
            if top && self.place == Place::InValue && self.key == "name" && self.name.is_none() {
                // A name with escapes is left to the reader of the whole object.
                self.name = Some(std::mem::take(&mut self.text)).filter(|name| !name.contains('\\'));
            }
            return self.inside();
        }
        // Only names and keys are of interest, and both are short.
        if top && self.text.len() < 512 {
            self.text.push(c);
        }
        self.inside()
    }

    fn inside(&self) -> Event {
        let within = self.stack.len() > 1 || self.place == Place::InValue;
        if within { self.argument(Event::Arguments) } else { Event::Nothing }
    }

    fn argument(&self, event: Event) -> Event {
        if is_argument_key(&self.key) { event } else { Event::Nothing }
    }
}
