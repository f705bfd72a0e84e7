//! Writes JSON values as Python literals.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::dialect::pyjson;

/// Which quotes a string gets when it holds neither kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// `'text'`, as `repr` does.
    Single,
    /// `"text"`, as ChatGLM3 writes its calls.
    Double,
}

/// `value` as Python writes it.
///
/// With [`Quotes::Single`] this is what `repr` gives, but for letters that Python's own Unicode tables do not know.
pub fn write(value: &Value, quotes: Quotes) -> String {
    let mut out = String::new();
    write_to(&mut out, value, quotes);
    out
}

/// `name(key=value, …)`. Names that could not stand before an equals sign go into `**{…}`.
pub fn write_call(name: &str, arguments: &Map<String, Value>, quotes: Quotes) -> String {
    let mut out = format!("{name}(");
    let mut first = true;
    let mut others = Map::new();
    for (key, value) in arguments {
        if !is_keyword(key) {
            others.insert(key.clone(), value.clone());
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        out.push_str(key);
        out.push('=');
        write_to(&mut out, value, quotes);
    }
    if !others.is_empty() {
        if !first {
            out.push_str(", ");
        }
        out.push_str("**");
        write_to(&mut out, &Value::Object(others), quotes);
    }
    out.push(')');
    out
}

/// True for what the reader takes as an argument's name. More than Python does: `max-tokens` is common in schemas.
pub(crate) fn is_keyword(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with('*')
        && !key.chars().any(|c| c.is_whitespace() || c.is_control() || "()[]{}'\",=".contains(c))
}

fn write_to(out: &mut String, value: &Value, quotes: Quotes) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&pyjson::number(number)),
        Value::String(text) => write_string(out, text, quotes),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_to(out, item, quotes);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_string(out, key, quotes);
                out.push_str(": ");
                write_to(out, item, quotes);
            }
            out.push('}');
        }
    }
}

fn write_string(out: &mut String, text: &str, quotes: Quotes) {
    let quote = match quotes {
        Quotes::Single if text.contains('\'') && !text.contains('"') => '"',
        Quotes::Single => '\'',
        Quotes::Double if text.contains('"') && !text.contains('\'') => '\'',
        Quotes::Double => '"',
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xFF => write!(out, "\\x{code:02x}"),
                    0x100..=0xFFFF => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable` for what is assigned: not the categories Cc, Cf, Co, Zl, Zp and Zs, but the space.
fn is_printable(c: char) -> bool {
    if c == ' ' {
        return true;
    }
    if c.is_control() || c.is_whitespace() {
        return false;
    }
    !matches!(
        u32::from(c),
        0xAD | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890 | 0x891 | 0x8E2 | 0x180E | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x206F | 0xE000..=0xF8FF | 0xFEFF | 0xFFF9..=0xFFFB
            | 0xFFFE | 0xFFFF | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
            | 0xE0000..=0x10FFFF
    )
}
