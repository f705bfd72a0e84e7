//! Which of the user's words speak for which tool.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    english::{COMMON, MONTHS, NUMBERS, OPENERS},
    mentioned::last_of_the_user,
};
use crate::{Message, Request, dialect::grammar::required};
use glassbox_tools::ToolSpec;

/// Shorter words are hardly ever what a request is about.
const SHORTEST: usize = 3;

/// Letters that two words must have in common at their beginning to be forms of one.
const BEGINNING: usize = 3;

/// An ending has at most so many letters, and fewer than the shorter word.
const ENDING: usize = 4;

/// What a date is called: a message that has one speaks for a tool that wants one.
const DATE: &str = "date";

/// For each tool that is offered, the words of the user's last message that stand in its name and description too, or in the names,
/// descriptions and enums of its parameters, or another form of them. Of two tools the better supported one is nearly always meant (`docs/evals.md`).
#[derive(Debug, Clone)]
pub(crate) struct Support {
    tools: Arc<BTreeMap<String, BTreeSet<String>>>,
    /// The message is in English, as descriptions are, so that their words could stand in it.
    readable: bool,
    /// The tools that cannot be called without a number, where none was said: the leaderboard calls hardly any of them (`docs/evals.md`).
    without_number: Arc<BTreeSet<String>>,
}

/// How much of what the user said speaks for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spoken {
    /// Not a word, or no number, where it takes one.
    Nothing,
    /// A word; or it cannot be told, as the message is in another language than the descriptions, or short.
    Little,
    /// Several words.
    Much,
}

/// So many of the common words have to be in a message to take it for one in the language of the descriptions.
const READABLE: usize = 2;

/// So many words are much.
const MUCH: usize = 2;

impl Support {
    pub(crate) fn of(request: &Request) -> Self {
        let message = last_of_the_user(request);
        let Words { own: mut said, common } = Words::of(message);
        if has_date(message) {
            said.insert(DATE.to_owned());
        }
        let mut beginnings: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for word in &said {
            beginnings.entry(beginning(word)).or_default().push(word);
        }
        let of_tool = |tool: &ToolSpec| {
            let described = Words::of(&description(tool)).own;
            let found = described.iter().flat_map(|word| {
                let near = beginnings.get(&beginning(word)).into_iter().flatten();
                near.filter(|said| are_forms_of_one(word, said)).map(|said| (*said).clone())
            });
            found.collect()
        };
        let tools = request.tools.iter().map(|tool| (tool.name.clone(), of_tool(tool))).collect();
        let wanting = || request.tools.iter().filter(|tool| wants_number(&tool.parameters));
        let mut without_number: BTreeSet<String> = wanting().map(|tool| tool.name.clone()).collect();
        if !without_number.is_empty() && says_number(request) {
            without_number.clear();
        }
        let readable = common.len() >= READABLE || opens(message);
        Self { tools: Arc::new(tools), readable, without_number: Arc::new(without_number) }
    }

    /// True where the message seems to be in the language of the descriptions.
    pub(super) fn is_readable(&self) -> bool {
        self.readable
    }

    /// The names of all tools.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// The words that speak for a tool.
    pub(super) fn words_for(&self, tool: &str) -> impl Iterator<Item = &String> {
        self.tools.get(tool).into_iter().flatten()
    }

    /// How many words speak for a tool.
    pub(crate) fn count(&self, tool: &str) -> usize {
        self.tools.get(tool).map_or(0, BTreeSet::len)
    }

    /// True for a tool that takes a number, where none was said in a language that can be told.
    pub(super) fn lacks_number(&self, tool: &str) -> bool {
        self.readable && self.without_number.contains(tool)
    }

    /// How much speaks for a tool.
    pub(super) fn spoken(&self, tool: &str) -> Spoken {
        match self.count(tool) {
            _ if self.lacks_number(tool) => Spoken::Nothing,
            MUCH.. => Spoken::Much,
            0 if self.readable => Spoken::Nothing,
            _ => Spoken::Little,
        }
    }

    /// How much speaks for the tool for which most does.
    pub(crate) fn most(&self) -> Spoken {
        self.tools().map(|tool| self.spoken(tool)).max().unwrap_or(Spoken::Little)
    }

    /// True where a word speaks for `tool` and for none of `others`; also where no word speaks for any tool, as in another language
    /// than that of the descriptions.
    pub(super) fn sets_apart(&self, tool: &str, others: &[&str]) -> bool {
        let others: Vec<_> = others.iter().filter_map(|other| self.tools.get(*other)).collect();
        let mut own = self.tools.get(tool).into_iter().flatten();
        self.tools.values().all(BTreeSet::is_empty) || own.any(|word| others.iter().all(|words| !words.contains(word)))
    }
}

