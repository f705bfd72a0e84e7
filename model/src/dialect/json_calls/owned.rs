//! Which words of a message are for which parameter of a tool, or for the tool itself: they belong into no other text.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    english::{DENIALS, GENDERS},
    hint::Hint,
    hints::{is_text, quoted, words},
    support::{self, Support, are_forms_of_one},
};
use glassbox_tools::ToolSpec;

/// Words in the name of a parameter for a time.
const TIMES: [&str; 6] = ["year", "years", "season", "date", "period", "time"];

/// Words in the name of a boolean that do not say what it is about.
const MARKS: [&str; 9] = ["detailed", "enable", "enabled", "flag", "has", "include", "included", "includes", "only"];

/// Shorter words are for no parameter alone.
const SHORTEST: usize = 3;

/// The words of a message.
#[derive(Debug)]
pub(super) struct Heard {
    /// In lower case.
    words: BTreeSet<String>,
    /// Those without a capital letter: with one it is a name, which may be a value whatever it means.
    plain: BTreeSet<String>,
    /// One of them turns what is said.
    denies: bool,
}

impl Heard {
    pub(super) fn of(message: &str) -> Self {
        let lower = message.to_lowercase();
        let all: BTreeSet<String> = words(&lower).into_iter().map(str::to_owned).collect();
        let plain = words(message).into_iter().filter(|word| all.contains(*word)).map(str::to_owned).collect();
        let denies = DENIALS.iter().any(|word| all.contains(*word));
        Self { words: all, plain, denies }
    }
}

/// What of a message is for whom in a tool.
#[derive(Debug)]
pub(super) struct Owned<'a> {
    /// Parameters and words.
    words: Vec<(&'a str, String)>,
    /// Words of the tool's name.
    called: Vec<String>,
    /// Booleans of which was spoken.
    affirmed: Vec<&'a str>,
}

impl<'a> Owned<'a> {
    /// For `tool`, for which `support` speaks.
    pub(super) fn of(tool: &'a ToolSpec, heard: &Heard, support: &Support) -> Self {
        let name = support::words(&tool.name);
        let is_called =
            |word: &&String| heard.plain.contains(*word) && name.iter().any(|own| are_forms_of_one(own, word));
        let called = support.words_for(&tool.name).filter(is_called).cloned().collect();
        let (mut words, mut affirmed) = (Vec::new(), Vec::new());
        for (key, schema) in tool.parameters.get("properties").and_then(Value::as_object).into_iter().flatten() {
            words.extend(own(key, schema, &heard.words).into_iter().map(|word| (key.as_str(), word)));
            let is_boolean = schema.get("type").is_some_and(|kind| kind == "boolean");
            if is_boolean && !heard.denies && is_all_said(key, support.words_for(&tool.name)) {
                affirmed.push(key.as_str());
            }
        }
        Self { words, called, affirmed }
    }

    /// What this says of the values of the parameter `key`.
    pub(super) fn hints(&self, key: &str, schema: &Value) -> Vec<Hint> {
        if self.affirmed.contains(&key) {
            return vec![Hint::Affirmed];
        }
        if !is_text(schema) {
            return Vec::new();
        }
        let is_own = |word: &String| self.words.iter().any(|(owner, own)| *owner == key && own == word);
        let elsewhere = self.words.iter().filter(|(owner, word)| *owner != key && !is_own(word));
        let elsewhere: BTreeSet<&String> = elsewhere.map(|(_, word)| word).collect();
        let elsewhere = elsewhere.into_iter().cloned().collect();
        let hints = [Hint::Elsewhere(elsewhere), Hint::NoTool(self.called.clone())];
        let says_something =
            |hint: &Hint| !matches!(hint, Hint::Elsewhere(words) | Hint::NoTool(words) if words.is_empty());
        hints.into_iter().filter(says_something).collect()
    }
}

/// True for a `season` or a `start_date`.
fn is_of_time(key: &str) -> bool {
    words(&key.to_lowercase()).iter().any(|word| TIMES.contains(word))
}

