//! Strings, with Python's prefixes, quotes and escapes.

use serde_json::Value;

use super::{Read, Reader, is_string_prefix, is_word, shown};

impl Reader<'_> {
    /// One string, or several side by side that make one.
    pub(super) fn strings(&mut self) -> Read<Value> {
        let mut text = String::new();
        loop {
            self.one_string(&mut text)?;
            let end = self.at;
            self.skip_space();
            if !self.at_string() {
                self.at = end;
                return Ok(Value::String(text));
            }
        }
    }

    fn at_string(&self) -> bool {
        let rest = self.rest();
        let prefix: String = rest.chars().take_while(|c| is_word(*c)).take(3).collect();
        let quoted = rest.get(prefix.len()..).is_some_and(|rest| rest.starts_with(['\'', '"']));
        quoted && (prefix.is_empty() || is_string_prefix(&prefix))
    }

    fn one_string(&mut self, text: &mut String) -> Read<()> {
        let start = self.at;
        let mut raw = false;
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphabetic()) {
            match c.to_ascii_lowercase() {
                'r' => raw = true,
                'b' => return Err(self.error_at(start, "bytes have no place in JSON")),
                'f' => return Err(self.error_at(start, "an f-string is no literal")),
                't' => return Err(self.error_at(start, "a t-string is no literal")),
                _ => {}
            }
            self.at += 1;
        }
        let Some(quote @ ('\'' | '"')) = self.next() else {
            return Err(self.error_at(start, "a string needs quotes"));
        };
        let triple = {
            let mut chars = self.rest().chars();
            chars.next() == Some(quote) && chars.next() == Some(quote)
        };
        if triple {
            self.at += 2;
        }
        loop {
            let at = self.at;
            let Some(c) = self.next() else {
                return Err(self.error_at(start, "a string begins here and is never closed"));
            };
            if c == quote {
                if !triple {
                    return Ok(());
                }
                let mut chars = self.rest().chars();
                if chars.next() == Some(quote) && chars.next() == Some(quote) {
                    self.at += 2;
                    return Ok(());
                }
                text.push(c);
            } else if c == '\\' && raw {
                text.push(c);
                text.extend(self.next());
            } else if c == '\\' {
                self.escape(at, text)?;
            } else if c == '\n' && !triple && !self.relaxed {
                return Err(self.error_at(at, "a line break inside a string; write \\n"));
            } else {
                text.push(c);
            }
        }
    }

    fn escape(&mut self, at: usize, text: &mut String) -> Read<()> {
        let Some(c) = self.next() else { return Err(self.error_at(at, "the text ends inside a string")) };
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            '/' if self.relaxed => text.push('/'),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            'x' => {
                let code = self.hex(2, at)?;
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            'u' => {
                let code = self.hex(4, at)?;
                self.unit(code, text);
            }
            'U' => {
                let code = self.hex(8, at)?;
                if code > 0x10_FFFF {
                    return Err(self.error_at(at, format!("\\U{code:08x} is no character")));
                }
                self.unit(code, text);
            }
            'N' => return Err(self.error_at(at, "characters by name (\\N{…}) are not read; write the character")),
            // Python keeps the backslash of an escape it does not know.
            other => {
                text.push('\\');
                text.push(other);
            }
        }
        Ok(())
    }

    /// A code unit: a character, or the first half of a surrogate pair with its second half after it.
    fn unit(&mut self, code: u32, text: &mut String) {
        if let Some(c) = char::from_u32(code) {
            text.push(c);
            return;
        }
        if (0xD800..0xDC00).contains(&code)
            && let Some(low) = self.rest().strip_prefix("\\u").and_then(|rest| rest.get(..4))
            && let Ok(low) = u32::from_str_radix(low, 16)
            && (0xDC00..0xE000).contains(&low)
            && let Some(c) = char::from_u32(0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        {
            self.at += 6;
            text.push(c);
            return;
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }

    fn hex(&mut self, digits: usize, at: usize) -> Read<u32> {
        let mut code = 0u32;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                let found = self.peek().map_or_else(|| "the end".into(), shown);
                return Err(self.error_at(at, format!("an escape with {digits} hexadecimal digits has {found}")));
            };
            code = (code << 4) | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
