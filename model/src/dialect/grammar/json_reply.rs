//! Replies whose calls are JSON: in `<tool_call>` tags, in a fence, or bare at the start of a line. A program stands in a
//! fence of its own, and ends the reply: its output comes next.
//!
//! Text is one lexeme, which may hold anything but the beginning of a call; lazy lexemes end exactly where a call's
//! first key does (`{"name":`). Then comes either the name of a tool, with arguments as its schema wants them, or
//! another value, after which the text goes on.

use super::format::formatted;
use super::lark::{self, Lark, alternatives};
use super::{MORE_CALLS, WORDS, Wanted, answers, json, wanted};
use crate::Request;
use crate::dialect::chat::interpreter_tool;
use crate::dialect::reply::INTERPRETER;
use crate::dialect::{DialectError, Grammar};

/// How a model writes its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// The key of the arguments.
    pub(crate) arguments_key: &'static str,
    /// `<tool_call>` and `</tool_call>`, where they are control tokens.
    pub(crate) tags: (Option<u32>, Option<u32>),
    /// `<think>` and `</think>`, where they are control tokens.
    pub(crate) thoughts: (Option<u32>, Option<u32>),
    /// The prompt ends inside `<think>`.
    pub(crate) thinking: bool,
    /// The model may think at the start of a reply.
    pub(crate) reasons: bool,
}

/// White space within a call.
const SPACE: &str = r"[ \t\r\n]{0,32}";

/// Anything.
const ANY: &str = r"(?s:.*)";

/// From the start of the text or of a line.
const LINE: &str = r"(?:(?s:.*)\n)?[ \t]*";

/// An opening fence: its line, and the white space behind it.
const FENCE: &str = r"```[A-Za-z0-9_+.-]{0,24}[ \t\r\n]*";

/// The line that opens a program, as `fence::opens` knows it.
const CODE: &str = r"```(?:[Pp]ython3?|py)[ \t]*\n";

/// A program and its closing fence: something that is not white space, and the first line that is a fence.
const PROGRAM: &str = r"\s*[^\s`](?s:.*)\n[ \t]*```";

/// An object up to its first key, which is `name`.
const NAMED: &str = r#"\{[ \t\r\n]*["']name["'][ \t\r\n]*:"#;

/// The grammar of a reply.
///
/// # Errors
/// [`DialectError::Schema`] and [`DialectError::ToolChoice`].
pub(crate) fn grammar(request: &Request, style: &Style) -> Result<Option<Grammar>, DialectError> {
    if answers(request) {
        return Ok(Some(answer(style, request.interpreter)));
    }
    let mut lark = Lark::new();
    let formatted = formatted(&mut lark, request)?;
    let Some(wanted) = wanted(request)? else {
        let start = formatted.map(|value| with_thought(&mut lark, style, &value));
        return Ok(start.map(|start| Grammar { lark: lark.finish(&start) }));
    };
    let mut reply = Reply::new(lark, &wanted, style)?;
    let start = if wanted.must {
        let call = reply.whole_call();
        reply.after_thought(&call)
    } else if let Some(formatted) = formatted {
        let call = reply.marked_call();
        with_thought(&mut reply.lark, style, &format!("({formatted} | {call})"))
    } else {
        let body = reply.text_and_calls(None);
        if style.thinking {
            reply.after_thought(&body)
        } else if style.reasons {
            let first = reply.text_and_calls(Some(&body));
            let thought = reply.thought();
            reply.lark.rule(format!("{thought} {body} | {first}"))
        } else {
            body
        }
    };
    Ok(Some(Grammar { lark: reply.lark.finish(&start) }))
}

/// Words, in which no call begins; a thought may come before them.
fn answer(style: &Style, interpreter: bool) -> Grammar {
    let mut lark = Lark::new();
    // One expression for all that begins on a line of its own: each further one multiplies the lexer's states.
    let code = if interpreter { format!("{CODE}|") } else { String::new() };
    let words = lark.terminal(format!(
        "{} & ~({}) & ~({})",
        lark::regex(WORDS),
        lark::regex(&format!(r"{LINE}(?:{code}(?:{FENCE})?(?:\[[ \t\r\n]*)?{NAMED}){ANY}")),
        lark::regex(&format!("{ANY}<tool_call>{ANY}")),
    ));
    let start = with_thought(&mut lark, style, &words);
    Grammar { lark: lark.finish(&start) }
}

/// `body`, and a thought before it where the model has one.
fn with_thought(lark: &mut Lark, style: &Style, body: &str) -> String {
    if style.thinking {
        end_of_thought(lark, style, body)
    } else if style.reasons {
        let open = style.thoughts.0.map_or_else(|| "\"<think>\"".to_owned(), |id| format!("<[{id}]>"));
        let rest = end_of_thought(lark, style, body);
        format!("{body} | {open} {rest}")
    } else {
        body.to_owned()
    }
}

