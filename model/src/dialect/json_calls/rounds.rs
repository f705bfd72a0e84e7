//! Lists in a call that go round: a small model that has no more to list begins again, and would go on to the last token.

/// So many texts one behind the other that repeat themselves are no list that was meant.
const TEXTS: usize = 12;

/// The same of anything else: a row of zeros may be data.
const OTHERS: usize = 64;

/// A round has at most so many items.
const ROUND: usize = 8;

/// Follows the arguments of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds {
    /// What is open, innermost last.
    open: Vec<Open>,
    in_string: bool,
    escaped: bool,
    /// The number that is being written.
    number: String,
}

#[derive(Debug, Clone)]
enum Open {
    Object,
    List { items: Vec<String>, item: String },
}

impl Rounds {
    pub(super) fn push(&mut self, c: char) {
        if !self.in_string && (c.is_ascii_digit() || "-+.eE".contains(c)) {
            self.number.push(c);
        } else {
            self.number.clear();
        }
        if !self.in_string && (c == ',' || c == ']' || c == '}') {
            match self.open.last_mut() {
                Some(Open::List { items, item }) if c == ',' => {
                    items.push(std::mem::take(item));
                    self.note(c, 1);
                    return;
                }
                _ if c == ',' => {}
                _ => {
                    self.open.pop();
                }
            }
        }
        self.note(c, 0);
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match c {
            '"' => self.in_string = true,
            '{' => self.open.push(Open::Object),
            '[' => self.open.push(Open::List { items: Vec::new(), item: String::new() }),
            _ => {}
        }
    }

    /// Adds a character to the items that it stands in, but for the innermost `but`.
    fn note(&mut self, c: char, but: usize) {
        for open in self.open.iter_mut().rev().skip(but) {
            if let Open::List { item, .. } = open
                && (self.in_string || !c.is_whitespace())
            {
                item.push(c);
            }
        }
    }

    /// The number that is being written; else nothing.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// True where the innermost list goes round.
    pub(super) fn goes_round(&self) -> bool {
        let Some(Open::List { items, .. }) = self.open.last() else { return false };
        let texts = items.last().is_some_and(|item| item.starts_with('"'));
        let least = if texts { TEXTS } else { OTHERS };
        let Some(tail) = items.len().checked_sub(least).and_then(|from| items.get(from..)) else { return false };
        (1..=ROUND).any(|round| tail.iter().zip(tail.iter().skip(round)).all(|(one, next)| one == next))
    }

    /// True where `text` would begin another item of a list that goes round.
    pub(super) fn goes_on(&self, text: &str) -> bool {
        // Asked of every token that may come: most have none.
        if !text.contains(',') {
            return false;
        }
        let mut then = self.clone();
        let depth = self.open.len();
        text.chars().any(|c| {
            let another = c == ',' && !then.in_string && then.open.len() == depth && then.goes_round();
            then.push(c);
            another
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(written: &str) -> Rounds {
        let mut rounds = Rounds::default();
        written.chars().for_each(|c| rounds.push(c));
        rounds
    }

    #[test]
    fn a_list_that_begins_again_and_again_goes_round() {
        let round = r#""a, \"b", "c","#;
        for (written, rounds) in [
            (format!("{{\"list\": [\"x\", {}", round.repeat(6)), true),
            (format!("{{\"list\": [{}", round.repeat(5)), false),
            (format!("{{\"list\": [{} \"d\",", round.repeat(6)), false),
            (format!("[[{}]", round.repeat(6)), false),
            (format!("[{}", "0, ".repeat(60)), false),
            (format!("[{}", "0, ".repeat(64)), true),
            (format!("[{}", "{\"a\": [1, 2]}, ".repeat(64)), true),
            (format!("{{\"a\": \"[{}", "x,".repeat(99)), false),
            (String::new(), false),
        ] {
            assert_eq!(after(&written).goes_round(), rounds, "{written}");
        }
    }

    #[test]
    fn it_may_end_and_what_ends_may_be_followed() {
        let rounds = after(&format!("{{\"list\": [{}\"a", "\"a\", ".repeat(12)));
        assert!(rounds.goes_on("\",") && rounds.goes_on("\", \"a"));
        assert!(!rounds.goes_on("\"]") && !rounds.goes_on("\"], \"b\": [1, 2]") && !rounds.goes_on(", a"));
        assert!(!after("[\"a").goes_on("\","));
    }
}
