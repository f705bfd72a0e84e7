//! From an expression to its value, in one pass. Total: every text gives a number or an error.

use super::CalculatorError;
use super::number::{Number, Operator};

pub(super) const MOST_BYTES: usize = 4096;
pub(super) const MOST_DEPTH: usize = 64;

/// The value of `expression`.
pub(super) fn evaluate(expression: &str) -> Result<Number, CalculatorError> {
    if expression.len() > MOST_BYTES {
        return Err(CalculatorError::TooLong { bytes: expression.len() });
    }
    let mut parser = Parser { text: expression.chars().collect(), at: 0, depth: 0 };
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(value),
        Some('=') => Err(parser.unexpected("an operator or the end; write only the expression, without `=`")),
        Some('^') => Err(parser.unexpected("an operator or the end; powers are written `**`")),
        Some(_) => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// The next character that is not a space.
    fn peek(&mut self) -> Option<char> {
        while self.text.get(self.at).is_some_and(|next| next.is_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    fn position(&self) -> usize {
        self.at + 1
    }

    fn unexpected(&mut self, expected: &'static str) -> CalculatorError {
        let found = self.peek().map_or("the end".to_owned(), |found| format!("`{found}`"));
        CalculatorError::Unexpected { position: self.position(), expected, found }
    }

    fn deeper<T>(&mut self, go: impl FnOnce(&mut Self) -> Result<T, CalculatorError>) -> Result<T, CalculatorError> {
        if self.depth == MOST_DEPTH {
            return Err(CalculatorError::TooDeep { position: self.position() });
        }
        self.depth += 1;
        let result = go(self);
        self.depth -= 1;
        result
    }

    fn sum(&mut self) -> Result<Number, CalculatorError> {
        let mut value = self.product()?;
        loop {
            let operator = match self.peek() {
                Some('+') => Operator::Add,
                Some('-' | '−') => Operator::Subtract,
                _ => return Ok(value),
            };
            let position = self.position();
            self.at += 1;
            value = value.apply(operator, self.product()?, position)?;
        }
    }

    fn product(&mut self) -> Result<Number, CalculatorError> {
        let mut value = self.sign()?;
        loop {
            let (operator, length) = match (self.peek(), self.text.get(self.at + 1)) {
                (Some('/'), Some('/')) => (Operator::FloorDivide, 2),
                (Some('/' | '÷'), _) => (Operator::Divide, 1),
                (Some('*' | '×'), _) => (Operator::Multiply, 1),
                (Some('%'), _) => (Operator::Remainder, 1),
                _ => return Ok(value),
            };
            let position = self.position();
            self.at += length;
            value = value.apply(operator, self.sign()?, position)?;
        }
    }

    fn sign(&mut self) -> Result<Number, CalculatorError> {
        match self.peek() {
            Some('+') => {
                self.at += 1;
                self.deeper(Self::sign)
            }
            Some('-' | '−') => {
                self.at += 1;
                self.deeper(Self::sign).map(Number::negated)
            }
            _ => self.power(),
        }
    }

    /// Binds tighter than a sign before it and looser than one behind it: `-2 ** -2` is `-(2 ** (-2))`.
    fn power(&mut self) -> Result<Number, CalculatorError> {
        let base = self.atom()?;
        if self.peek() == Some('*') && self.text.get(self.at + 1) == Some(&'*') {
            let position = self.position();
            self.at += 2;
            let exponent = self.deeper(Self::sign)?;
            return base.apply(Operator::Power, exponent, position);
        }
        Ok(base)
    }

    fn atom(&mut self) -> Result<Number, CalculatorError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let value = self.deeper(Self::sum)?;
                if self.eat(')') { Ok(value) } else { Err(self.unexpected("an operator or `)`")) }
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_alphabetic() => self.name(),
            _ => Err(self.unexpected("a number, a function or `(`")),
        }
    }

    fn number(&mut self) -> Result<Number, CalculatorError> {
        let start = self.at;
        self.digits();
        let mut whole = true;
        if self.text.get(self.at) == Some(&'.') {
            whole = false;
            self.at += 1;
            self.digits();
        }
        // `2e3` is 2000, but `2 e` is not a number followed by the constant, which would be an implied product.
        if matches!(self.text.get(self.at), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.text.get(self.at + 1), Some('+' | '-')));
            if self.text.get(self.at + 1 + sign).is_some_and(char::is_ascii_digit) {
                whole = false;
                self.at += 1 + sign;
                self.digits();
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default().iter().filter(|c| **c != '_').collect::<String>();
        if whole && let Ok(value) = text.parse() {
            return Ok(Number::Int(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            Ok(_) => Err(CalculatorError::TooLarge { position: start + 1 }),
            Err(_) => Err(CalculatorError::Unexpected {
                position: start + 1,
                expected: "a number",
                found: format!("`{text}`"),
            }),
        }
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(|next| next.is_ascii_digit() || *next == '_') {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<Number, CalculatorError> {
        let position = self.position();
        let mut name = String::new();
        while let Some(next) = self.text.get(self.at).filter(|next| next.is_alphanumeric() || **next == '_') {
            name.push(*next);
            self.at += 1;
        }
        if !self.eat('(') {
            return match Number::constant(&name) {
                Some(value) => Ok(value),
                None => Err(CalculatorError::UnknownName { position, name }),
            };
        }
        let mut arguments = Vec::new();
        if !self.eat(')') {
            loop {
                arguments.push(self.deeper(Self::sum)?);
                if self.eat(')') {
                    break;
                }
                if !self.eat(',') {
                    return Err(self.unexpected("an operator, `,` or `)`"));
                }
            }
        }
        Number::call(&name, &arguments, position)
    }
}
