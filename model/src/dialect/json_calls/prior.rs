//! What of a call is likelier than the model finds. Of two tools that for which more of the user's words speak: small models call
//! what they have just read of, or several tools in turn, where a look at the words would do. That a number ends where it is one that
//! the user has said. That a list ends which goes round. And that a value looks like what its description shows and the user said.

use std::sync::Arc;

use super::{
    argument::Argument,
    asked::Asked,
    hint::Hint,
    rounds::Rounds,
    scanner::{Event, Scanner},
    support::Support,
};
use crate::{
    characters::Characters,
    dialect::{self, Maker},
};

/// By so much, as a logarithm, a word makes its tool likelier.
const WORD: f32 = 2.0;

/// That a number was said counts as so many words where a tool takes one.
const NUMBERED: usize = 2;

/// More words than so many, beyond those that speak for another tool, say no more.
const ENOUGH: usize = 3;

/// By so much it is less likely that a number goes on which the user has said, to one that the user has not: of 2,137 numbers that
/// are right ten begin with one that was said.
const NUMBER: f32 = -5.0;

/// The same of one that has at least so many digits, and that such a one lacks zeros at its end: they are miscounted.
const LONG: (usize, f32) = (5, -12.0);

/// By so much it is less likely that a list goes on which goes round.
const ROUND: f32 = -30.0;

/// For the replies to what was asked.
pub(crate) fn prior(asked: &Arc<Asked>) -> Maker<dyn dialect::Prior> {
    let asked = Arc::clone(asked);
    Maker::new(move || -> Box<dyn dialect::Prior> { Box::new(Prior::new(Arc::clone(&asked))) })
}

/// What a call begins with, without white space.
const START: &str = "{\"name\":\"";

#[derive(Debug)]
struct Prior {
    asked: Arc<Asked>,
    /// What a call of each tool begins with, and how much speaks for it, in words.
    tools: Vec<(String, usize)>,
    called: Vec<String>,
    place: Place,
    characters: Characters,
}

#[derive(Debug)]
enum Place {
    Outside,
    /// In an object of which this was written, without white space.
    Beginning(Box<Scanner>, String),
    /// In an object, behind its beginning.
    Behind(Box<Behind>),
}

#[derive(Debug)]
struct Behind {
    scanner: Box<Scanner>,
    rounds: Rounds,
    argument: Argument,
    /// The hints of the value that is being written, and which of them may speak against what follows, by their place. Found
    /// out once a token, as they are then asked of every token that may come.
    hints: Arc<[Hint]>,
    minding: Vec<usize>,
}

impl Behind {
    fn new(scanner: Box<Scanner>) -> Self {
        let (rounds, argument) = (Rounds::default(), Argument::default());
        Self { scanner, rounds, argument, hints: Arc::default(), minding: Vec::new() }
    }

    /// Finds out which hints mind what follows.
    fn mind(&mut self, asked: &Asked) {
        let (Some(tool), Some((key, written))) = (&self.scanner.name, self.argument.value()) else {
            self.minding.clear();
            return;
        };
        self.hints = asked.hints.get(tool, key);
        let minds = |(place, hint): (usize, &Hint)| hint.minds(written, asked).then_some(place);
        self.minding = self.hints.iter().enumerate().filter_map(minds).collect();
    }

    /// What the hints say to `text`.
    fn lean(&self, text: &str, asked: &Asked) -> f32 {
        let Some((_, written)) = self.argument.value() else { return 0.0 };
        let minding = self.minding.iter().filter_map(|place| self.hints.get(*place));
        minding.map(|hint| hint.lean(written, text, asked)).sum()
    }
}

impl Prior {
    fn new(asked: Arc<Asked>) -> Self {
        // What comes after a call is about its result: the user's words have no say in it.
        let support = (!asked.has_called).then_some(&asked.support).into_iter();
        let weighed = |support: &Support, tool: &str| {
            let number = if support.lacks_number(tool) { 0 } else { NUMBERED };
            (format!("{START}{tool}\""), support.count(tool).saturating_add(number))
        };
        let tools = support.flat_map(|support| support.tools().map(|tool| weighed(support, tool))).collect();
        Self { asked, tools, called: Vec::new(), place: Place::Outside, characters: Characters::default() }
    }

    fn push(&mut self, c: char) {
        let place = std::mem::replace(&mut self.place, Place::Outside);
        self.place = match place {
            Place::Outside if c == '{' => {
                let mut scanner = Scanner::new();
                scanner.push(c);
                Place::Beginning(Box::new(scanner), c.into())
            }
            Place::Outside => Place::Outside,
            Place::Beginning(mut scanner, mut written) => match scanner.push(c) {
                Event::End | Event::Broken => Place::Outside,
                _ => {
                    add(&mut written, c);
                    if scanner.name.is_none() && self.possible(&written).next().is_some() {
                        Place::Beginning(scanner, written)
                    } else {
                        Place::Behind(Box::new(Behind::new(scanner)))
                    }
                }
            },
            Place::Behind(mut behind) => match behind.scanner.push(c) {
                Event::End => {
                    self.after(behind.scanner.name);
                    Place::Outside
                }
                Event::Broken => Place::Outside,
                event => {
                    behind.rounds.push(c);
                    behind.argument.push(c, event);
                    Place::Behind(behind)
                }
            },
        };
    }

