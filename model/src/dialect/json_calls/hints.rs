//! What the name and description of a parameter tell of its values, where a small model reads it and writes what it likes.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    hint::Hint,
    mentioned::last_of_the_user,
    owned::{Heard, Owned},
    support::Support,
};
use crate::{Request, dialect::grammar::required};
use glassbox_tools::ToolSpec;

/// The types of JSON Schema, and what Python calls them: a parameter called `type` is filled with what stands next to `type` in a schema.
const SCHEMA_TYPES: [&str; 8] = ["object", "string", "array", "integer", "number", "boolean", "dict", "float"];

/// Words next to which a number is a share of one, not a percentage.
const SHARES: [&str; 14] = [
    "rate",
    "interest",
    "yield",
    "return",
    "growth",
    "discount",
    "probability",
    "prob",
    "chance",
    "confidence",
    "efficiency",
    "fraction",
    "share",
    "ratio",
];

/// Words next to which a text is written in another way than the user has.
const CODED: [&str; 10] =
    ["symbol", "ticker", "code", "currency", "date", "format", "formatted", "iso", "abbreviation", "id"];

/// Words of a description whose values are examples, and of one that lists them all.
const EXAMPLES: [&str; 6] = ["eg", "example", "examples", "like", "format", "formatted"];
const ALL: [&str; 13] = [
    "either",
    "valid",
    "option",
    "options",
    "possible",
    "value",
    "values",
    "include",
    "includes",
    "choice",
    "choices",
    "supported",
    "accepts",
];

/// Words in the name of a parameter for the beginning of a way, and for its end.
const ORIGINS: [&str; 6] = ["from", "start", "starting", "origin", "source", "departure"];
const GOALS: [&str; 6] = ["to", "end", "ending", "destination", "arrival", "target"];

/// The hints of all tools that are offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hints(BTreeMap<String, BTreeMap<String, Arc<[Hint]>>>);

impl Hints {
    /// Of the tools of a request, for which `support` speaks.
    pub(super) fn of(request: &Request, support: &Support) -> Self {
        let message = last_of_the_user(request);
        let said = message.to_lowercase();
        let heard = Heard::of(message);
        let of_tool = |tool: &ToolSpec| -> BTreeMap<String, Arc<[Hint]>> {
            let properties = tool.parameters.get("properties").and_then(Value::as_object).into_iter().flatten();
            let required = tool.parameters.as_object().map(required).unwrap_or_default();
            let owned = Owned::of(tool, &heard, support);
            let of_one = |(key, schema): (&String, &Value)| {
                // In another language than that of the descriptions texts may be translated.
                let copied = support.is_readable() && required.contains(&key.as_str());
                let mut hints = hints(key, schema, copied, &said);
                hints.extend(owned.hints(key, schema));
                (key.clone(), hints.into())
            };
            properties.map(of_one).collect()
        };
        Self(request.tools.iter().map(|tool| (tool.name.clone(), of_tool(tool))).collect())
    }

    /// Those of a parameter.
    pub(super) fn get(&self, tool: &str, key: &str) -> Arc<[Hint]> {
        self.0.get(tool).and_then(|hints| hints.get(key)).cloned().unwrap_or_default()
    }
}

/// True for a parameter that may be any text.
pub(super) fn is_text(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "string") && schema.get("enum").is_none()
}

fn hints(key: &str, schema: &Value, copied: bool, said: &str) -> Vec<Hint> {
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    if is_text(schema) {
        of_text(key, about, copied, said)
    } else if schema.get("type").is_some_and(|kind| kind == "number") && schema.get("enum").is_none() {
        of_number(key, about).into_iter().collect()
    } else {
        Vec::new()
    }
}

