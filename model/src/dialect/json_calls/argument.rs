//! Which argument of a call is being written, and what of its value there is.

use super::scanner::{Event, Scanner};

/// Longer values are followed no further.
const LONG: usize = 256;

/// Follows the characters of a call.
#[derive(Debug, Default)]
pub(super) struct Argument {
    /// That of the object which holds the arguments.
    scanner: Option<Scanner>,
    value: String,
}

impl Argument {
    /// Takes a character, and what it did to the call.
    pub(super) fn push(&mut self, c: char, event: Event) {
        match (event, &mut self.scanner) {
            (Event::ArgumentsBegin, _) => {
                let mut scanner = Scanner::new();
                scanner.push(c);
                self.scanner = (c == '{').then_some(scanner);
            }
            (Event::Arguments, Some(scanner)) => {
                let before = scanner.in_value();
                if matches!(scanner.push(c), Event::Broken | Event::End) {
                    self.scanner = None;
                } else if !before {
                    self.value.clear();
                } else if self.value.len() <= LONG {
                    self.value.push(c);
                }
            }
            _ => {}
        }
    }

    /// The key of the argument that is being written, and its value as far as that is, with white space before it.
    pub(super) fn value(&self) -> Option<(&str, &str)> {
        let scanner = self.scanner.as_ref().filter(|scanner| scanner.in_value() && self.value.len() <= LONG)?;
        Some((&scanner.key, &self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(written: &str) -> Option<(String, String)> {
        let mut call = Scanner::new();
        let mut argument = Argument::default();
        for c in written.chars() {
            let event = call.push(c);
            argument.push(c, event);
        }
        argument.value().map(|(key, value)| (key.to_owned(), value.to_owned()))
    }

    #[test]
    fn a_value_is_known_from_its_colon_to_its_end() {
        for (written, key, expected) in [
            (r#"{"name": "f", "arguments": {"a":"#, "a", ""),
            (r#"{"name": "f", "arguments": {"a": 1, "b": "x, \"y"#, "b", r#" "x, \"y"#),
            (r#"{"name": "f", "arguments": {"a": 1, "b": "x""#, "b", r#" "x""#),
            (r#"{'name': 'f', 'parameters': {'a': {'b': [1, 2"#, "a", " {'b': [1, 2"),
        ] {
            assert_eq!(value(written), Some((key.to_owned(), expected.to_owned())), "{written}");
        }
        let long = "x".repeat(999);
        for written in [
            r#"{"name": "f"#,
            r#"{"name": "f", "arguments": {"#,
            r#"{"name": "f", "arguments": {"a"#,
            r#"{"name": "f", "arguments": {"a": 1,"#,
            r#"{"name": "f", "arguments": {"a": 1}"#,
            r#"{"name": "f", "arguments": "a: 1"#,
            r#"{"name": "f", "strict": {"a": 1"#,
            &format!(r#"{{"name": "f", "arguments": {{"a": "{long}"#),
        ] {
            assert_eq!(value(written), None, "{written}");
        }
    }
}
