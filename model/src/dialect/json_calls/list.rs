//! Where in a list of calls a reply is, and what speaks for each of them, so that it ends neither before the model means it to
//! nor after.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    asked::Asked,
    reading,
    scanner::{Event, Scanner},
};
use crate::{
    characters::Characters,
    dialect::{CallList, Follows, Grounds, Maker},
};

/// For the replies to what was asked.
pub(crate) fn list(asked: &Arc<Asked>) -> Maker<dyn CallList> {
    let asked = Arc::clone(asked);
    Maker::new(move || -> Box<dyn CallList> { Box::new(List::new(Arc::clone(&asked))) })
}

/// Follows a reply that may be a list of calls, in a fence or not.
#[derive(Debug)]
struct List {
    asked: Arc<Asked>,
    place: Place,
    characters: Characters,
    /// The last one may be under way.
    calls: Vec<Call>,
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

/// What is open between two arguments: they and the call.
const WITHIN_ARGUMENTS: usize = 2;

/// A call as far as it is written.
#[derive(Debug, Default)]
struct Call {
    /// The tool, once its name is complete.
    tool: Option<String>,
    text: String,
    /// The arguments that are complete; `None` where that cannot be read.
    arguments: Option<Map<String, Value>>,
    /// There is no more to it.
    over: bool,
}

impl Call {
    fn push(&mut self, c: char, scanner: &Scanner) {
        let closers = scanner.closers();
        if c == ',' && !scanner.in_string() && closers.len() == WITHIN_ARGUMENTS {
            self.read(&closers);
        }
        self.text.push(c);
    }

    fn end(&mut self) {
        self.over = true;
        self.read("");
    }

    /// Takes the arguments out of what is written, if that with `rest` is a whole call.
    fn read(&mut self, rest: &str) {
        self.arguments = reading::arguments(&format!("{}{rest}", self.text));
    }

    /// What speaks for this call beside one of the same tool; `None` where more of it could.
    fn grounds_beside(&self, other: &Self, asked: &Asked) -> Option<Grounds> {
        let free = self.tool.as_ref().and_then(|tool| asked.free.get(tool));
        let is_free = |key: &String| free.is_none_or(|keys| keys.contains(key));
        let (Some(own), Some(others)) = (&self.arguments, &other.arguments) else {
            return self.over.then_some(if self.text == other.text { Grounds::None } else { Grounds::Model });
        };
        let mut grounds = Grounds::None;
        for (key, value) in own.iter().filter(|(key, value)| others.get(*key) != Some(value)) {
            // As where the way back is asked for after the way there.
            if value.is_string() && others.values().any(|other| other == value) {
                continue;
            }
            // Two words next to each other are one thing: `divorce law`.
            if let (Some(value), Some(Value::String(before))) = (value.as_str(), others.get(key))
                && (asked.spans.follows(before, value) || asked.spans.follows(value, before))
            {
                continue;
            }
            let before = others.get(key).map(Value::to_string).unwrap_or_default();
            if asked.said.has_new(&value.to_string(), &before) {
                return Some(Grounds::User);
            }
            if is_free(key) {
                grounds = Grounds::Model;
            }
        }
        self.over.then_some(grounds)
    }
}

impl List {
    fn new(asked: Arc<Asked>) -> Self {
        Self { asked, place: Place::default(), characters: Characters::default(), calls: Vec::new() }
    }

