//! Calls: the rest of one after its first key, and whole ones in each of their forms.

use super::super::lark::{self, Lark, alternatives};
use super::super::{MORE_CALLS, Wanted, json};
use super::lines::{Calls, Frame, Text, text};
use super::thought::thought;
use super::{SPACE, Style};
use crate::dialect::DialectError;
use crate::dialect::chat::interpreter_tool;
use crate::dialect::reply::INTERPRETER;

/// A program and its closing fence: something that is not white space, and the first line that is a fence.
const PROGRAM: &str = r"\s*[^\s`](?s:.*)\n[ \t]*```";

/// The grammar of a reply in the making.
pub(super) struct Reply<'a> {
    lark: &'a mut Lark,
    /// A program and its closing fence, where one can be run.
    program: Option<String>,
    /// There are tools to call besides.
    tools: bool,
    style: &'a Style,
    several: bool,
    /// A tool's name and the rest of its object, after `{"name":`.
    call: String,
    /// A value after `{"name":` that is no tool's name, and one with the end of its line.
    other: [String; 2],
}

impl<'a> Reply<'a> {
    /// # Errors
    /// [`DialectError::Schema`].
    pub(super) fn new(lark: &'a mut Lark, wanted: &Wanted<'_>, style: &'a Style) -> Result<Self, DialectError> {
        let mut tools: Vec<(&str, String)> = Vec::new();
        for tool in &wanted.tools {
            let schema = json::arguments(lark, &tool.parameters)
                .map_err(|problem| DialectError::Schema { tool: tool.name.clone(), problem })?;
            tools.push((&tool.name, schema));
        }
        let interpreter = interpreter_tool();
        // A program is text. It is taken as a string in JSON, too, but never has to be one.
        if wanted.interpreter && (tools.is_empty() || !wanted.must) {
            let schema = interpreter.get("parameters").cloned().unwrap_or_default();
            let schema = json::arguments(lark, &schema)
                .map_err(|problem| DialectError::Schema { tool: INTERPRETER.to_owned(), problem })?;
            tools.push((INTERPRETER, schema));
        }
        let close = lark.terminal(lark::regex(&format!("{SPACE}\\}}")));
        let mut calls = Vec::new();
        let mut names = Vec::new();
        for (name, schema) in &tools {
            let [double, single] = quoted(name);
            let name = format!("({} | {})", lark::literal(&double), lark::literal(&single));
            let head = lark.terminal(format!(
                "{} {name} {}",
                lark::regex(SPACE),
                lark::regex(&format!("{SPACE},{SPACE}\"{}\"{SPACE}:{SPACE}", style.arguments_key))
            ));
            calls.push(lark.rule(format!("{head} {schema} {close}")));
            names.push(name);
        }
        let call = lark.rule(alternatives(&calls));
        // A string that is no tool's name, or no string. Escapes that could spell a name are left out.
        let names = alternatives(&names);
        let other = [(r#"""#, "'", r#"|[^"' \t\r\n]"#), (r"\n", r"\n", "")].map(|(double, single, word)| {
            let double = format!(r#""(?:[^"\\\n]|\\[^u/\n])*{double}"#);
            let single = format!(r"'(?:[^'\\\n]|\\[^ux0-9N\n])*{single}");
            let value = lark::regex(&format!("{SPACE}(?:{double}|{single}{word})"));
            lark.terminal(format!("{value} & ~({} ({names}))", lark::regex(SPACE)))
        });
        let program = wanted.interpreter.then(|| {
            let program = lark.lazy(&lark::regex(PROGRAM));
            // A model that would go on after the block may have no token for the end of the fence without its line breaks:
            // Qwen writes "``" and "`\n\n", and where that is refused, something else that closes nothing.
            let rest = lark.terminal(lark::regex(r"[ \t]{0,4}[\r\n]{1,4}"));
            lark.rule(format!("{program} ({rest})?"))
        });
        Ok(Self { lark, program, tools: !wanted.tools.is_empty(), style, several: wanted.several, call, other })
    }

    /// A call from its first character on, in any of its forms.
    pub(super) fn whole_call(&mut self) -> String {
        let code = self.program.clone().map(|program| {
            let open = self.lark.terminal(lark::literal("```python\n"));
            self.lark.rule(format!("{open} {program}"))
        });
        match (code, self.tools) {
            (Some(code), false) => code,
            (Some(code), true) => {
                let calls = self.whole_json_call();
                self.lark.rule(format!("{calls} | {code}"))
            }
            (None, _) => self.whole_json_call(),
        }
    }

    fn whole_json_call(&mut self) -> String {
        let object = self.object();
        let tag = self.tagged(&object);
        let fence_open = self.fence_open();
        let fence_close = self.fence_close();
        let list_open = self.lark.terminal(lark::regex(r"\[[ \t\r\n]{0,8}"));
        let list_rest = self.list_rest();
        let list = self.lark.rule(format!("{list_open} {object} {list_rest}"));
        let list = self.lark.rule(format!("{list} | {fence_open} {list} {fence_close}"));
        let tail = self.more_objects(&object);
        let fence = self.lark.rule(format!("{fence_open} {object} {tail} {fence_close}"));
        let tag = self.whole_tag(&tag);
        let one = self.lark.rule(format!("{tag} | {fence} | {object}"));
        if !self.several {
            return self.lark.rule(format!("{one} | {list}"));
        }
        let between = self.lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
        // A list has all the calls: behind it small models only go on to other tools.
        self.lark.rule(format!("{one} ({between} {one}){{0,{MORE_CALLS}}} | {list}"))
    }

    /// A call in tags or in a fence: one that cannot be told from other JSON by its first character is left out.
    pub(super) fn marked_call(&mut self) -> String {
        let object = self.object();
        let tagged = self.tagged(&object);
        let tag = self.whole_tag(&tagged);
        let fence_open = self.fence_open();
        let fence_close = self.fence_close();
        let more = self.more_objects(&object);
        let fence = self.lark.rule(format!("{fence_open} {object} {more} {fence_close}"));
        match self.program.clone() {
            Some(program) => {
                let code = self.lark.terminal(lark::literal("```python\n"));
                self.lark.rule(format!("{tag} | {fence} | {code} {program}"))
            }
            None => self.lark.rule(format!("{tag} | {fence}")),
        }
    }

    fn fence_open(&mut self) -> String {
        self.lark.terminal(lark::regex(r"```(?:json|tool_call)?[ \t]{0,2}\n[ \t\r\n]{0,8}"))
    }

    /// One call as an object.
    fn object(&mut self) -> String {
        let open = self.object_open();
        let call = self.call.clone();
        self.lark.rule(format!("{open} {call}"))
    }

    fn object_open(&mut self) -> String {
        self.lark.terminal(lark::regex(r#"\{[ \t\r\n]{0,16}"name"[ \t\r\n]{0,8}:"#))
    }

    fn more_objects(&mut self, object: &str) -> String {
        if !self.several {
            return self.lark.rule("\"\"");
        }
        let separator = self.lark.terminal(lark::regex(r"[ \t\r\n]{0,4}(?:,|\n)[ \t\r\n]{0,8}"));
        self.lark.rule(format!("({separator} {object}){{0,{MORE_CALLS}}}"))
    }

    /// What follows the first object of a list.
    fn list_rest(&mut self) -> String {
        let close = self.lark.terminal(lark::regex(r"[ \t\r\n]{0,8}\]"));
        if !self.several {
            return close;
        }
        let open = self.object_open();
        let separator = self.lark.terminal(lark::regex(r"[ \t\r\n]{0,4},[ \t\r\n]{0,8}"));
        let call = self.call.clone();
        self.lark.rule(format!("({separator} {open} {call}){{0,{MORE_CALLS}}} {close}"))
    }

    fn fence_close(&mut self) -> String {
        self.lark.terminal(lark::regex(r"[ \t]{0,4}\n```"))
    }

    /// What follows an opening tag.
    fn tagged(&mut self, object: &str) -> String {
        let space = self.lark.terminal(lark::regex(r"[ \t\r\n]{1,8}"));
        let close = match self.style.tags.1 {
            Some(id) => format!("(<[{id}]> | \"</tool_call>\")"),
            None => "\"</tool_call>\"".to_owned(),
        };
        let more = self.more_objects(object);
        self.lark.rule(format!("({space})? {object} {more} ({space})? {close}"))
    }

    fn whole_tag(&mut self, tagged: &str) -> String {
        match self.style.tags.0 {
            Some(id) => self.lark.rule(format!("(<[{id}]> | \"<tool_call>\") {tagged}")),
            None => self.lark.rule(format!("\"<tool_call>\" {tagged}")),
        }
    }

    /// Text, and calls or a program at its end.
    pub(super) fn text_and_calls(&mut self) -> String {
        let after = if self.several {
            let between = self.lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
            let more = self.whole_json_call();
            self.lark.rule(format!("({between} {more})?"))
        } else {
            self.lark.rule("\"\"")
        };
        let call = self.call.clone();
        let object = self.object();
        let more = self.more_objects(&object);
        let list_rest = self.list_rest();
        let fence_close = self.fence_close();
        let tagged = self.tagged(&object);
        let rest = [(true, true), (true, false), (false, true), (false, false)].map(|(fence, list)| {
            let rest = match (fence, list) {
                (true, true) => format!("{call} {list_rest} {fence_close}"),
                (true, false) => format!("{call} {more} {fence_close} {after}"),
                (false, true) => format!("{call} {list_rest}"),
                (false, false) => format!("{call} {after}"),
            };
            (Frame { fence, list }, rest)
        });
        let other = (!self.style.names_call).then(|| self.other.clone());
        let tagged = self.lark.rule(format!("{tagged} {after}"));
        let calls = Calls { rest: rest.into(), other, tagged, tag: self.style.tags.0 };
        let thought = (self.style.reasons && !self.style.thinking).then(|| thought(self.lark, self.style));
        let program = self.program.clone();
        let interpreter = program.is_some();
        text(self.lark, &Text { calls: Some(calls), program, interpreter, thought, words: false })
    }
}

/// A name in JSON's quotes and in Python's.
fn quoted(name: &str) -> [String; 2] {
    let single = name.replace('\\', "\\\\").replace('\'', "\\'");
    [serde_json::Value::from(name).to_string(), format!("'{single}'")]
}
