//! Where in a list of calls a reply is, so that it does not end before the model means it to.

use super::scanner::{Event, Scanner};
use crate::{
    characters::Characters,
    dialect::{CallList, Follows},
};

/// For one reply.
pub(crate) fn list() -> Box<dyn CallList> {
    Box::new(List::default())
}

/// Follows a reply that may be a list of calls, in a fence or not.
#[derive(Debug, Default)]
struct List {
    place: Place,
    characters: Characters,
    /// The calls as they were written; the last one may be under way.
    calls: Vec<String>,
}

#[derive(Debug, Clone, Default)]
enum Place {
    /// Nothing but white space.
    #[default]
    Start,
    /// In a fence, before the list.
    Fence,
    /// Before a call: at the list's bracket, or behind a comma.
    Before,
    Call(Box<Scanner>),
    /// Behind a call.
    Behind,
    /// The reply is no list of calls, or the list is over.
    Out,
}

impl List {
    fn push(&mut self, c: char) {
        if let (Place::Call(_), Some(call)) = (&self.place, self.calls.last_mut()) {
            call.push(c);
        }
        self.place = match std::mem::replace(&mut self.place, Place::Out) {
            Place::Call(mut scanner) => match scanner.push(c) {
                Event::End => Place::Behind,
                Event::Broken => Place::Out,
                _ => Place::Call(scanner),
            },
            place @ (Place::Start | Place::Before | Place::Behind) if c.is_whitespace() => place,
            Place::Start if c == '`' => Place::Fence,
            Place::Fence if c == '`' || c.is_ascii_lowercase() || c.is_whitespace() => Place::Fence,
            Place::Start | Place::Fence if c == '[' => Place::Before,
            Place::Before if c == '{' => {
                let mut scanner = Scanner::new();
                scanner.push(c);
                self.calls.push(c.into());
                Place::Call(Box::new(scanner))
            }
            Place::Behind if c == ',' => Place::Before,
            _ => Place::Out,
        };
    }
}

impl CallList for List {
    fn hear(&mut self, text: &[u8]) {
        for c in self.characters.push(text).chars() {
            self.push(c);
        }
    }

    fn after(&self, text: &[u8]) -> Option<Follows> {
        let ends_a_call = match &self.place {
            Place::Call(_) => text.contains(&b'}'),
            Place::Behind => true,
            _ => false,
        };
        if !ends_a_call {
            return None;
        }
        let mut then = Self { place: self.place.clone(), characters: self.characters.clone(), calls: Vec::new() };
        let mut follows = None;
        for c in then.characters.push(text).chars() {
            let behind = matches!(then.place, Place::Behind);
            then.push(c);
            match then.place {
                Place::Before if behind => return Some(Follows::Call),
                Place::Out if behind => return Some(Follows::End),
                Place::Behind => follows = Some(Follows::Open),
                _ => {}
            }
        }
        follows
    }

    fn calls(&self) -> usize {
        self.calls.len()
    }

    fn repeats(&self, number: usize) -> Option<bool> {
        let call = self.calls.get(number)?;
        let earlier = self.calls.get(..number).unwrap_or_default();
        let under_way = matches!(self.place, Place::Call(_)) && number.saturating_add(1) == self.calls.len();
        if under_way {
            return earlier.iter().all(|one| !one.starts_with(call.as_str())).then_some(false);
        }
        Some(earlier.contains(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(written: &str, text: &str) -> Option<Follows> {
        let mut list = list();
        list.hear(written.as_bytes());
        list.after(text.as_bytes())
    }

    #[test]
    fn it_is_told_what_follows_a_call() {
        for start in ["[", "```json\n[", "\n [ ", "```json\n[{\"name\": \"f\"}, "] {
            let written = format!("{start}{{\"name\": \"f\", \"arguments\": {{\"a\": [1, {{}}], \"b\": \"}}]");
            for (text, follows) in [
                ("\"", None),
                ("\"}", None),
                ("}}", None),
                ("\"}}", Some(Follows::Open)),
                ("\"}}\n", Some(Follows::Open)),
                ("\"}},", Some(Follows::Call)),
                ("\"}} , {\"", Some(Follows::Call)),
                ("\"}}]", Some(Follows::End)),
                ("\"}}\n]\n```", Some(Follows::End)),
                // No JSON.
                ("\"}}}", Some(Follows::End)),
            ] {
                assert_eq!(after(&written, text), follows, "{written:?} {text:?}");
            }
            let whole = format!("{written}\"}}}}");
            for (text, follows) in [
                (" ", Some(Follows::Open)),
                (", {", Some(Follows::Call)),
                ("\n]", Some(Follows::End)),
                ("é", Some(Follows::End)),
                ("", None),
            ] {
                assert_eq!(after(&whole, text), follows, "{whole:?} {text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_list_of_calls_has_no_call_behind() {
        for written in
            ["", "Here: [{}", "{\"name\": \"f\", \"arguments\": {}", "[1", "[{}]", "```json\n{", "[{\"a\": 1}, 2"]
        {
            assert_eq!(after(written, "}, "), None, "{written:?}");
        }
    }

    #[test]
    fn a_call_that_was_made_before_is_known_at_its_end_and_another_as_soon_as_it_differs() {
        let mut list = list();
        let one = r#"{"name": "f", "arguments": {"a": 10}}"#;
        list.hear(format!("[{one}").as_bytes());
        assert_eq!((list.calls(), list.repeats(0), list.repeats(1)), (1, Some(false), None));
        list.hear(br#", {"name": "f", "arguments": {"a": 1"#);
        assert_eq!((list.calls(), list.repeats(1)), (2, None));
        list.hear(b"}");
        assert_eq!(list.repeats(1), Some(false));
        list.hear(b"}, ");
        list.hear(one.as_bytes());
        assert_eq!((list.calls(), list.repeats(2)), (3, Some(true)));
        list.hear(b", {\"name\": \"g\"");
        assert_eq!((list.repeats(1), list.repeats(2), list.repeats(3)), (Some(false), Some(true), Some(false)));
    }
}
