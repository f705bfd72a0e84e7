//! JSON as Python's `json.dumps(…, ensure_ascii=False)` writes it. Prompts that models were trained on were made so.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// `value` on one line, with `", "` and `": "` between; or, with `indent`, over lines, each level that many spaces in.
pub(crate) fn dumps(value: &Value, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_value(&mut out, value, indent, 0);
    out
}

fn write_value(out: &mut String, value: &Value, indent: Option<usize>, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) => out.push_str(&number(n)),
        Value::String(text) => write_string(out, text),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(out, i > 0, indent, level + 1);
                write_value(out, item, indent, level + 1);
            }
            separate(out, false, indent, level);
            out.push(']');
        }
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                separate(out, i > 0, indent, level + 1);
                write_string(out, key);
                out.push_str(": ");
                write_value(out, item, indent, level + 1);
            }
            separate(out, false, indent, level);
            out.push('}');
        }
    }
}

fn separate(out: &mut String, comma: bool, indent: Option<usize>, level: usize) {
    match indent {
        None if comma => out.push_str(", "),
        None => {}
        Some(width) => {
            if comma {
                out.push(',');
            }
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width.saturating_mul(level)));
        }
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number as Python writes it: `1e+16` where Rust writes `1e16`, and `5.0` for a float without a fraction.
pub(crate) fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => float(value),
        _ => number.to_string(),
    }
}

/// `repr` of a finite float: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16.
fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        // Rust's plain notation also has the shortest digits, but no `.0`.
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_line_and_indented_are_pythons() {
        let value = json!({"名": ["a", {"b": null}], "e": {}, "l": [], "t": true, "x": 1.0, "s": "q\"\u{7f}\u{1}"});
        assert_eq!(
            dumps(&value, None),
            "{\"名\": [\"a\", {\"b\": null}], \"e\": {}, \"l\": [], \"t\": true, \"x\": 1.0, \"s\": \"q\\\"\u{7f}\\u0001\"}"
        );
        assert_eq!(
            dumps(&json!([{"a": [1, 2]}, []]), Some(4)),
            "[\n    {\n        \"a\": [\n            1,\n            2\n        ]\n    },\n    []\n]"
        );
    }

    #[test]
    fn floats_are_pythons() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (123_456_789.125, "123456789.125"),
        ] {
            assert_eq!(float(value), text);
        }
    }
}
