//! Jinja as Hugging Face's `apply_chat_template` sets it up.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use serde_json::{Map, Value};

use crate::dialect::pyjson;

/// One unit pays for an instruction or for about 64 bytes, so this also bounds memory, at 256 MiB.
const FUEL: u64 = 4_000_000;

/// Nested macros and includes.
const RECURSION: usize = 100;

/// Nested values given to or taken from a template.
const MAX_DEPTH: usize = 128;

/// An environment with limits, and without a template.
pub(super) fn new() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    // Only changed delimiters could be refused.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    // One moment for as long as the model is loaded: a prompt must not change from turn to turn.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    environment.add_function("strftime_now", move |format: String| strftime(&format, now));
    environment
}

/// Leaves out the `{% generation %}` marks, which only training uses and Jinja does not know.
pub(super) fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out.push_str(before);
        let Some((inner, after)) = tag.split_once("%}") else {
            rest = tag;
            out.push_str("{%");
            continue;
        };
        let word = inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        let inner = match word {
            "generation" => inner.replace(word, "if true"),
            "endgeneration" => inner.replace(word, "endif"),
            _ => inner.to_owned(),
        };
        out.push_str("{%");
        out.push_str(&inner);
        out.push_str("%}");
        rest = after;
    }
    out.push_str(rest);
    out
}

fn tojson(value: &minijinja::Value, indent: Option<minijinja::Value>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<minijinja::Value>>("indent")?,
    };
    let indent =
        indent.filter(|indent| !indent.is_none()).and_then(|indent| indent.as_usize()).map(|width| width.min(16));
    // Without them the text would be the same: letters are never escaped, and keys keep their order unless asked.
    for option in ["ensure_ascii", "separators"] {
        let _: Option<minijinja::Value> = options.get(option)?;
    }
    let sort: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let mut value = from_jinja(value, 0)?;
    if sort == Some(true) {
        value.sort_all_objects();
    }
    Ok(pyjson::dumps(&value, indent))
}

/// JSON for a template.
pub(super) fn to_jinja(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(value) => minijinja::Value::from(*value),
        Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                minijinja::Value::from(value)
            } else if let Some(value) = number.as_u64() {
                minijinja::Value::from(value)
            } else {
                minijinja::Value::from(number.as_f64().unwrap_or_default())
            }
        }
        Value::String(text) => minijinja::Value::from(text.as_str()),
        Value::Array(items) => items.iter().map(to_jinja).collect(),
        Value::Object(map) => minijinja::Value::from_pairs(
            map.iter().map(|(key, value)| (minijinja::Value::from(key.as_str()), to_jinja(value))),
        ),
    }
}

/// JSON from a template.
fn from_jinja(value: &minijinja::Value, depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value is nested too deeply for JSON"));
    }
    let bad = || Error::new(ErrorKind::InvalidOperation, format!("a {} has no form in JSON", value.kind()));
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => {
            if let Some(integer) = value.as_i64().filter(|_| value.is_integer()) {
                Value::from(integer)
            } else if let Some(integer) = u64::try_from(value.clone()).ok().filter(|_| value.is_integer()) {
                Value::from(integer)
            } else {
                let float = f64::try_from(value.clone()).map_err(|_| bad())?;
                serde_json::Number::from_f64(float).map(Value::Number).ok_or_else(bad)?
            }
        }
        ValueKind::String => Value::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            Value::Array(value.try_iter()?.map(|item| from_jinja(&item, depth + 1)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                map.insert(key.to_string(), from_jinja(&item, depth + 1)?);
            }
            Value::Object(map)
        }
        _ => return Err(bad()),
    })
}

/// The parts of `strftime` that templates use. UTC.
fn strftime(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    let short = |name: &'static str| name.get(..3).unwrap_or(name).to_owned();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year % 100),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('B') => out += name(&MONTHS, month - 1),
            Some('b' | 'h') => out += &short(name(&MONTHS, month - 1)),
            Some('A') => out += name(&DAYS, days % 7),
            Some('a') => out += &short(name(&DAYS, days % 7)),
            Some('H') => out += &format!("{:02}", seconds / 3600 % 24),
            Some('M') => out += &format!("{:02}", seconds / 60 % 60),
            Some('S') => out += &format!("{:02}", seconds % 60),
            Some('F') => out += &format!("{year}-{month:02}-{day:02}"),
            Some('%') => out.push('%'),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

/// Year, month and day of the `days`th day since 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Bytes up to a limit; past it, writing fails.
pub(super) struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Limited {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, overflowed: false }
    }

    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn into_inner(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            self.overflowed = true;
            return Err(io::Error::other("the prompt is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        assert_eq!(strftime("%Y-%m-%d %H:%M:%S %a %b %y%%", 951_782_400), "2000-02-29 00:00:00 Tue Feb 00%");
        assert_eq!(strftime("%d %B %Y, %A %q", 1_735_689_599), "31 December 2024, Tuesday %q");
        assert_eq!(strftime("%F", 0), "1970-01-01");
    }

    #[test]
    fn generation_marks_are_left_out() {
        assert_eq!(
            without_generation_tags("a{% generation %}b{%- endgeneration -%}c{% if generation %}{% endif %}{% x"),
            "a{% if true %}b{%- endif -%}c{% if generation %}{% endif %}{% x"
        );
    }
}
