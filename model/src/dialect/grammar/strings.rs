//! Strings as terminals.

use llguidance::derivre::{RegexAst, RegexBuilder};
use serde_json::{Map, Value};

use super::lark::{self, Lark, alternatives};
use super::schema::{Path, Problem, count};
use super::syntax::Syntax;

/// Characters that need no escape, besides the quote and the backslash.
const PLAIN: &str = r"\x00-\x1f\x7f";

/// So much work may go into finding out whether a pattern matches anything.
const EMPTINESS_FUEL: u64 = 20_000;

/// Any string.
pub(super) fn any(lark: &mut Lark, syntax: Syntax) -> String {
    sized(lark, syntax, "*")
}

fn sized(lark: &mut Lark, syntax: Syntax, times: &str) -> String {
    let escape = syntax.escape();
    let ways: Vec<_> = syntax
        .quotes()
        .iter()
        .map(|quote| lark::regex(&format!("{quote}(?:[^{quote}\\\\{PLAIN}]|{escape}){times}{quote}")))
        .collect();
    lark.terminal(alternatives(&ways))
}

/// The body of a short string without escapes.
pub(super) fn short_plain(syntax: Syntax) -> String {
    let way = |quote: &char| lark::regex(&format!("{quote}[^{quote}\\\\{PLAIN}]{{0,64}}{quote}"));
    alternatives(&syntax.quotes().iter().map(way).collect::<Vec<_>>())
}

/// A string as `schema` wants it.
pub(super) fn of(lark: &mut Lark, syntax: Syntax, schema: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
    let low = count(schema, "minLength", path)?;
    let high = count(schema, "maxLength", path)?;
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        return Err(path.problem(format!("no string is at least {low} and at most {high} characters long")));
    }
    let times = match (low, high) {
        (None | Some(0), None) => "*".to_owned(),
        (low, high) => format!("{{{},{}}}", low.unwrap_or(0), high.map(|high| high.to_string()).unwrap_or_default()),
    };
    let Some(pattern) = schema.get("pattern") else { return Ok(sized(lark, syntax, &times)) };
    let pattern = pattern.as_str().ok_or_else(|| path.problem("`pattern` is not a string"))?;
    let pattern = anchored(pattern).map_err(|problem| path.problem(format!("the pattern `{pattern}`: {problem}")))?;
    let pattern = llguidance::regex_to_lark(&pattern, "dw");
    let length = format!("(?s:.){times}");
    let mut options = Vec::new();
    for quote in syntax.quotes() {
        // Written without escapes: what the pattern matches is then what stands there.
        let plain = format!("[^{quote}\\\\{PLAIN}]*");
        if matches_something(&[&pattern, &length, &plain]).map_err(|problem| path.problem(problem))? {
            options.push(format!(
                "{q} (/{pattern}/ & {} & {}) {q}",
                lark::regex(&length),
                lark::regex(&plain),
                q = lark::literal(&quote.to_string())
            ));
        }
    }
    if options.is_empty() {
        return Err(path.problem("no string that can be written without escapes fits `pattern` and the length"));
    }
    Ok(lark.terminal(options.join(" | ")))
}

/// The ways to write exactly this string.
pub(super) fn exactly(text: &str, syntax: Syntax) -> Vec<String> {
    syntax.quotes().iter().map(|quote| quoted(text, *quote, syntax)).collect()
}

fn quoted(text: &str, quote: char, syntax: Syntax) -> String {
    let mut out = quote.to_string();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 || c == '\u{7f}' => match syntax {
                Syntax::Python => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                Syntax::Json => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            },
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn matches_something(patterns: &[&str]) -> Result<bool, String> {
    let mut builder = RegexBuilder::new();
    let all = RegexAst::And(patterns.iter().map(|pattern| RegexAst::Regex((*pattern).to_owned())).collect());
    let expression = builder.mk(&all).map_err(|error| format!("the pattern cannot be used: {error}"))?;
    match builder.to_regex_limited(expression, EMPTINESS_FUEL) {
        Ok(mut regex) => Ok(!regex.always_empty()),
        Err(_) => Err("the pattern is too complex".to_owned()),
    }
}

/// A pattern that matches whole strings where `pattern`, as JSON Schema has it, matches anywhere.
fn anchored(pattern: &str) -> Result<String, String> {
    let branches = branches(pattern)?;
    let whole = branches.iter().map(|branch| {
        let (start, rest) = match branch.strip_prefix('^') {
            Some(rest) => ("", rest),
            None => ("(?s:.*)", branch.as_str()),
        };
        let (rest, end) = match rest.strip_suffix('$').filter(|rest| !ends_in_escape(rest)) {
            Some(rest) => (rest, ""),
            None => (rest, "(?s:.*)"),
        };
        check_inside(rest).map(|()| format!("{start}(?:{rest}){end}"))
    });
    Ok(whole.collect::<Result<Vec<_>, _>>()?.join("|"))
}

/// True where the next character would be escaped.
fn ends_in_escape(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// The alternatives at the top of a pattern.
fn branches(pattern: &str) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    let mut depth = 0usize;
    let mut class = false;
    let mut escaped = false;
    for c in pattern.chars() {
        let split = c == '|' && depth == 0 && !class && !escaped;
        if escaped {
            escaped = false;
        } else {
            match c {
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                '(' if !class => depth += 1,
                ')' if !class => depth = depth.checked_sub(1).ok_or("a parenthesis is closed that was not opened")?,
                _ => {}
            }
        }
        if split {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    Ok(all)
}

/// Refuses what a regular language cannot express, and anchors inside.
fn check_inside(pattern: &str) -> Result<(), String> {
    let mut class = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('b' | 'B')) if !class => return Err(format!("`\\{c}` cannot be turned into a grammar")),
                Some(c @ '1'..='9') => {
                    return Err(format!("the back reference `\\{c}` cannot be turned into a grammar"));
                }
                _ => {}
            },
            '[' => {
                class = true;
                // `[^…]`, and a bracket right at the start.
                if chars.peek() == Some(&'^') {
                    chars.next();
                }
            }
            ']' => class = false,
            '^' | '$' if !class => return Err(format!("`{c}` inside a pattern cannot be turned into a grammar")),
            '(' if !class => {
                let ahead: String = chars.clone().take(3).collect();
                if ahead.starts_with("?=")
                    || ahead.starts_with("?!")
                    || ahead.starts_with("?<=")
                    || ahead.starts_with("?<!")
                {
                    return Err("looking ahead or behind cannot be turned into a grammar".to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_anywhere_unless_anchored() {
        assert_eq!(anchored("^a+$").unwrap(), "(?:a+)");
        assert_eq!(anchored("a").unwrap(), "(?s:.*)(?:a)(?s:.*)");
        assert_eq!(anchored("^a|b\\$").unwrap(), "(?:a)(?s:.*)|(?s:.*)(?:b\\$)(?s:.*)");
        assert_eq!(anchored("^(a|[|^$])$").unwrap(), "(?:(a|[|^$]))");
        for bad in ["a^b", "(^a)", "\\bword", "(a)\\1", "(?=x)y", "a)"] {
            assert!(anchored(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_matches_nothing_is_noticed() {
        assert!(matches_something(&["[a-z]+", ".{2,3}"]).unwrap());
        assert!(!matches_something(&["[a-z]{4}", ".{2,3}"]).unwrap());
    }
}
