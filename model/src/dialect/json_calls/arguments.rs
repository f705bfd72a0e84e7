//! The arguments of a call on their way to whoever listens. Optional ones that the model was unsure of, and that the user has not
//! mentioned, are left out, and short texts that have nothing of the user's words all the sooner: small models fill in whatever
//! a tool lets them, also where the request says nothing of it, and the tool's default is the better guess then. In the same way
//! they list all values of an enum: those stay that the user has named, or else those of which a word was said, and an optional list of
//! others is left out. So is an optional number whose zeros found no end.

use serde_json::{Map, Value};

use super::{mentioned::Said, support};
use crate::{Request, dialect::grammar::required};

/// An argument is left out where a token of its value was less likely than not.
const LIKELY: f32 = 0.5;

/// The same of a choice from an enum of which no word was said, and of a boolean of whose name none was: of the leaderboard's calls
/// four and five have such a one that is not as likely, of which two and one are wrong and none is missed (`docs/evals.md`).
const UNNAMED: f32 = 0.7;
const UNSPOKEN: f32 = 0.65;

/// A text that has no word of the user's, but for what it is called itself, where one of its tokens was less likely than this: it is
/// made up. Of the leaderboard's calls with such a text ten were wrong for it, nine of them with a token below 0.8, and one was
/// right (`docs/evals.md`).
const MADE_UP: f32 = 0.85;

/// A text of more tokens, its quotes among them, is phrased, not chosen: it can be put in many ways, so none is likely.
const PHRASED: usize = 6;

/// A number with so many digits that nobody has said is one whose zeros found no end.
const ENDLESS: usize = 16;

/// What has more tokens is not waited for.
const LONG: usize = 256;

/// The arguments of a tool that may be left out, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    tool: String,
    keys: Vec<(String, Kind)>,
    said: Said,
}

impl Options {
    /// Those of all tools that are offered and have any.
    pub(crate) fn of(request: &Request) -> Vec<Self> {
        let mut said = None;
        let options = request.tools.iter().filter_map(|tool| {
            let keys = keys(&tool.parameters);
            // The message may be long: it is looked at where a tool has such arguments, and once.
            (!keys.is_empty()).then(|| Self {
                tool: tool.name.clone(),
                keys,
                said: said.get_or_insert_with(|| Said::of(request)).clone(),
            })
        });
        options.collect()
    }
}

/// What values an argument has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Boolean,
    /// What an enum lists.
    Choice,
    Text,
    /// Lists of anything.
    Items,
    /// Lists of what an enum has.
    List {
        required: bool,
    },
}

fn keys(parameters: &Value) -> Vec<(String, Kind)> {
    let required = parameters.as_object().map(required).unwrap_or_default();
    let properties = parameters.get("properties").and_then(Value::as_object).into_iter().flatten();
    let kinds = properties.filter_map(|(key, schema)| {
        let kind = kind(schema, required.contains(&key.as_str()))?;
        Some((key.clone(), kind))
    });
    kinds.collect()
}