/// The words of the message that are for this parameter: years for one of a time, men and women for a gender, and what its
/// enum, its default or its description has.
fn own(key: &str, schema: &Value, said: &BTreeSet<String>) -> Vec<String> {
    let is_of_gender = words(&key.to_lowercase()).iter().any(|word| ["gender", "sex"].contains(word));
    let is_of_time = is_of_time(key);
    let years = said.iter().filter(|word| is_of_time && is_year(word)).cloned();
    // Where one of them was said another may be written for it.
    let has_gender = is_of_gender && GENDERS.iter().any(|word| said.contains(*word));
    let genders = GENDERS.into_iter().filter(|_| has_gender).map(str::to_owned);
    let known = known(schema).into_iter().filter(|word| word.len() >= SHORTEST && said.contains(word));
    known.chain(years).chain(genders).collect()
}

/// True where all words in a parameter's name were said, those apart that only say that it is a boolean.
fn is_all_said<'a>(key: &str, said: impl Iterator<Item = &'a String>) -> bool {
    let own: Vec<String> = support::words(key).into_iter().filter(|word| !MARKS.contains(&word.as_str())).collect();
    let said: Vec<&String> = said.collect();
    !own.is_empty() && own.iter().all(|own| said.iter().any(|word| are_forms_of_one(own, word)))
}

/// Values that a schema shows, in lower case.
fn known(schema: &Value) -> Vec<String> {
    let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let texts = choices.chain(schema.get("default")).filter_map(Value::as_str).map(str::to_lowercase);
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    texts.chain(quoted(&about.to_lowercase())).collect()
}

fn is_year(word: &str) -> bool {
    word.len() == 4 && (word.starts_with("19") || word.starts_with("20")) && word.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Message, Request};

    /// Those of a parameter of the tool `name` with these `properties`, beside `text`.
    fn hints(text: &str, name: &str, properties: Value, key: &str) -> Vec<Hint> {
        let tool = ToolSpec::new(name, "").with_parameters(json!({"properties": properties}));
        let messages = vec![Message::user(text)];
        let support = Support::of(&Request { tools: vec![tool.clone()], messages, ..Request::default() });
        let schema = tool.parameters["properties"][key].clone();
        Owned::of(&tool, &Heard::of(text), &support).hints(key, &schema)
    }

    #[test]
    fn a_word_is_left_to_the_parameter_that_it_is_for() {
        let of = |properties: Value| {
            hints("The top woman of the 2021 La Liga, regular season, at 3000 m", "rank", properties, "league")
        };
        let text = json!({"type": "string"});
        for (other, schema, words) in [
            ("season_year", text.clone(), vec!["2021"]),
            ("gender", text.clone(), GENDERS.to_vec()),
            ("kind", json!({"type": "string", "default": "Regular"}), vec!["regular"]),
            ("kind", json!({"enum": ["regular", "playoff", 3000, "m", "La Liga"]}), vec!["regular"]),
            ("kind", json!({"type": "string", "description": "As 'playoff' or \"regular\""}), vec!["regular"]),
            ("team", text.clone(), vec![]),
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            let expected: Vec<Hint> = (!words.is_empty()).then_some(Hint::Elsewhere(words)).into_iter().collect();
            assert_eq!(of(json!({"league": text, other: schema})), expected, "{other} {schema}");
        }
        // What is for both is for neither alone.
        let shown = json!({"type": "string", "default": "regular"});
        assert_eq!(of(json!({"league": shown, "kind": shown})), []);
        assert_eq!(of(json!({"league": {"enum": ["La Liga"]}, "year": text})), []);
    }

    #[test]
    fn a_boolean_of_which_was_spoken_is_true() {
        let of = |text: &str, key: &str| hints(text, "turtles", json!({key: {"type": "boolean"}}), key);
        let text = "The population and species of turtles, with details";
        for key in ["species", "include_species", "returnPopulationSpecies"] {
            assert_eq!(of(text, key), [Hint::Affirmed], "{key}");
        }
        for key in ["habitat", "species_habitat", "include", "detailed", "is"] {
            assert_eq!(of(text, key), [], "{key}");
        }
        for text in ["All turtles without their species", "Turtles. Don't list species"] {
            assert_eq!(of(text, "species"), [], "{text}");
        }
    }

    #[test]
    fn what_a_tool_is_called_is_no_value() {
        let properties = json!({"genre": {"type": "string"}, "size": {"enum": ["a"]}});
        let of = |key| hints("Get a jazz concert in Hotel Paris", "get_concertsInHotels", properties.clone(), key);
        assert_eq!((of("genre"), of("size")), (vec![Hint::NoTool(vec!["concert".to_owned()])], Vec::new()));
    }
}
