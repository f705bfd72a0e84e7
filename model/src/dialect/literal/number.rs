//! Numbers, with Python's prefixes and underscores.

use serde_json::Value;

use super::{Read, Reader, finite, is_word};

impl Reader<'_> {
    /// A number with any signs before it.
    pub(super) fn signed(&mut self) -> Read<Value> {
        let mut negative = false;
        loop {
            match self.peek() {
                Some('-') => negative = !negative,
                Some('+') => {}
                Some(c) if c.is_whitespace() => {}
                _ => break,
            }
            self.next();
        }
        match self.peek() {
            Some('0'..='9' | '.') => self.number(negative),
            _ => {
                let word: String = self.rest().chars().take_while(|c| is_word(*c)).collect();
                if matches!(word.as_str(), "inf" | "nan" | "Infinity" | "NaN") {
                    return Err(self.error(format!("`{word}` is no value that JSON knows")));
                }
                Err(self.error("a sign without a number after it"))
            }
        }
    }

    pub(super) fn number(&mut self, negative: bool) -> Read<Value> {
        let start = self.at;
        let rest = self.rest();
        let radix = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => Some(16),
            Some("0o") => Some(8),
            Some("0b") => Some(2),
            _ => None,
        };
        let (text, float) = match radix {
            Some(radix) => {
                self.at += 2;
                self.eat('_');
                (self.digits(radix)?, false)
            }
            None => self.decimal()?,
        };
        if self.peek().is_some_and(is_word) {
            let what = if matches!(self.peek(), Some('j' | 'J')) {
                "complex numbers have no place in JSON"
            } else {
                "a letter or digit right after a number"
            };
            return Err(self.error(what));
        }
        if float {
            let value: f64 = text.parse().map_err(|_| self.error_at(start, format!("`{text}` is not a number")))?;
            let value = if negative { -value } else { value };
            return finite(value).ok_or_else(|| self.error_at(start, format!("`{text}` is too large for a float")));
        }
        let radix = radix.unwrap_or(10);
        if radix == 10 && text.len() > 1 && text.starts_with('0') && text.bytes().any(|b| b != b'0') {
            return Err(self.error_at(start, format!("`{text}` has leading zeros")));
        }
        let beyond = || {
            let sign = if negative { "-" } else { "" };
            let shown: String = text.chars().take(40).collect();
            self.error_at(start, format!("the integer `{sign}{shown}` does not fit into 64 bits"))
        };
        let magnitude = u64::from_str_radix(&text, radix).map_err(|_| beyond())?;
        if negative {
            let value = 0i64.checked_sub_unsigned(magnitude).ok_or_else(beyond)?;
            return Ok(Value::from(value));
        }
        Ok(Value::from(magnitude))
    }

    /// Digits of an integer or a float, underscores left out, and whether it is a float.
    fn decimal(&mut self) -> Read<(String, bool)> {
        let mut text = String::new();
        let mut float = false;
        if self.peek() != Some('.') {
            text = self.digits(10)?;
        }
        if self.peek() == Some('.') {
            self.at += 1;
            float = true;
            let whole = !text.is_empty();
            if !whole {
                text.push('0');
            }
            text.push('.');
            if !whole || self.peek().is_some_and(|c| c.is_ascii_digit()) {
                text += &self.digits(10)?;
            } else {
                text.push('0');
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let after = self.rest().get(1..).unwrap_or_default();
            let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.at += 1;
                float = true;
                text.push('e');
                if let Some(sign @ ('+' | '-')) = self.peek() {
                    self.at += 1;
                    text.push(sign);
                }
                text += &self.digits(10)?;
            }
        }
        Ok((text, float))
    }

    fn digits(&mut self, radix: u32) -> Read<String> {
        let mut text = String::new();
        let mut underscore = false;
        while let Some(c) = self.peek() {
            if c.is_digit(radix) {
                text.push(c);
                underscore = false;
            } else if c == '_' && !underscore && !text.is_empty() {
                underscore = true;
            } else {
                break;
            }
            self.at += 1;
        }
        if text.is_empty() || underscore {
            return Err(self.error("a digit is missing"));
        }
        Ok(text)
    }
}