    /// After a call a tool is likely that was called, or for which a word speaks that spoke for none of those.
    fn after(&mut self, tool: Option<String>) {
        if self.asked.has_called {
            return;
        }
        let support = &self.asked.support;
        let Some(tool) = tool.filter(|tool| support.tools().any(|known| known == tool)) else { return };
        self.called.push(tool);
        let called: Vec<&str> = self.called.iter().map(String::as_str).collect();
        let likely = |tool: &str| called.contains(&tool) || support.sets_apart(tool, &called);
        let count = |tool: &str| if likely(tool) { ENOUGH } else { 0 };
        self.tools = support.tools().map(|tool| (format!("{START}{tool}\""), count(tool))).collect();
    }

    /// What speaks against `text` behind the number that is being written.
    fn of_number(&self, number: &str, text: &str) -> f32 {
        let digits = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').count();
        let more = text.get(..digits).unwrap_or_default();
        let (least, much) = LONG;
        if more.is_empty() && self.lacks_zeros(number) {
            much
        } else if more.is_empty()
            || !self.asked.amounts.has(number)
            || self.asked.amounts.begins(&format!("{number}{more}"))
        {
            0.0
        } else if number.len() >= least {
            much
        } else {
            NUMBER
        }
    }

    /// True where the user has not said `number`, but the same with more zeros.
    fn lacks_zeros(&self, number: &str) -> bool {
        let mut longer = (1..=12).map(|zeros| format!("{number}{}", "0".repeat(zeros)));
        number.len().saturating_add(1) >= LONG.0
            && !number.contains('.')
            && !self.asked.amounts.has(number)
            && longer.any(|longer| self.asked.amounts.has(&longer))
    }

    /// How many words speak for each tool that an object may call which begins so.
    fn possible(&self, written: &str) -> impl Iterator<Item = usize> {
        let fits = move |start: &str| start.starts_with(written) || written.starts_with(start);
        self.tools.iter().filter(move |(start, _)| fits(start)).map(|(_, count)| *count)
    }
}

fn add(written: &mut String, c: char) {
    match c {
        // Names of tools have none.
        c if c.is_whitespace() => {}
        '\'' => written.push('"'),
        c => written.push(c),
    }
}

impl dialect::Prior for Prior {
    fn hear(&mut self, text: &[u8]) {
        for c in self.characters.push(text).chars() {
            self.push(c);
        }
        if let Place::Behind(behind) = &mut self.place {
            behind.mind(&self.asked);
        }
    }

    fn minds(&self) -> bool {
        match &self.place {
            Place::Outside => false,
            Place::Beginning(_, written) => {
                let mut counts = self.possible(written);
                let first = counts.next();
                counts.any(|count| Some(count) != first)
            }
            Place::Behind(behind) => {
                let number = behind.rounds.number();
                !behind.minding.is_empty()
                    || behind.rounds.goes_round()
                    || self.asked.amounts.has(number)
                    || self.lacks_zeros(number)
            }
        }
    }

    fn lean(&self, text: &[u8]) -> f32 {
        let Ok(text) = std::str::from_utf8(text) else { return 0.0 };
        let written = match &self.place {
            Place::Outside => return 0.0,
            Place::Beginning(_, written) => written,
            Place::Behind(behind) if behind.rounds.goes_on(text) => return ROUND,
            Place::Behind(behind) => {
                return behind.lean(text, &self.asked) + self.of_number(behind.rounds.number(), text);
            }
        };
        let most = self.possible(written).max().unwrap_or(0);
        let mut then = written.clone();
        text.chars().for_each(|c| add(&mut then, c));
        let Some(count) = self.possible(&then).max() else { return 0.0 };
        -WORD * most.saturating_sub(count).min(ENOUGH) as f32
    }
}

#[cfg(test)]
mod tests {
    use glassbox_tools::ToolSpec;
    use serde_json::json;

    use super::*;
    use crate::{Message, Request};

    /// Of the replies to a message of which no word speaks for `get_time`, two for `get_weather` and five for `find`.
    fn after(written: &str) -> Box<dyn dialect::Prior> {
        let tools = [("get_time", ""), ("get_weather", "rain"), ("find", "people lakes roads hills woods")];
        let tools = tools.map(|(name, about)| ToolSpec::new(name, about)).into();
        let messages = vec![Message::user("weather, rain, people, lakes, roads, hills, woods, 50 thousand")];
        let mut prior = super::prior(&Asked::of(&Request { tools, messages, ..Request::default() })).make();
        prior.hear(written.as_bytes());
        prior
    }