/// True where a message begins with one of the words that begin requests in English.
fn opens(message: &str) -> bool {
    let first = message.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    OPENERS.binary_search(&first.to_lowercase().as_str()).is_ok()
}

/// True for a tool that has to be given a number, or a list of them, of which its schema says nothing.
fn wants_number(parameters: &Value) -> bool {
    let schema = |key: &str| parameters.get("properties").and_then(|properties| properties.get(key));
    let is_numeric = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "integer" || kind == "number");
    let is_number = |schema: &Value| {
        let is_free = ["enum", "const", "default"].iter().all(|key| schema.get(key).is_none());
        is_free && (is_numeric(schema) || schema.get("items").is_some_and(is_numeric))
    };
    parameters.as_object().map(required).unwrap_or_default().into_iter().filter_map(schema).any(is_number)
}

/// True where the user or a tool has said a number, in digits or, in English, in words.
fn says_number(request: &Request) -> bool {
    let says = |word: &str| NUMBERS.binary_search_by_key(&word.to_lowercase().as_str(), |(word, _)| *word).is_ok();
    let has_one = |text: &str| text.contains(char::is_numeric) || text.split(|c: char| !c.is_alphabetic()).any(says);
    request.messages.iter().any(|message| match message {
        Message::User { content } => has_one(content),
        Message::Observation(observation) => has_one(&observation.content),
        _ => false,
    })
}

/// True where a month stands next to a number, or a date is written as `2024-12-31`.
fn has_date(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_month = |word: &str| {
        word.get(..3).is_some_and(|start| {
            MONTHS.iter().any(|month| month.starts_with(start) && (word == start || word == *month))
        })
    };
    words.windows(2).any(|pair| match pair {
        [one, other] => is_month(one) && is_number(other) || is_number(one) && is_month(other),
        _ => false,
    }) || words.windows(3).any(|date| match date {
        [year, month, day] => year.len() == 4 && [year, month, day].into_iter().all(|word| word.parse::<u16>().is_ok()),
        _ => false,
    })
}

fn description(tool: &ToolSpec) -> String {
    let properties = tool.parameters.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut out = format!("{} {}", tool.name, tool.description);
    for (key, schema) in properties {
        let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let about = schema.get("description").and_then(Value::as_str);
        for text in [key.as_str()].into_iter().chain(about).chain(choices.filter_map(Value::as_str)) {
            out.push(' ');
            out.push_str(text);
        }
    }
    out
}

fn beginning(word: &str) -> String {
    word.chars().take(BEGINNING).collect()
}

/// True for `city` and `cities`, `physics` and `physicist`; not for `car` and `cart`, nor for two numbers.
pub(super) fn are_forms_of_one(one: &str, other: &str) -> bool {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b && a.is_alphabetic()).count();
    let lengths = (one.chars().count(), other.chars().count());
    let (shorter, longer) = (lengths.0.min(lengths.1), lengths.0.max(lengths.1));
    let lost = if shorter <= 5 { 1 } else { 2 };
    let ending = ENDING.min(shorter.saturating_sub(1));
    let alike = same >= BEGINNING && same.saturating_add(lost) >= shorter && longer.saturating_sub(same) <= ending;
    one == other || alike
}

/// The words of a text that say what it is about, in lower case.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    Words::of(text).own
}

/// The words of a text in lower case, those apart that are written as one (`getWeather`, `get_weather`). Of scripts without spaces
/// every two characters are a word.
#[derive(Debug, Default)]
struct Words {
    /// Those that say what it is about.
    own: BTreeSet<String>,
    common: BTreeSet<String>,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut out = Self::default();
        let mut word = String::new();
        let mut before: Option<char> = None;
        for c in text.chars().chain([' ']) {
            let humps = before.is_some_and(char::is_lowercase) && c.is_uppercase();
            if !c.is_alphabetic() || is_without_spaces(c) || humps {
                out.add(std::mem::take(&mut word));
            }
            if is_without_spaces(c) {
                if let Some(first) = before.filter(|first| is_without_spaces(*first)) {
                    out.own.insert(String::from_iter([first, c]));
                }
            } else if c.is_alphabetic() {
                word.extend(c.to_lowercase());
            }
            before = Some(c);
        }
        out
    }

    fn add(&mut self, word: String) {
        if COMMON.binary_search(&word.as_str()).is_ok() {
            self.common.insert(word);
        } else if word.chars().count() >= SHORTEST {
            self.own.insert(word);
        }
    }
}

