//! Writes Lark grammars.

use std::collections::HashMap;
use std::fmt::Write as _;

/// A grammar in the making. Equal bodies get one name.
#[derive(Debug, Default)]
pub(crate) struct Lark {
    text: String,
    names: HashMap<(bool, String), String>,
}

impl Lark {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A terminal (a regular expression) with this body, and its name.
    pub(crate) fn terminal(&mut self, body: impl Into<String>) -> String {
        self.define(true, body.into())
    }

    /// A rule with this body, and its name.
    pub(crate) fn rule(&mut self, body: impl Into<String>) -> String {
        self.define(false, body.into())
    }

    /// A name for a rule whose body comes later, with [`Lark::fill`].
    pub(crate) fn reserve(&mut self) -> String {
        let name = format!("r{}", self.names.len());
        self.names.insert((false, format!("reserved {name}")), name.clone());
        name
    }

    pub(crate) fn fill(&mut self, name: &str, body: &str) {
        self.line(name, "", body);
    }

    /// A terminal that ends as soon as it matches.
    pub(crate) fn lazy(&mut self, body: &str) -> String {
        let name = self.reserve();
        self.line(&name, "[lazy]", body);
        name
    }

    /// The whole grammar, with `start` as its start.
    pub(crate) fn finish(mut self, start: &str) -> String {
        self.line("start", "", start);
        self.text
    }

    fn define(&mut self, terminal: bool, body: String) -> String {
        let next = self.names.len();
        let key = (terminal, body);
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = if terminal { format!("T{next}") } else { format!("r{next}") };
        self.line(&name, "", &key.1);
        self.names.insert(key, name.clone());
        name
    }

    fn line(&mut self, name: &str, attributes: &str, body: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{name}{attributes}: {body}");
    }
}

/// `text` as a Lark string.
pub(crate) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A Rust regular expression as a Lark one.
pub(crate) fn regex(pattern: &str) -> String {
    format!("/{}/", llguidance::regex_to_lark(pattern, ""))
}

/// `a | b | c`; of no alternatives, none.
pub(crate) fn alternatives<'a>(options: impl IntoIterator<Item = &'a String>) -> String {
    options.into_iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
}
