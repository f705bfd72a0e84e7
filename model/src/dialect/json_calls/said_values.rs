//! Whether the values of a call are from what the user said.

use serde_json::{Map, Value};

use super::{asked::Asked, english::NUMBERS};

/// True where all `arguments` of a call of `tool` that have to be there, but for choices from an enum and booleans, have
/// something of what was said: numbers are among those of the message, and texts have a word that begins like one of it.
pub(super) fn are_said(tool: &str, arguments: &Map<String, Value>, asked: &Asked) -> bool {
    let free = asked.free.get(tool).into_iter().flatten();
    free.filter_map(|key| is_said(arguments.get(key)?, asked)).all(|said| said)
}

/// `None` for what can be no piece of a message.
fn is_said(value: &Value, asked: &Asked) -> Option<bool> {
    match value {
        Value::Bool(_) | Value::Null => None,
        Value::Number(number) => Some(number.as_f64().is_some_and(|number| is_number_said(number, asked))),
        Value::String(text) => Some(asked.said.touches(text)),
        Value::Array(items) => all_that_can(items.iter(), asked).map(|said| said.iter().all(|said| *said)),
        // An object says the same in several ways.
        Value::Object(fields) => all_that_can(fields.values(), asked).map(|said| said.iter().any(|said| *said)),
    }
}

fn all_that_can<'a>(values: impl Iterator<Item = &'a Value>, asked: &Asked) -> Option<Vec<bool>> {
    let said: Vec<bool> = values.filter_map(|value| is_said(value, asked)).collect();
    (!said.is_empty()).then_some(said)
}

fn is_number_said(number: f64, asked: &Asked) -> bool {
    let is_it = |value: f64| (value - number.abs()).abs() < f64::EPSILON;
    let in_words = NUMBERS.iter().filter(|(_, value)| value.is_some_and(is_it)).map(|(word, _)| *word);
    let articles = ["a", "an"].into_iter().filter(|_| is_it(1.0));
    asked.amounts.are(number) || in_words.chain(articles).any(|word| asked.said.mentions(word))
}

#[cfg(test)]
mod tests {
    use glassbox_tools::ToolSpec;
    use serde_json::json;

    use super::*;
    use crate::{Message, Request};

    #[test]
    fn a_value_is_said_by_its_number_or_a_word() {
        let parameters = json!({"properties": {"unit": {"enum": ["c"]}}, "required": ["a", "b", "unit"]});
        let tools = vec![ToolSpec::new("f", "").with_parameters(parameters)];
        let messages = vec![Message::user("A rate of 5% for two cars in Paris, 1,200 of them and 7, -8")];
        let asked = Asked::of(&Request { tools, messages, ..Request::default() });
        let said = |arguments: Value| are_said("f", arguments.as_object().unwrap(), &asked);
        for value in [
            json!(5),
            json!(0.05),
            json!(2.0),
            json!(-1200),
            json!(-8),
            json!("Paris, France"),
            json!("car"),
            json!([7, 1200]),
            json!({"city": "Paris", "zip": 75000}),
            json!(true),
            json!(null),
            json!([]),
        ] {
            assert!(said(json!({"a": value})), "{value}");
        }
        for value in
            [json!(3), json!(0.5), json!("London"), json!(""), json!([7, 9]), json!({"city": "Rome"}), json!([[1.5]])]
        {
            assert!(!said(json!({"a": value})) && !said(json!({"a": 5, "b": value})), "{value}");
        }
        assert!(said(json!({"unit": "x", "more": "y"})) && said(json!({})));
        assert!(are_said("other", json!({"a": "x"}).as_object().unwrap(), &asked));
    }
}