    #[test]
    fn a_tool_is_likelier_the_more_words_speak_for_it() {
        for start in ["{\"name\": \"", "```json\n[{\"name\": {}}]{ \"name\" :\n'"] {
            let prior = after(start);
            assert!(prior.minds(), "{start}");
            let leans = ["find", "get", "get_w", "get_time\",", "f"].map(|text| prior.lean(text.as_bytes()));
            assert_eq!(leans, [0.0, -6.0, -6.0, -6.0, 0.0]);
        }
        let prior = after("{\"name\": \"get_");
        assert!(prior.minds());
        assert_eq!(["weather\"", "ti", "time\", \"arg"].map(|text| prior.lean(text.as_bytes())), [0.0, -4.0, -4.0]);
        assert_eq!(after("{").lean(b"\"name"), 0.0);
    }

    #[test]
    fn a_tool_that_takes_a_number_is_less_likely_where_none_was_said() {
        let parameters = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let lean = |text: &str| {
            let tools =
                vec![ToolSpec::new("mountains", "").with_parameters(parameters.clone()), ToolSpec::new("date", "")];
            let request = Request { tools, messages: vec![Message::user(text)], ..Request::default() };
            let mut prior = super::prior(&Asked::of(&request)).make();
            prior.hear(b"{\"name\": \"");
            prior.lean(b"mountains")
        };
        assert_eq!((lean("When was it signed?"), lean("When were they signed, all 3?")), (-4.0, 0.0));
    }

    #[test]
    fn behind_a_call_come_its_tool_and_those_with_words_of_their_own() {
        let prior = after("[{\"name\": \"get_weather\", \"arguments\": {\"name\": \"\"}}, {\"name\": \"");
        assert_eq!(["find", "get_w", "get_t"].map(|text| prior.lean(text.as_bytes())), [0.0, 0.0, -6.0]);
    }

    #[test]
    fn a_number_that_the_user_has_said_is_over() {
        let written = |number: &str| after(&format!("[{{\"name\": \"find\", \"arguments\": {{\"list\": [1, {number}"));
        let prior = written("50");
        assert!(prior.minds());
        assert_eq!(
            ["0", "00", ".5", "0}", "]", ", 0", "e3"].map(|text| prior.lean(text.as_bytes())),
            [0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 0.0]
        );
        assert_eq!((written("50000").lean(b"0"), written("50000").lean(b"}")), (-12.0, 0.0));
        assert_eq!((written("5000").lean(b"0"), written("5000").lean(b"}")), (0.0, -12.0));
        assert!(!written("500").minds() && !written("60").minds() && !written("\"50").minds() && !written("").minds());
    }

    #[test]
    fn a_list_that_goes_round_ends() {
        let list = |count| {
            let items = "\"a\", ".repeat(count);
            after(&format!("[{{\"name\": \"find\", \"arguments\": {{\"list\": [{items}\"a"))
        };
        let prior = list(12);
        assert!(prior.minds() && prior.lean(b"\"]") == 0.0 && prior.lean(b"\",") < -20.0);
        assert!(!list(3).minds());
    }

    #[test]
    fn a_value_looks_like_what_its_description_shows() {
        let place = json!({"type": "string", "description": "City, State"});
        let parameters =
            json!({"properties": {"place": place, "rate": {"type": "number"}, "note": {"type": "string"}}});
        let tools = vec![ToolSpec::new("find", "").with_parameters(parameters)];
        let messages = vec![Message::user("Find 5% in Rome")];
        let request = Request { tools, messages, ..Request::default() };
        let after = |written: &str| {
            let mut prior = super::prior(&Asked::of(&request)).make();
            prior.hear(format!("[{{\"name\": \"find\", \"arguments\": {{{written}").as_bytes());
            prior
        };
        let lean = |written: &str, text: &str| {
            let prior = after(written);
            assert!(prior.minds(), "{written}");
            prior.lean(text.as_bytes())
        };
        assert_eq!(lean("\"note\": \"x\", \"place\": \"Rome", "\","), -12.0);
        assert_eq!((lean("\"place\": \"Rome", ", RM\""), lean("\"place\":", " \"Rome\"")), (0.0, -12.0));
        assert_eq!((lean("\"rate\": ", "5"), lean("\"rate\": ", "0")), (-12.0, 0.0));
        for written in
            ["\"place\": \"Rome, I", "\"note\": \"Rome", "\"place", "\"place\": \"Rome\",", "\"note\": {\"place\": \"x"]
        {
            assert!(!after(written).minds(), "{written}");
        }
    }

    #[test]
    fn where_no_tool_is_chosen_it_says_nothing() {
        for written in [
            "",
            "name",
            "{\"name\": \"get_t",
            "{\"name\": \"find\", ",
            "{\"name\": \"Ann",
            "{\"a\": {\"name\": \"",
            "{}",
            "{]",
        ] {
            let prior = after(written);
            assert!(!prior.minds(), "{written}");
        }
        assert_eq!(after("{\"name\": \"").lean(b"Ann"), 0.0);
    }
}
