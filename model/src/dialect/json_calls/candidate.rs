//! What stands before the first brace of a call: a fence, a list.

/// The longest word after a fence's backticks.
const MAX_INFO: usize = 24;

/// The most white space before the brace.
const MAX_SPACE: usize = 256;

/// A beginning that may turn out to be a call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// That many backticks.
    Ticks(usize),
    /// The word after the backticks, so long.
    Info(usize),
    /// White space after a fence's line, so much.
    FenceSpace(usize),
    /// White space after a list's bracket, so much.
    ListSpace(usize),
    /// White space after an object's brace, so much.
    ObjectSpace(usize),
}

/// Where a beginning goes with the next character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// On.
    Opening(Opening),
    /// This character opens a list, in a fence or not.
    List,
    /// This character opens an object.
    Object,
    /// This is the first character of an object's first key.
    Key,
    /// No call begins here.
    Text,
}

impl Opening {
    pub(super) fn next(self, c: char) -> Next {
        match self {
            Self::Ticks(n) if n < 3 => {
                if c == '`' {
                    Next::Opening(Self::Ticks(n + 1))
                } else {
                    Next::Text
                }
            }
            Self::Ticks(_) => Self::Info(0).next(c),
            Self::Info(n) => match c {
                '{' => Next::Object,
                '[' => Next::List,
                c if c.is_whitespace() => Next::Opening(Self::FenceSpace(1)),
                c if n < MAX_INFO && (c.is_ascii_alphanumeric() || "_-+.".contains(c)) => {
                    Next::Opening(Self::Info(n + 1))
                }
                _ => Next::Text,
            },
            Self::FenceSpace(n) => match c {
                '{' => Next::Object,
                '[' => Next::List,
                c if n < MAX_SPACE && c.is_whitespace() => Next::Opening(Self::FenceSpace(n + 1)),
                _ => Next::Text,
            },
            Self::ListSpace(n) => match c {
                '{' => Next::Object,
                c if n < MAX_SPACE && c.is_whitespace() => Next::Opening(Self::ListSpace(n + 1)),
                _ => Next::Text,
            },
            Self::ObjectSpace(n) => match c {
                '"' | '\'' => Next::Key,
                c if n < MAX_SPACE && c.is_whitespace() => Next::Opening(Self::ObjectSpace(n + 1)),
                _ => Next::Text,
            },
        }
    }
}