fn of_text(key: &str, about: &str, copied: bool, said: &str) -> Vec<Hint> {
    let mut hints = Vec::new();
    if shows_place(about) {
        hints.push(Hint::Place);
    }
    if key == "type" {
        let about = about.to_lowercase();
        let unsaid = |word: &&str| !said.contains(*word) && !about.contains(*word);
        hints.push(Hint::NoType(SCHEMA_TYPES.into_iter().filter(unsaid).collect()));
    }
    let text = format!("{key} {about}").to_lowercase();
    let is_coded = words(&text).iter().any(|word| CODED.contains(word));
    let listed = listed(about);
    if listed.len() > 1 {
        hints.push(Hint::Listed(listed));
    } else if copied && !is_coded {
        // What may be left out is better left out than filled with what was said of something else.
        hints.push(Hint::Said);
    }
    let key = key.to_lowercase();
    let key = words(&key);
    let is_one_of = |any: &[&str]| [key.first(), key.last()].into_iter().flatten().any(|word| any.contains(word));
    if is_one_of(&ORIGINS) {
        hints.push(Hint::Origin);
    } else if is_one_of(&GOALS) {
        hints.push(Hint::Goal);
    }
    hints
}

/// The values that a description says there are, in quotes: `Can be 'rain' or 'snow'`. None where they are examples.
fn listed(about: &str) -> Vec<String> {
    let text = about.to_lowercase();
    let words = words(&text);
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let follow = |one: &str, other: &str| words.windows(2).any(|pair| *pair == [one, other]);
    let are_examples = has(&EXAMPLES) || follow("e", "g") || follow("such", "as");
    let are_all =
        has(&ALL) || follow("one", "of") || ["can", "could", "may", "must"].iter().any(|word| follow(word, "be"));
    if are_examples || !are_all { Vec::new() } else { quoted(&text) }
}

/// What stands in quotes.
pub(super) fn quoted(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(['\'', '"']) {
        let (head, tail) = rest.split_at(at);
        let inner = tail.get(1..).unwrap_or_default();
        let opens = head.chars().next_back().or(before).is_none_or(|c| !c.is_alphanumeric());
        let ends = |(end, quote): &(usize, &str)| {
            tail.starts_with(quote)
                && !inner.get(end.saturating_add(1)..).unwrap_or_default().starts_with(char::is_alphanumeric)
        };
        let end = inner.match_indices(['\'', '"']).find(ends).map(|(end, _)| end).filter(|_| opens);
        let taken = end.map_or(0, |end| end.saturating_add(1));
        if let Some(item) = end.and_then(|end| inner.get(..end)).filter(|item| !item.trim().is_empty()) {
            out.push(item.trim().to_owned());
        }
        before = inner.get(..taken).and_then(|taken| taken.chars().next_back()).or(Some('\''));
        rest = inner.get(taken..).unwrap_or_default();
    }
    out
}

/// A `discount_rate` is a share of one; one `in percent` is a percentage, unless it is said to be a decimal.
fn of_number(key: &str, about: &str) -> Option<Hint> {
    let text = format!("{key} {about}").to_lowercase();
    let words = words(&text);
    let percent = text.contains('%') || words.iter().any(|word| word.starts_with("percent"));
    if words.contains(&"decimal") {
        Some(Hint::Share)
    } else if percent {
        Some(Hint::Percentage)
    } else {
        words.iter().any(|word| SHARES.contains(word)).then_some(Hint::Share)
    }
}

/// True for `City, State`, for `the city and country`, and for an example such as `Los Angeles, CA`.
fn shows_place(about: &str) -> bool {
    let words = words(about);
    let is = |at: usize, any: &[&str]| words.get(at).is_some_and(|word| any.contains(&word.to_lowercase().as_str()));
    let named = |at: usize| {
        let mut next = at.saturating_add(1);
        for between in [&[",", "and"][..], &["the"]] {
            next = next.saturating_add(usize::from(is(next, between)));
        }
        is(at, &["city", "town"]) && is(next, &["state", "country", "region", "province"])
    };
    let shown = |example: &[&str]| match example {
        // `Xbox, Playstation, PC` is a list of three.
        [before, city, ",", region] => {
            let short = region.len() == 2 && region.chars().all(|c| c.is_ascii_uppercase());
            short && *before != "," && city.starts_with(char::is_uppercase)
        }
        _ => false,
    };
    (0..words.len()).any(named) || words.windows(4).any(shown)
}

