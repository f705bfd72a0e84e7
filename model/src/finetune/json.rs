//! JSON with its places, and without what readers of JSON drop in silence.
//!
//! A file is a list of samples or one sample a line. Values are read as Python reads them, since the files are Python's:
//! whole numbers stay whole and fractions are read exactly. A key that stands twice in an object, of which Python keeps the
//! last, and a whole number of more than 64 bits are refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// A text, and where its lines begin.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// What cannot be read, and the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at.saturating_add(1))).collect();
        Self { text, starts }
    }

    /// The line on which `part`, a part of the text, begins; from 1.
    pub(super) fn line(&self, part: &str) -> usize {
        let at = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.starts.partition_point(|start| *start <= at)
    }

    /// The samples: of a list its items, else one a line, or one alone over several lines.
    pub(super) fn items(&self) -> Vec<Result<&'a str, Broken>> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        if text.trim_start().starts_with('[') {
            return match serde_json::from_str::<Vec<&'a RawValue>>(text) {
                Ok(items) => items.into_iter().map(|item| Ok(item.get())).collect(),
                Err(error) => vec![Err(Broken { line: error.line(), problem: problem(&error) })],
            };
        }
        if let Ok(only) = serde_json::from_str::<&'a RawValue>(text) {
            return vec![Ok(only.get())];
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let item = |line: &'a str| match serde_json::from_str::<&'a RawValue>(line) {
            Ok(raw) => Ok(raw.get()),
            Err(error) => Err(Broken { line: self.line(line), problem: problem(&error) }),
        };
        lines.map(item).collect()
    }
}

/// What serde_json says, with the column alone: the line is said elsewhere, and counted in the file.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("it is no JSON: {what} (column {})", error.column())
}

/// The members of an object, in order, a key that stands twice twice.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Why a value cannot be taken as it is, and the part of the text that is the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadValue<'a> {
    pub(super) part: &'a str,
    pub(super) problem: String,
}

/// The members of the object `text`, each key once.
pub(super) fn members(text: &str) -> Result<Vec<(String, &str)>, BadValue<'_>> {
    let bad = |problem: String| BadValue { part: text, problem };
    if !text.starts_with('{') {
        return Err(bad("it is no object".to_owned()));
    }
    let Members(members) = serde_json::from_str(text).map_err(|error| bad(problem(&error)))?;
    let mut seen = std::collections::HashSet::new();
    for (key, value) in &members {
        if !seen.insert(key.as_str()) {
            return Err(BadValue { part: value.get(), problem: format!("`{key}` stands twice in one object") });
        }
    }
    Ok(members.into_iter().map(|(key, value)| (key, value.get())).collect())
}

/// The items of the list `text`.
pub(super) fn items(text: &str) -> Result<Vec<&str>, BadValue<'_>> {
    let bad = |problem: String| BadValue { part: text, problem };
    if !text.starts_with('[') {
        return Err(bad("it is no list".to_owned()));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| bad(problem(&error)))?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

/// The value `text`, which is JSON.
pub(super) fn value(text: &str) -> Result<Value, BadValue<'_>> {
    match text.as_bytes().first() {
        Some(b'{') => Ok(Value::Object(object(text)?)),
        Some(b'[') => items(text)?.into_iter().map(value).collect(),
        Some(b'-' | b'0'..=b'9') => number(text),
        _ => serde_json::from_str(text).map_err(|error| BadValue { part: text, problem: problem(&error) }),
    }
}

/// The object `text`.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, BadValue<'_>> {
    members(text)?.into_iter().map(|(key, text)| Ok((key, value(text)?))).collect()
}

fn number(text: &str) -> Result<Value, BadValue<'_>> {
    let whole = !text.contains(['.', 'e', 'E']);
    let number = if whole {
        text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok()
    } else {
        // The standard library rounds to the nearest, as Python does.
        text.parse::<f64>().ok().and_then(Number::from_f64)
    };
    number.map(Value::Number).ok_or_else(|| {
        let what = if whole { "a whole number of more than 64 bits" } else { "more than a number can be" };
        BadValue { part: text, problem: format!("{text} is {what}; write it as text") }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_python_reads_them() {
        assert_eq!(value(r#"{"b": [1, -0, 2.50, "é\u00e9", null, true], "a": {}}"#).unwrap(), {
            json!({"b": [1, 0, 2.5, "éé", null, true], "a": {}})
        });
        assert_eq!(value("2.2250738585072011e-308").unwrap(), json!(2.225_073_858_507_201e-308));
        assert_eq!(value("18446744073709551615").unwrap(), json!(u64::MAX));
        for (text, part) in [
            (r#"{"a": 1, "a": 2}"#, "2"),
            (r#"[{"x": 18446744073709551616}]"#, "18446744073709551616"),
            ("[1e999]", "1e999"),
            (r#"["\ud800"]"#, r#""\ud800""#),
        ] {
            assert_eq!(value(text).unwrap_err().part, part);
        }
    }

    #[test]
    fn items_know_their_lines() {
        let texts = |text: &str| {
            let document = Document::new(text);
            let items = document.items().into_iter();
            items.map(|item| item.map(|item| (document.line(item), item.to_owned()))).collect::<Vec<_>>()
        };
        let two = vec![Ok((2, "{\"a\":\n1}".to_owned())), Ok((4, "2".to_owned()))];
        assert_eq!(texts("[\n{\"a\":\n1},\n2]"), two);
        assert_eq!(texts("\u{feff}{}\r\n\n 7 \n"), vec![Ok((1, "{}".to_owned())), Ok((3, "7".to_owned()))]);
        assert_eq!(texts("{\n\"a\": 1\n}\n"), vec![Ok((1, "{\n\"a\": 1\n}".to_owned()))]);
        assert_eq!(texts(""), vec![]);
        let broken = texts("{}\n{\"a\": NaN}\n{}\n");
        assert_eq!((broken.len(), broken[1].as_ref().unwrap_err().line), (3, 2));
        assert!(broken[1].as_ref().unwrap_err().problem.ends_with("(column 7)"), "{broken:?}");
        assert_eq!(texts("[{}\n,\n{]").first().unwrap().as_ref().unwrap_err().line, 3);
    }
}