/// Added to a terminal: no program begins in it.
fn no_code(interpreter: bool) -> String {
    if interpreter { format!(" & ~({})", lark::regex(&format!("{LINE}{CODE}{ANY}"))) } else { String::new() }
}

struct Reply<'a> {
    lark: Lark,
    /// A program and its closing fence, where one can be run.
    program: Option<String>,
    /// There are tools to call besides.
    tools: bool,
    style: &'a Style,
    several: bool,
    /// A tool's name and the rest of its object, after `{"name":`.
    call: String,
    /// A value after `{"name":` that is no tool's name.
    other: String,
}

impl<'a> Reply<'a> {
    fn new(mut lark: Lark, wanted: &Wanted<'_>, style: &'a Style) -> Result<Self, DialectError> {
        let mut tools: Vec<(&str, String)> = Vec::new();
        for tool in &wanted.tools {
            let schema = json::arguments(&mut lark, &tool.parameters)
                .map_err(|problem| DialectError::Schema { tool: tool.name.clone(), problem })?;
            tools.push((&tool.name, schema));
        }
        let interpreter = interpreter_tool();
        if wanted.interpreter {
            let schema = interpreter.get("parameters").cloned().unwrap_or_default();
            let schema = json::arguments(&mut lark, &schema)
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
        let other = lark.terminal(format!(
            "{space} ({} | {} | {}) & ~({space} ({}))",
            lark::regex(r#""(?:[^"\\\n]|\\[^u/\n])*["\n]"#),
            lark::regex(r"'(?:[^'\\\n]|\\[^ux0-9N\n])*['\n]"),
            lark::regex(r#"[^"' \t\r\n]"#),
            alternatives(&names),
            space = lark::regex(SPACE),
        ));
        let program = wanted.interpreter.then(|| lark.lazy(&lark::regex(PROGRAM)));
        Ok(Self { lark, program, tools: !wanted.tools.is_empty(), style, several: wanted.several, call, other })
    }

    /// A call from its first character on, in any of its forms.
    fn whole_call(&mut self) -> String {
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
        let open = self.object_open();
        let call = self.call.clone();
        let object = self.lark.rule(format!("{open} {call}"));
        let tag = self.tagged(&object);
        let fence_open = self.fence_open();
        let fence_close = self.fence_close();
        let list_open = self.lark.terminal(lark::regex(r"\[[ \t\r\n]{0,8}"));
        let list_rest = self.list_rest();
        let list = self.lark.rule(format!("{list_open} {object} {list_rest}"));
        let tail = self.more_objects(&object);
        let fence = self.lark.rule(format!("{fence_open} ({object} {tail} | {list}) {fence_close}"));
        let tag = self.whole_tag(&tag);
        let one = self.lark.rule(format!("{tag} | {fence} | {object} | {list}"));
        if !self.several {
            return one;
        }
        let between = self.lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
        self.lark.rule(format!("{one} ({between} {one}){{0,{MORE_CALLS}}}"))
    }

    /// A call in tags or in a fence: one that cannot be told from other JSON by its first character is left out.
    fn marked_call(&mut self) -> String {
        let open = self.object_open();
        let call = self.call.clone();
        let object = self.lark.rule(format!("{open} {call}"));
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

    /// Text, and calls in it. With `then`, text that does not begin with `<think>`, and `then` is how it goes on after
    /// what turned out to be no call.
    fn text_and_calls(&mut self, then: Option<&str>) -> String {
        if !self.tools {
            return self.text_and_program(then.is_some());
        }
        let not_thought = if then.is_some() {
            format!(" & ~({})", lark::regex(&format!(r"[ \t\r\n]*<think>{ANY}")))
        } else {
            String::new()
        };
        let body = self.lark.reserve();
        let not_code = no_code(self.program.is_some());
        let fenced_list = lark::regex(&format!(r"{LINE}{FENCE}\[[ \t\r\n]*{NAMED}"));
        let fenced = lark::regex(&format!("{LINE}{FENCE}{NAMED}"));
        let list = lark::regex(&format!(r"{LINE}\[[ \t\r\n]*{NAMED}"));
        let bare = lark::regex(&format!("{LINE}{NAMED}"));
        let tag = lark::regex(&format!("{ANY}<tool_call>"));
        let before = |lark: &mut Lark, this: &str, not: &[&String]| {
            let not: String = not.iter().map(|other| format!(" & ~({other})")).collect();
            lark.lazy(&format!("{this}{not}{not_code}{not_thought}"))
        };
        // A list in a fence also looks like one outside, and so on: the longer form is meant.
        // With programs besides, calls in fences and lists are not looked out for: following every form at once, the
        // lexer would run out of what it may compute in a step. The parser knows them all the same.
        let (others, begins) = if self.program.is_some() {
            (vec![], bare.clone())
        } else {
            (vec![&fenced, &list, &fenced_list], format!("{bare} | {list} | {fenced} | {fenced_list}"))
        };
        let before_bare = before(&mut self.lark, &bare, &others);
        let before_tag = before(&mut self.lark, &tag, &[]);
        let free = self.lark.terminal(format!(
            "{} & ~(({begins}) {any}) & ~({tag} {any}){not_code}{not_thought}",
            lark::regex("(?s:.+)"),
            any = lark::regex(ANY),
        ));

        let after = if self.several {
            let between = self.lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
            let more = self.whole_json_call();
            self.lark.rule(format!("({between} {more})?"))
        } else {
            self.lark.rule("\"\"")
        };
        let open = self.object_open();
        let call = self.call.clone();
        let other = self.other.clone();
        let object = self.lark.rule(format!("{open} {call}"));
        let more = self.more_objects(&object);
        let tagged = self.tagged(&object);
        let list_rest = self.list_rest();
        let fence_close = self.fence_close();
        let next = then.map_or_else(|| body.clone(), str::to_owned);
        let mut options = vec![
            format!("({free})?"),
            format!("{before_tag} {tagged} {after}"),
            format!("{before_bare} ({call} {after} | {other} {next})"),
        ];
        if self.program.is_none() {
            let before_fenced_list = before(&mut self.lark, &fenced_list, &[]);
            let before_fenced = before(&mut self.lark, &fenced, &[]);
            let before_list = before(&mut self.lark, &list, &[&fenced_list]);
            options.push(format!("{before_fenced_list} ({call} {list_rest} {fence_close} {after} | {other} {next})"));
            options.push(format!("{before_fenced} ({call} {more} {fence_close} {after} | {other} {next})"));
            options.push(format!("{before_list} ({call} {list_rest} {after} | {other} {next})"));
        }
        if let Some(program) = &self.program {
            let before = self.lark.lazy(&format!("{}{not_thought}", lark::regex(&format!("{LINE}{CODE}"))));
            options.push(format!("{before} {program}"));
        }
        if let Some(id) = self.style.tags.0 {
            options.push(format!("({free})? <[{id}]> {tagged} {after}"));
        }
        self.lark.fill(&body, &options.join(" | "));
        body
    }

    /// Text, and a program at its end. Without tools there is no need to look out for their calls, which would cost far
    /// more: the lexer follows every form of a beginning at once.
    fn text_and_program(&mut self, then: bool) -> String {
        let not_thought =
            if then { format!(" & ~({})", lark::regex(&format!(r"[ \t\r\n]*<think>{ANY}"))) } else { String::new() };
        let free = format!("{}{}{not_thought}", lark::regex("(?s:.+)"), no_code(self.program.is_some()));
        let free = self.lark.terminal(free);
        let Some(program) = self.program.clone() else { return self.lark.rule(format!("({free})?")) };
        let before = self.lark.lazy(&format!("{}{not_thought}", lark::regex(&format!("{LINE}{CODE}"))));
        self.lark.rule(format!("({free})? | {before} {program}"))
    }

    /// A thought from its opening tag to its closing one.
    fn thought(&mut self) -> String {
        let text = self.lark.lazy(&lark::regex(&format!(r"[ \t\r\n]*<think>{ANY}</think>")));
        match self.style.thoughts {
            (Some(open), Some(close)) => {
                let inside = self.lark.terminal(lark::regex("(?s:.+)"));
                self.lark.rule(format!("{text} | <[{open}]> ({inside})? <[{close}]>"))
            }
            _ => text,
        }
    }

    /// `body` where the prompt has opened a thought: after its end.
    fn after_thought(&mut self, body: &str) -> String {
        if !self.style.thinking {
            return body.to_owned();
        }
        let rest = end_of_thought(&mut self.lark, self.style, body);
        self.lark.rule(rest)
    }
}

/// The rest of a thought that is open, and `body` behind it.
fn end_of_thought(lark: &mut Lark, style: &Style, body: &str) -> String {
    let end = match style.thoughts.1 {
        Some(id) => {
            let inside = lark.terminal(lark::regex("(?s:.+)"));
            format!("({inside})? <[{id}]>")
        }
        None => lark.lazy(&lark::regex(&format!("{ANY}</think>"))),
    };
    let space = lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
    format!("{end} ({space})? {body}")
}

/// A name in JSON's quotes and in Python's.
fn quoted(name: &str) -> [String; 2] {
    let single = name.replace('\\', "\\\\").replace('\'', "\\'");
    [serde_json::Value::from(name).to_string(), format!("'{single}'")]
}