/// Chinese characters and Japanese syllables.
fn is_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn support(text: &str, tools: &[(&str, &str)]) -> Support {
        let tools = tools.iter().map(|(name, description)| {
            ToolSpec::new(*name, *description)
                .with_parameters(json!({"type": "object", "properties": {"cityName": {}}}))
        });
        let messages = vec![Message::user("flights"), Message::user(text)];
        Support::of(&Request { tools: tools.collect(), messages, ..Request::default() })
    }

    const TOOLS: [(&str, &str); 3] = [
        ("get_distance", "Calculate how far two places are apart"),
        ("flights.search", "Search for flights between places"),
        ("天气", "查询城市的天气"),
    ];

    #[test]
    fn words_of_the_last_message_speak_for_a_tool_in_any_form() {
        let support = support("Calculate the distances of all cities, and find a place", &TOOLS);
        assert_eq!(["get_distance", "flights.search", "天气", "none"].map(|tool| support.count(tool)), [3, 2, 1, 0]);
        assert_eq!(self::support("北京天气怎么样", &TOOLS).count("天气"), 1);
    }

    #[test]
    fn a_date_speaks_for_what_wants_one() {
        let tools = [("rate_at", "The rate at a date"), ("latest_rate", "The rate")];
        let counts = |text: &str| {
            let support = support(text, &tools);
            tools.map(|(tool, _)| support.count(tool))
        };
        for text in ["the rate at January 1, 2022", "the rate of 3rd Mar.", "rate on 2022-1-31"] {
            assert_eq!(counts(text), [2, 1], "{text}");
        }
        for text in ["the rate that may be 2", "the rate of 10-20-30", "the march of the rate"] {
            assert_eq!(counts(text), [1, 1], "{text}");
        }
    }

    #[test]
    fn that_nothing_speaks_for_a_tool_is_known_only_in_its_language() {
        let spoken = |text: &str| {
            let support = support(text, &TOOLS);
            let of = ["get_distance", "flights.search"].map(|tool| support.spoken(tool));
            (of, support.most())
        };
        use Spoken::{Little, Much, Nothing};
        assert_eq!(spoken("What are the distances of two cities?"), ([Much, Little], Much));
        assert_eq!(spoken("Who was the first to win?"), ([Nothing, Nothing], Nothing));
        assert_eq!(spoken("who discovered radium?"), ([Nothing, Nothing], Nothing));
        assert_eq!(spoken("Wie weit ist es nach Paris?"), ([Little, Little], Little));
        assert_eq!(spoken("Was ist los?"), ([Little, Little], Little));
    }

    #[test]
    fn nothing_speaks_for_a_tool_that_takes_a_number_where_none_was_said() {
        let number = json!({"type": "number"});
        let spoken = |schema: &Value, required: bool, texts: &[&str]| {
            let required = if required { json!(["rate"]) } else { json!([]) };
            let parameters = json!({"properties": {"rate": schema}, "required": required});
            let tools = vec![ToolSpec::new("interest", "Interest of a loan").with_parameters(parameters)];
            let messages = texts.iter().map(|text| Message::user(*text)).collect();
            Support::of(&Request { tools, messages, ..Request::default() }).spoken("interest")
        };
        let (without, with) = ("What is the interest of the loan?", "What is the interest of the loan at Two percent?");
        assert_eq!(spoken(&number, true, &[without]), Spoken::Nothing);
        assert_eq!(spoken(&json!({"type": "array", "items": number}), true, &[without]), Spoken::Nothing);
        assert_eq!(spoken(&number, true, &["Interessiert der Kredit?"]), Spoken::Little);
        for (schema, required, texts) in [
            (number.clone(), true, &[with][..]),
            (number.clone(), true, &["My rate is 2", without]),
            (number.clone(), false, &[without]),
            (json!({"type": "number", "default": 2}), true, &[without]),
            (json!({"type": "integer", "enum": [2, 3]}), true, &[without]),
            (json!({"type": "string"}), true, &[without]),
        ] {
            assert_eq!(spoken(&schema, required, texts), Spoken::Much, "{schema} {texts:?}");
        }
    }

    #[test]
    fn forms_of_one_word_begin_alike() {
        for (one, other) in [("city", "cities"), ("physics", "physicist"), ("area", "areas"), ("convert", "conversion")]
        {
            assert!(are_forms_of_one(one, other) && are_forms_of_one(other, one), "{one} {other}");
        }
        for (one, other) in
            [("car", "carbon"), ("interest", "international"), ("stock", "store"), ("6034464", "6034465")]
        {
            assert!(!are_forms_of_one(one, other) && !are_forms_of_one(other, one), "{one} {other}");
        }
    }

    #[test]
    fn a_word_sets_a_tool_apart_unless_it_speaks_for_the_others_too() {
        let support = support("The distance between two places", &TOOLS);
        assert!(support.sets_apart("get_distance", &["flights.search"]) && support.sets_apart("get_distance", &[]));
        assert!(
            !support.sets_apart("flights.search", &["get_distance"]) && support.sets_apart("flights.search", &["天气"])
        );
        assert!(!support.sets_apart("天气", &["get_distance"]));
        assert!(self::support("Wie weit ist es?", &TOOLS).sets_apart("flights.search", &["get_distance"]));
    }
}