    fn push(&mut self, c: char) {
        let in_call = matches!(self.place, Place::Call(_));
        if let (Place::Call(scanner), Some(call)) = (&self.place, self.calls.last_mut()) {
            call.push(c, scanner);
        }
        self.place = step(std::mem::take(&mut self.place), c);
        match (&self.place, self.calls.last_mut()) {
            (Place::Call(scanner), Some(call)) if in_call => call.tool.clone_from(&scanner.name),
            (Place::Call(_), _) => self.calls.push(Call { text: c.into(), ..Call::default() }),
            (Place::Behind, Some(call)) if in_call => call.end(),
            _ => {}
        }
    }
}

/// Where a character leads.
fn step(place: Place, c: char) -> Place {
    match place {
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
            Place::Call(Box::new(scanner))
        }
        Place::Behind if c == ',' => Place::Before,
        _ => Place::Out,
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
        let (mut place, mut characters) = (self.place.clone(), self.characters.clone());
        let mut follows = None;
        for c in characters.push(text).chars() {
            let behind = matches!(place, Place::Behind);
            place = step(place, c);
            match place {
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

    fn grounds(&self, number: usize) -> Option<Grounds> {
        let call = self.calls.get(number)?;
        let earlier = self.calls.get(..number).unwrap_or_default();
        let Some(tool) = &call.tool else { return call.over.then_some(Grounds::Model) };
        let same: Vec<&Call> = earlier.iter().filter(|one| one.tool.as_ref() == Some(tool)).collect();
        if same.is_empty() {
            let others: Vec<&str> = earlier.iter().filter_map(|one| one.tool.as_deref()).collect();
            let apart = self.asked.support.sets_apart(tool, &others);
            return Some(if apart { Grounds::User } else { Grounds::None });
        }
        let mut least = Grounds::User;
        for one in same {
            least = least.min(call.grounds_beside(one, &self.asked)?);
        }
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use glassbox_tools::ToolSpec;
    use serde_json::json;

    use super::*;
    use crate::{Message, Request};

    /// Of the replies to "Weather and time in Paris, and 3 days in London".
    fn list() -> Box<dyn CallList> {
        let parameters = json!({
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}, "days": {"type": "array"}, "size": {"enum": [1, 2]}},
            "required": ["city", "days", "size"],
        });
        let tools = [("weather", "The weather"), ("time", "The time"), ("news", "What happens in London")];
        let tools = tools.map(|(name, about)| ToolSpec::new(name, about).with_parameters(parameters.clone())).into();
        let messages = vec![Message::user("Weather and time in Paris, and 3 days in London")];
        super::list(&Asked::of(&Request { tools, messages, ..Request::default() })).make()
    }

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

    fn call(tool: &str, arguments: &str) -> String {
        format!(r#"{{"name": "{tool}", "arguments": {arguments}}}"#)
    }

    /// What speaks for the last of these calls, or of what is written of them.
    fn grounds(calls: &[&str]) -> Option<Grounds> {
        let mut list = list();
        list.hear(b"[");
        list.hear(calls.join(", ").as_bytes());
        assert_eq!(list.calls(), calls.len(), "{calls:?}");
        list.grounds(calls.len().checked_sub(1).unwrap())
    }

    #[test]
    fn a_call_of_the_same_tool_needs_a_value_of_its_own() {
        let paris = call("weather", r#"{"city": "Paris", "days": [1, 2]}"#);
        let beside = |arguments: &str| grounds(&[&paris, &call("weather", arguments)]);
        for arguments in [
            r#"{"city": "Paris", "days": [1, 2]}"#,
            r#"{"city":"Paris"}"#,
            r#"{"days": [1,2], "unit": "c"}"#,
            r#"{"unit": "Paris", "city": "Paris"}"#,
            r#"{"city": "Paris", "size": 2}"#,
        ] {
            assert_eq!(beside(arguments), Some(Grounds::None), "{arguments}");
        }
        for arguments in
            [r#"{"city": "Oslo", "days": [1, 2]}"#, r#"{"city": "Paris 2"}"#, r#"{"days": []}"#, r#"{"city": None}"#]
        {
            assert_eq!(beside(arguments), Some(Grounds::Model), "{arguments}");
        }
        for arguments in [r#"{"city": "London"}"#, r#"{"city": "Oslo", "days": [3]}"#, r#"{"unit": "Parisian"}"#] {
            assert_eq!(beside(arguments), Some(Grounds::User), "{arguments}");
        }
        let time = call("weather", r#"{"city": "time", "days": [1, 2]}"#);
        assert_eq!(grounds(&[&time, &call("weather", r#"{"city": "in Paris", "days": [1, 2]}"#)]), Some(Grounds::None));
        // It is compared with each of them.
        let london = call("weather", r#"{"city": "London", "days": [1, 2]}"#);
        let again = |one: &str| grounds(&[&paris, &london, one]);
        assert_eq!((again(&london), again(&paris)), (Some(Grounds::None), Some(Grounds::None)));
        assert_eq!(again(&call("weather", r#"{"city": "London", "days": [3]}"#)), Some(Grounds::User));
    }

    #[test]
    fn that_is_known_once_a_value_is_whole() {
        let paris = call("weather", r#"{"city": "Paris", "days": [1, 2]}"#);
        let written = |text: &str| grounds(&[&paris, text]);
        let start = r#"{"name": "weather", "arguments": {"#;
        for (rest, known) in [
            ("", None),
            (r#""city": "London""#, None),
            (r#""city": "London","#, Some(Grounds::User)),
            (r#""city": "Oslo","#, None),
            (r#""days": [3, "#, None),
            (r#""city": "Paris", "unit": "a,"#, None),
        ] {
            assert_eq!(written(&format!("{start}{rest}")), known, "{rest}");
        }
        assert_eq!(written(r#"{"na"#), None);
    }

    #[test]
    fn a_call_of_another_tool_needs_words_of_its_own() {
        let (weather, time, news) = (call("weather", "{}"), call("time", "{}"), call("news", "{}"));
        assert_eq!(grounds(&[&weather, &time]), Some(Grounds::User));
        assert_eq!(grounds(&[&weather, r#"{"name": "time""#]), Some(Grounds::User));
        assert_eq!(grounds(&[&weather, &call("sports", "{}")]), Some(Grounds::None));
        assert_eq!(grounds(&[&weather, &time, &news]), Some(Grounds::User));
        assert_eq!(grounds(&[&weather]), Some(Grounds::User));
    }
}