/// `None` where all that is written is told.
fn kind(schema: &Value, required: bool) -> Option<Kind> {
    let choices = |schema: &Value| schema.get("enum").is_some();
    match schema.get("type").and_then(Value::as_str) {
        Some("array") if schema.get("items").is_some_and(choices) => Some(Kind::List { required }),
        _ if required => None,
        _ if choices(schema) => Some(Kind::Choice),
        Some("integer" | "number") => Some(Kind::Number),
        Some("boolean") => Some(Kind::Boolean),
        Some("string") => Some(Kind::Text),
        Some("array") => Some(Kind::Items),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the object.
    Before,
    /// Between two arguments.
    Between,
    Key,
    Colon,
    Value,
    /// Behind the object, or in something that is none: all goes on as it is.
    Through,
}

/// The arguments of one call, character by character.
#[derive(Debug)]
pub(super) struct Arguments {
    /// The optional ones.
    options: Option<Options>,
    place: Place,
    /// What nobody has been told of yet.
    held: String,
    /// Where in it the value begins.
    value_at: usize,
    key: String,
    /// That of an optional one.
    kind: Option<Kind>,
    /// How likely the least likely token of the value was.
    least: f32,
    /// In the value.
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
    /// An argument was told.
    told: bool,
    left_out: Vec<String>,
    /// What is told in place of values of which a part is left out.
    shortened: Map<String, Value>,
    /// Logarithms of how likely the tokens of the value were.
    logs: (f64, usize),
    /// Means of these of the values before it.
    means: (f64, usize),
}

impl Arguments {
    /// Of a call of `tool`; `None` where it has no optional ones.
    pub(super) fn new(options: &[Options], tool: &str) -> Option<Self> {
        let options = options.iter().find(|options| options.tool == tool)?.clone();
        Some(Self { options: Some(options), ..Self::all() })
    }

    /// Of a call of which all is told.
    pub(super) fn all() -> Self {
        Self {
            options: None,
            place: Place::Before,
            held: String::new(),
            value_at: 0,
            key: String::new(),
            kind: None,
            least: 1.0,
            depth: 0,
            in_string: false,
            escaped: false,
            begun: false,
            told: false,
            left_out: Vec::new(),
            shortened: Map::new(),
            logs: (0.0, 0),
            means: (0.0, 0),
        }
    }

    /// How likely the tokens of the values are so far: the geometric mean of each value's own; 1 where there are none. And how
    /// many tokens the value has that is being written.
    pub(super) fn likely(&self) -> (f64, usize) {
        let (mut sum, mut count) = self.means;
        if self.logs.1 > 0 {
            sum += self.logs.0 / self.logs.1 as f64;
            count = count.saturating_add(1);
        }
        (if count == 0 { 1.0 } else { (sum / count as f64).exp() }, self.logs.1)
    }

    /// True where all is told that was written.
    pub(super) fn told_all(&self) -> bool {
        self.left_out.is_empty() && self.shortened.is_empty()
    }

    /// Makes of the arguments that were written those that were told.
    pub(super) fn correct(&self, arguments: &mut Map<String, Value>) {
        arguments.retain(|key, _| !self.left_out.contains(key));
        for (key, value) in &self.shortened {
            if let Some(written) = arguments.get_mut(key) {
                written.clone_from(value);
            }
        }
    }

    /// Takes a character, and gives what is to be told now. `token`: how likely the token was that begins with it.
    pub(super) fn push(&mut self, c: char, token: Option<f32>) -> String {
        let mut out = String::new();
        if self.place == Place::Value && !self.ends_value(c) {
            self.in_value(c, token, &mut out);
            return out;
        }
        if self.place == Place::Value {
            self.end_value(&mut out);
        }
        self.held.push(c);
        match self.place {
            Place::Before if c == '{' => {
                self.place = Place::Between;
                out.push_str(&std::mem::take(&mut self.held));
            }
            Place::Between if c == '"' => {
                self.key.clear();
                self.place = Place::Key;
            }
            Place::Between if c == ',' || c.is_whitespace() => {}
            // A comma may stand before one that was left out.
            Place::Between if c == '}' => {
                out.push_str(self.held.trim_start_matches(|c: char| c == ',' || c.is_whitespace()));
                self.held.clear();
                self.place = Place::Through;
            }
            Place::Key if c == '"' => self.place = Place::Colon,
            Place::Key if c != '\\' => self.key.push(c),
            Place::Colon if c == ':' => {
                let mut keys = self.options.iter().flat_map(|options| &options.keys);
                self.kind = keys.find(|(key, _)| *key == self.key).map(|(_, kind)| *kind);
                self.value_at = self.held.len();
                (self.least, self.depth, self.begun) = (1.0, 0, false);
                self.place = Place::Value;
                if self.kind.is_none() {
                    self.tell(&mut out);
                }
            }
            Place::Colon if c.is_whitespace() => {}
            _ => {
                self.place = Place::Through;
                out.push_str(&std::mem::take(&mut self.held));
            }
        }
        out
    }

    fn ends_value(&self, c: char) -> bool {
        self.begun && !self.in_string && self.depth == 0 && matches!(c, ',' | '}')
    }

    fn in_value(&mut self, c: char, token: Option<f32>, out: &mut String) {
        if let Some(likely) = token {
            self.least = self.least.min(likely);
            self.logs.0 += f64::from(likely).max(f64::MIN_POSITIVE).ln();
            self.logs.1 = self.logs.1.saturating_add(1);
        }
        if self.kind.is_some() {
            self.held.push(c);
            let most = if self.kind == Some(Kind::Text) { PHRASED } else { LONG };
            if self.logs.1 > most {
                self.kind = None;
                self.tell(out);
            }
        } else {
            out.push(c);
        }
        self.begun |= !c.is_whitespace();
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match c {
            '\\' if self.in_string => self.escaped = true,
            '"' => self.in_string = !self.in_string,
            '{' | '[' if !self.in_string => self.depth = self.depth.saturating_add(1),
            '}' | ']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn end_value(&mut self, out: &mut String) {
        self.place = Place::Between;
        let (sum, tokens) = std::mem::take(&mut self.logs);
        if tokens > 0 {
            self.means.0 += sum / tokens as f64;
            self.means.1 = self.means.1.saturating_add(1);
        }
        if self.kind.is_none() {
            return;
        }
        let left_out = match self.kind {
            Some(Kind::List { required }) => !self.shorten() && !required,
            _ => self.is_left_out(),
        };
        if left_out {
            self.held.clear();
            self.left_out.push(std::mem::take(&mut self.key));
        } else {
            self.tell(out);
        }
    }

    /// Of a list the items stay that the user has named, or else those of which a word was said. False where there are none.
    fn shorten(&mut self) -> bool {
        let Some(said) = self.options.as_ref().map(|options| &options.said) else { return true };
        let written = self.held.get(self.value_at..).unwrap_or_default();
        let Ok(Value::Array(items)) = serde_json::from_str(written) else { return true };
        let mut named: Vec<&Value> = items.iter().filter(|item| said.names(&item.to_string())).collect();
        if named.is_empty() {
            named = items.iter().filter(|item| said.touches(&item.to_string())).collect();
        }
        if named.is_empty() || named.len() == items.len() {
            return !named.is_empty();
        }
        let value: Value = named.into_iter().cloned().collect();
        self.held.truncate(self.value_at);
        self.held.push(' ');
        self.held.push_str(&value.to_string());
        self.shortened.insert(self.key.clone(), value);
        true
    }

    fn is_left_out(&self) -> bool {
        let value = self.held.get(self.value_at..).unwrap_or_default();
        let Some(said) = self.options.as_ref().map(|options| &options.said) else { return false };
        tracing::debug!(key = self.key, value, least = self.least, "an optional argument");
        match self.kind {
            Some(Kind::Items) => self.least < LIKELY && !said.touches(value),
            Some(Kind::Text) if self.least < MADE_UP && !said.touches_beside(value, &self.key) => true,
            Some(Kind::Number) if is_endless(value) && !said.mentions(value) => true,
            Some(Kind::Choice) if self.least < UNNAMED && !said.has_new(value, "") => true,
            Some(Kind::Boolean) if self.least < UNSPOKEN && !self.is_spoken_of(said) => true,
            _ => self.least < LIKELY && !said.mentions(value),
        }
    }

    /// True where a word of the parameter's name was said.
    fn is_spoken_of(&self, said: &Said) -> bool {
        support::words(&self.key).iter().any(|word| said.has_form(word))
    }

    /// Tells what was held back; of the first argument without the comma of one before it.
    fn tell(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        let first = !std::mem::replace(&mut self.told, true);
        out.push_str(if first { held.trim_start_matches(|c: char| c == ',' || c.is_whitespace()) } else { &held });
    }
}

/// True for a number that went on to the last digit that it may have.
fn is_endless(value: &str) -> bool {
    value.trim().trim_start_matches('-').bytes().take_while(u8::is_ascii_digit).count() >= ENDLESS
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Message;
    use glassbox_tools::ToolSpec;

    fn options() -> Vec<Options> {
        let parameters = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"enum": ["c", "f", "a, b} \""]},
                "note": {"type": "string"},
                "list": {"type": "array"},
                "about": {"type": "array", "items": {"enum": ["rain", "wind", "wind speed", "snow"]}},
                "besides": {"type": "array", "items": {"enum": ["rain", "snow"]}},
            },
            "required": ["city", "about"],
        });
        let tools = vec![ToolSpec::new("weather", "").with_parameters(parameters), ToolSpec::new("time", "")];
        let messages = vec![Message::user("The weather in Paris for 14 days, winds and rain, please.")];
        Options::of(&Request { tools, messages, ..Request::default() })
    }

    /// What is told of tokens, each with how likely it was, and the keys that are left out.
    fn told(tokens: &[(&str, f32)]) -> (String, Vec<String>) {
        let mut arguments = Arguments::new(&options(), "weather").unwrap();
        let mut out = String::new();
        for (text, likely) in tokens {
            let mut likely = Some(*likely);
            for c in text.chars() {
                out.push_str(&arguments.push(c, likely.take()));
            }
        }
        (out, arguments.left_out)
    }

    #[test]
    fn what_is_phrased_or_required_stays() {
        let lists = [("about", Kind::List { required: true }), ("besides", Kind::List { required: false })];
        let items = ("list", Kind::Items);
        let keys = [("days", Kind::Number), ("unit", Kind::Choice), ("note", Kind::Text), items, lists[0], lists[1]];
        let keys: Vec<(String, Kind)> = keys.map(|(key, kind)| (key.to_owned(), kind)).into();
        let [Options { tool, keys: found, .. }] = &options()[..] else { panic!("one tool has optional arguments") };
        assert_eq!((tool.as_str(), found), ("weather", &keys));
        assert!(Arguments::new(&options(), "time").is_none());
        let tokens = [(r#"{"city": ""#, 1.0), ("Paris", 0.1), (r#"", "note": ""#, 0.1), ("x", 0.9), (r#""}"#, 0.9)];
        assert_eq!(told(&tokens), (r#"{"city": "Paris", "note": "x"}"#.to_owned(), Vec::new()));
        let mut words = vec![(r#"{"city": "Paris", "note":"#, 1.0), (r#" ""#, 1.0)];
        words.extend([("take", 0.1), (" an", 0.1), (r#"""#, 1.0), ("}", 1.0)]);
        assert_eq!(told(&words), (r#"{"city": "Paris"}"#.to_owned(), vec!["note".to_owned()]));
        for (at, word) in [(4, " umbrella"), (5, " and"), (6, " boots")] {
            words.insert(at, (word, 1.0));
        }
        let all = r#"{"city": "Paris", "note": "take an umbrella and boots"}"#;
        assert_eq!(told(&words), (all.to_owned(), Vec::new()));
    }

    #[test]
    fn an_unlikely_value_is_left_out_with_its_key_and_one_comma() {
        let last = [(r#"{"city": "Paris", "days":"#, 1.0), (" ", 1.0), ("3", 0.4), ("}", 1.0)];
        assert_eq!(told(&last), (r#"{"city": "Paris"}"#.to_owned(), vec!["days".to_owned()]));
        let first = [(r#"{"days":"#, 1.0), (" 3", 0.4), (r#", "city": "Paris"}"#, 1.0)];
        assert_eq!(told(&first), (r#"{"city": "Paris"}"#.to_owned(), vec!["days".to_owned()]));
        let middle = [(r#"{"city": "A", "unit": ""#, 1.0), ("c", 0.4), (r#"", "days": "#, 1.0), ("3", 0.6), ("}", 0.1)];
        assert_eq!(told(&middle), (r#"{"city": "A", "days": 3}"#.to_owned(), vec!["unit".to_owned()]));
        let only = [(r#"{ "days": "#, 1.0), ("3", 0.4), (" }", 1.0)];
        assert_eq!(told(&only), ("{}".to_owned(), vec!["days".to_owned()]));
    }

    #[test]
    fn what_the_user_has_mentioned_stays() {
        let days = [(r#"{"city": "Paris", "days":"#, 1.0), (" ", 1.0), ("14", 0.1), ("}", 1.0)];
        assert_eq!(told(&days), (r#"{"city": "Paris", "days": 14}"#.to_owned(), Vec::new()));
    }

    #[test]
    fn a_number_without_an_end_is_left_out() {
        let days = |number| [(r#"{"city": "Paris", "days":"#, 1.0), (" ", 1.0), (number, 0.9), ("}", 1.0)];
        assert_eq!(told(&days("100000000000000000")), (r#"{"city": "Paris"}"#.to_owned(), vec!["days".to_owned()]));
        let kept = r#"{"city": "Paris", "days": 1000000000}"#.to_owned();
        assert_eq!(told(&days("1000000000")), (kept, Vec::new()));
    }

    #[test]
    fn a_short_text_without_a_word_of_the_users_must_be_surer() {
        let note =
            |text, likely| [(r#"{"city": "Paris", "note":"#, 1.0), (r#" ""#, 1.0), (text, likely), (r#""}"#, 1.0)];
        let kept = |text: &str| (format!(r#"{{"city": "Paris", "note": "{text}"}}"#), Vec::new());
        assert_eq!(told(&note("boots", 0.8)), (r#"{"city": "Paris"}"#.to_owned(), vec!["note".to_owned()]));
        assert_eq!(told(&note("boots", 0.9)), kept("boots"));
        assert_eq!(told(&note("Paris, France", 0.8)), kept("Paris, France"));
        let unit = [(r#"{"city": "Paris", "unit": ""#, 1.0), ("c", 0.8), (r#""}"#, 1.0)];
        assert_eq!(told(&unit), (r#"{"city": "Paris", "unit": "c"}"#.to_owned(), Vec::new()));
    }

    #[test]
    fn a_choice_or_a_boolean_of_which_was_not_spoken_must_be_surer() {
        let parameters = json!({"properties": {"unit": {"enum": ["metric", "winds"]}, "withRain": {"type": "boolean"},
            "hourly": {"type": "boolean"}}});
        let tools = vec![ToolSpec::new("weather", "").with_parameters(parameters)];
        let messages = vec![Message::user("The wind and rain in Paris")];
        let options = Options::of(&Request { tools, messages, ..Request::default() });
        let stays = |key: &str, value: &str, likely: f32| {
            let mut arguments = Arguments::new(&options, "weather").unwrap();
            let head = format!(r#"{{"{key}": "#);
            let tokens = [(head.as_str(), 1.0), (value, likely), ("}", 1.0)];
            let all = tokens
                .iter()
                .flat_map(|(text, likely)| text.chars().enumerate().map(|(at, c)| (c, (at == 0).then_some(*likely))));
            let told: String = all.map(|(c, likely)| arguments.push(c, likely)).collect();
            told.contains(value)
        };
        assert!(!stays("unit", "\"metric\"", 0.68) && stays("unit", "\"metric\"", 0.72));
        assert!(stays("unit", "\"winds\"", 0.55) && !stays("unit", "\"winds\"", 0.45));
        assert!(!stays("hourly", "true", 0.6) && stays("hourly", "true", 0.66) && stays("withRain", "true", 0.6));
    }

    #[test]
    fn a_list_in_which_nothing_is_the_users_and_something_unlikely_is_left_out() {
        let list =
            |item, likely| [(r#"{"city": "Paris", "list": ["#, 1.0), (item, 1.0), (r#", "x"]"#, likely), ("}", 1.0)];
        let kept = |item: &str| (format!(r#"{{"city": "Paris", "list": [{item}, "x"]}}"#), Vec::new());
        assert_eq!(told(&list("1", 0.4)), (r#"{"city": "Paris"}"#.to_owned(), vec!["list".to_owned()]));
        assert_eq!(told(&list("1", 0.6)), kept("1"));
        assert_eq!(told(&list("14", 0.4)), kept("14"));
    }

    #[test]
    fn of_a_list_from_an_enum_stays_what_the_user_has_named() {
        let told_of = |key: &str, list: &str| {
            let mut arguments = Arguments::new(&options(), "weather").unwrap();
            let written = format!(r#"{{"{key}": {list}, "city": "Paris"}}"#);
            let out: String = written.chars().map(|c| arguments.push(c, Some(0.1))).collect();
            let mut map: Map<String, Value> = serde_json::from_str(&written).unwrap();
            arguments.correct(&mut map);
            assert_eq!(serde_json::from_str::<Map<String, Value>>(&out).unwrap(), map);
            assert_eq!(arguments.told_all(), out == written);
            out
        };
        let told = |list: &str| told_of("about", list);
        let some = told(r#"["snow", "rain", "wind speed", "wind"]"#);
        assert_eq!(some, r#"{"about": ["rain","wind"], "city": "Paris"}"#);
        for list in [r#"["rain", "wind"]"#, r#"["snow"]"#, "[]", "7"] {
            assert_eq!(told(list), format!(r#"{{"about": {list}, "city": "Paris"}}"#));
        }
        assert_eq!(told_of("besides", r#"["snow", "rain"]"#), r#"{"besides": ["rain"], "city": "Paris"}"#);
        assert_eq!(told_of("besides", r#"["snow"]"#), r#"{"city": "Paris"}"#);
        assert_eq!(told(r#"["snow", "wind speed"]"#), r#"{"about": ["wind speed"], "city": "Paris"}"#);
    }

    #[test]
    fn what_stands_in_a_string_ends_no_value() {
        let tokens = [(r#"{"unit": "a, b} \""#, 1.0), (r#"""#, 1.0), (r#", "city": "}\\"}"#, 0.1)];
        assert_eq!(told(&tokens), (r#"{"unit": "a, b} \"", "city": "}\\"}"#.to_owned(), Vec::new()));
        let nested = r#"{"list": [{"days": 3}, "]"], "city": "x"}"#;
        assert_eq!(told(&[(nested, 0.9)]).0, nested);
    }

    #[test]
    fn what_is_no_object_goes_through() {
        for text in ["[1, 2]", "\"{}\"", "{'days': 3}", "{\"days\" 3}", "{}", "{\"da\\u0079s\": 3}"] {
            assert_eq!(told(&[(text, 0.1)]).0, text, "{text}");
        }
    }
}