/// The words of a text, and its commas.
pub(super) fn words(text: &str) -> Vec<&str> {
    let pieces = text.split_inclusive(|c: char| !c.is_alphanumeric());
    let split = pieces.flat_map(|piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        [word, if piece.ends_with(',') { "," } else { "" }]
    });
    split.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Message;

    fn of(request: &Request) -> Hints {
        Hints::of(request, &Support::of(request))
    }

    fn hints(key: &str, kind: &str, about: &str, required: bool) -> Vec<Hint> {
        super::hints(key, &json!({"type": kind, "description": about}), required, "which type of string")
    }

    #[test]
    fn a_description_shows_a_place_with_its_region() {
        for about in [
            "The city and state, e.g. Los Angeles, CA",
            "In the style City, State.",
            "City and the country",
            "Near (e.g. Central Park, NY)",
        ] {
            assert_eq!(hints("at", "string", about, false), [Hint::Place], "{about}");
        }
        for about in ["The city", "City or state", "e.g. Xbox, Playstation, PC", "e.g. Rome, Paris", "state, city", ""]
        {
            assert_eq!(hints("at", "string", about, false), [], "{about}");
        }
        let chosen = json!({"type": "string", "description": "City, State", "enum": ["Rome"]});
        assert_eq!(super::hints("at", &chosen, true, ""), []);
    }

    #[test]
    fn a_rate_is_a_share_of_one_unless_it_is_in_percent() {
        let of = |key: &str, about: &str| hints(key, "number", about, true);
        for (key, about) in [("discount_rate", ""), ("r", "The yearly interest."), ("x", "A decimal. 5% is 0.05")] {
            assert_eq!(of(key, about), [Hint::Share], "{key}");
        }
        assert_eq!(
            (of("rate", "In percent"), of("percentage_growth", "")),
            (vec![Hint::Percentage], vec![Hint::Percentage])
        );
        assert_eq!((of("price", ""), hints("rate", "integer", "", true)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn hints_are_found_by_tool_and_parameter() {
        let parameters = json!({
            "properties": {"rate": {"type": "number"}, "days": {"type": "integer"}, "to": {"type": "string"}},
            "required": ["to"],
        });
        let tools = vec![ToolSpec::new("grow", "").with_parameters(parameters), ToolSpec::new("time", "")];
        let request =
            |text: &str| Request { tools: tools.clone(), messages: vec![Message::user(text)], ..Request::default() };
        assert_eq!(*of(&request("Wohin?")).get("grow", "to"), [Hint::Goal]);
        let hints = of(&request("What is the way?"));
        assert_eq!(*hints.get("grow", "rate"), [Hint::Share]);
        assert_eq!(*hints.get("grow", "to"), [Hint::Said, Hint::Goal]);
        assert!(hints.get("grow", "days").is_empty() && hints.get("time", "rate").is_empty());
    }

    #[test]
    fn a_parameter_called_type_may_hold_a_type_only_where_one_is_named() {
        let types = ["object", "array", "integer", "boolean", "float"];
        let named = "Number or dict";
        assert_eq!(hints("type", "string", named, false), [Hint::NoType(types.into())]);
    }

    #[test]
    fn a_text_that_is_required_is_a_piece_of_what_was_said() {
        assert_eq!(hints("subject", "string", "", true), [Hint::Said]);
        assert_eq!(hints("subject", "string", "", false), []);
        for about in ["The ticker symbol", "The date of birth"] {
            assert_eq!(hints("company", "string", about, true), [], "{about}");
        }
    }

    #[test]
    fn what_a_description_lists_is_all_there_is() {
        let about = "Can be 'melting', \"Freezing point\" or 'boiling'. It's the default";
        let items = ["melting", "freezing point", "boiling"].map(str::to_owned).into();
        assert_eq!(hints("change", "string", about, true), [Hint::Listed(items)]);
        for about in
            ["Can be 'melting'", "E.g. 'melting' or 'boiling'", "'a' like 'b'", "The user's and the host's values"]
        {
            assert_eq!(hints("change", "string", about, false), [], "{about}");
        }
    }

    #[test]
    fn a_way_has_an_origin_and_a_goal() {
        for (key, hint) in [
            ("from_city", Hint::Origin),
            ("location_start", Hint::Origin),
            ("to", Hint::Goal),
            ("destination", Hint::Goal),
        ] {
            assert_eq!(hints(key, "string", "", false), [hint], "{key}");
        }
        assert_eq!(hints("stop", "string", "", false), []);
    }
}
