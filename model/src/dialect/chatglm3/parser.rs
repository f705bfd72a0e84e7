//! The model's reply, character by character: ChatGLM3's, and GLM-4's, which has the same runs.
//!
//! A reply is one or more runs with `<|assistant|>` between them. A run begins with a metadata line:
//!
//! | first line | the run is |
//! |---|---|
//! | empty | prose |
//! | `interpreter` | a program |
//! | the name of a tool | a call |
//! | something else, with `tool_call(` or a JSON object after it | a call of an unknown tool |
//! | something else | prose whose empty first line the model left out |
//!
//! Left out of prose: white space before its first character. `[[训练时间]]` in prose stands for `2023年`.

use glassbox_tools::CallId;

use super::body::{self, Fence, Item};
use crate::dialect::json_calls::reading;
use crate::dialect::literal;
use crate::dialect::reply::{INTERPRETER, Reply};
use crate::dialect::{Chunk, OutputParser};
use crate::{Delta, Request};

/// A first line longer than this is prose, in bytes. Tool names are not longer.
const MAX_METADATA: usize = 128;

/// So much of a run is looked at before an unknown first line counts as prose, in bytes.
const MAX_UNDECIDED: usize = 256;

/// What the model writes where its training date belongs, and what it stands for (from ChatGLM3's own post-processing).
const TRAINING_DATE: (&str, &str) = ("[[训练时间]]", "2023年");

/// In what the replies of the models with such runs differ.
#[derive(Debug, Clone)]
pub(in crate::dialect) struct Form {
    /// Specials that end a run.
    pub(in crate::dialect) ends: Vec<u32>,
    /// First lines of a program.
    pub(in crate::dialect) programs: &'static [&'static str],
    /// `[[训练时间]]` is the training date.
    pub(in crate::dialect) training_date: bool,
    /// How a program is written, for a model that wrote none.
    pub(in crate::dialect) program_hint: &'static str,
}

pub(in crate::dialect) struct Parser {
    form: Form,
    tools: Vec<String>,
    reply: Reply,
    run: Run,
}

enum Run {
    /// The first line, so far.
    Header(String),
    /// An unknown first line and what came after it.
    Undecided {
        line: String,
        body: String,
    },
    Prose {
        begun: bool,
        held: String,
    },
    /// Prose that begins like `{"name"`: perhaps a call without its metadata line.
    Json(String),
    Call {
        name: String,
        id: CallId,
        body: String,
        fence: Fence,
    },
    Code {
        id: CallId,
        source: String,
        fence: Fence,
    },
}

impl Default for Run {
    fn default() -> Self {
        Self::Header(String::new())
    }
}

impl Parser {
    pub(in crate::dialect) fn new(request: &Request, form: Form) -> Self {
        Self {
            form,
            tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            reply: Reply::new(request.next_call),
            run: Run::default(),
        }
    }

    fn is_tool(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.trim() == name)
    }

    fn is_program(&self, name: &str) -> bool {
        self.form.programs.contains(&name)
    }

    fn step(&mut self, c: char) {
        match &mut self.run {
            Run::Header(line) if c == '\n' => {
                let line = std::mem::take(line);
                self.first_line(line);
            }
            // White space before prose is dropped, and before a metadata line it means nothing.
            Run::Header(line) if c.is_whitespace() && line.is_empty() => {}
            Run::Header(line) => {
                line.push(c);
                let line = line.as_str();
                if !may_be_metadata(line, &self.tools) {
                    let line = line.to_owned();
                    self.prose(&line);
                }
            }
            Run::Undecided { line, body } => {
                body.push(c);
                match looks_like_call(body) {
                    Some(true) => {
                        let (name, body) = (line.trim().to_owned(), std::mem::take(body));
                        self.begin_call(name, &body);
                    }
                    None if body.len() <= MAX_UNDECIDED => {}
                    _ => {
                        let text = format!("{line}\n{body}");
                        self.prose(&text);
                    }
                }
            }
            Run::Prose { begun, held } => {
                if !*begun {
                    if c.is_whitespace() {
                        return;
                    }
                    *begun = true;
                    if c == '{' {
                        self.run = Run::Json(c.to_string());
                        return;
                    }
                }
                prose_char(c, held, self.form.training_date, &mut self.reply);
            }
            Run::Json(held) => {
                held.push(c);
                if held.len() <= MAX_UNDECIDED && !may_begin_named_call(held) {
                    let held = std::mem::take(held);
                    self.plain(&held);
                }
            }
            Run::Call { id, body, fence, .. } => {
                body.push(c);
                let mut shown = String::new();
                fence.push(c, &mut shown);
                self.reply.arguments(id, &shown);
            }
            Run::Code { id, source, fence } => {
                let before = source.len();
                fence.push(c, source);
                self.reply.code(id, source.get(before..).unwrap_or_default());
            }
        }
    }

    fn first_line(&mut self, line: String) {
        let metadata = line.trim();
        if metadata.is_empty() {
            self.run = Run::Prose { begun: false, held: String::new() };
        } else if self.is_tool(metadata) {
            self.begin_call(metadata.to_owned(), "");
        } else if self.is_program(metadata) {
            let id = self.reply.start_code();
            self.run = Run::Code { id, source: String::new(), fence: Fence::default() };
        } else if is_plausible_name(metadata) {
            self.run = Run::Undecided { line, body: String::new() };
        } else {
            self.prose(&format!("{line}\n"));
        }
    }

    fn begin_call(&mut self, name: String, body: &str) {
        let id = self.reply.start_call(&name);
        self.run = Run::Call { name, id, body: String::new(), fence: Fence::default() };
        for c in body.chars() {
            self.step(c);
        }
    }

    /// Prose from the start of a run.
    fn prose(&mut self, text: &str) {
        self.run = Run::Prose { begun: false, held: String::new() };
        for c in text.chars() {
            self.step(c);
        }
    }

    /// Prose that is not looked at again.
    fn plain(&mut self, text: &str) {
        let mut held = String::new();
        for c in text.chars() {
            prose_char(c, &mut held, self.form.training_date, &mut self.reply);
        }
        self.run = Run::Prose { begun: true, held };
    }

    fn end_run(&mut self) {
        match std::mem::take(&mut self.run) {
            Run::Header(line) => self.end_header(&line),
            Run::Undecided { line, body } => {
                self.plain(format!("{line}\n{body}").trim_start());
                self.end_prose();
            }
            Run::Prose { held, .. } => self.reply.text_str(&held),
            Run::Json(held) => self.end_json(&held),
            Run::Call { name, id, body, mut fence } => {
                let mut shown = String::new();
                fence.finish(&mut shown);
                self.reply.arguments(&id, &shown);
                self.end_call(name, id, body);
            }
            Run::Code { id, mut source, mut fence } => {
                let before = source.len();
                let after = fence.finish(&mut source);
                self.reply.code(&id, source.get(before..).unwrap_or_default());
                if source.trim().is_empty() {
                    let problem = format!("there is no program; {}", self.form.program_hint);
                    self.reply.malformed(Some(id), Some(INTERPRETER.to_owned()), source, problem);
                } else {
                    self.reply.code_ready(id, source);
                }
                self.reply.text_str(&after);
            }
        }
        self.run = Run::default();
    }

    fn end_prose(&mut self) {
        if let Run::Prose { held, .. } = std::mem::take(&mut self.run) {
            self.reply.text_str(&held);
        }
    }

    /// A run that ended within its first line.
    fn end_header(&mut self, line: &str) {
        let metadata = line.trim();
        if self.is_tool(metadata) {
            let id = self.reply.start_call(metadata);
            self.end_call(metadata.to_owned(), id, String::new());
        } else if self.is_program(metadata) {
            self.first_line(line.to_owned());
            self.end_run();
        } else {
            self.plain(line.trim_start());
            self.end_prose();
        }
    }

    fn end_json(&mut self, held: &str) {
        let calls = literal::read_relaxed_json(held.trim()).ok().and_then(|value| reading::calls(&value));
        match calls {
            Some(calls) if calls.iter().all(|call| self.is_tool(call.name.trim())) => {
                for call in calls {
                    let id = self.reply.start_call(&call.name);
                    match call.arguments {
                        Ok(arguments) => {
                            self.reply.arguments(&id, &arguments.to_string());
                            self.reply.call(id, call.name, arguments);
                        }
                        Err(problem) => self.reply.malformed(Some(id), Some(call.name), held.to_owned(), problem),
                    }
                }
            }
            _ => {
                self.plain(held);
                self.end_prose();
            }
        }
    }

    fn end_call(&mut self, name: String, id: CallId, body: String) {
        let (items, after) = body::read(&body, &name);
        let mut first = Some(id);
        for item in items {
            match item {
                Item::Call { name: own, arguments } => {
                    let own = own.unwrap_or_else(|| name.clone());
                    let id = match first.take() {
                        Some(id) => id,
                        None => {
                            let id = self.reply.start_call(&own);
                            self.reply.arguments(&id, &arguments.to_string());
                            id
                        }
                    };
                    self.reply.call(id, own, arguments);
                }
                Item::Broken { problem } => {
                    self.reply.malformed(first.take(), Some(name.clone()), body.clone(), problem);
                }
            }
        }
        self.reply.text_str(&after);
    }
}

impl OutputParser for Parser {
    fn push(&mut self, chunk: Chunk<'_>, out: &mut Vec<Delta>) {
        match chunk {
            Chunk::Text(text) => text.chars().for_each(|c| self.step(c)),
            // A role token parts two runs; the others stand for nothing.
            Chunk::Special(id, _) if self.form.ends.contains(&id) => self.end_run(),
            Chunk::Special(..) => {}
        }
        self.reply.drain(out);
    }

    fn finish(&mut self, out: &mut Vec<Delta>) {
        self.end_run();
        self.reply.drain(out);
    }
}

/// One character of prose. `held` is what may be the start of the mark for the training date.
fn prose_char(c: char, held: &mut String, has_date: bool, reply: &mut Reply) {
    let (mark, meaning) = TRAINING_DATE;
    if !has_date || (held.is_empty() && c != '[') {
        reply.text(c);
        return;
    }
    held.push(c);
    if held == mark {
        reply.text_str(meaning);
        held.clear();
    }
    while !mark.starts_with(held.as_str()) {
        let mut chars = held.chars();
        if let Some(first) = chars.next() {
            reply.text(first);
        }
        *held = chars.as_str().to_owned();
    }
}

/// True while `line` may still become a metadata line.
fn may_be_metadata(line: &str, tools: &[String]) -> bool {
    let name = line.trim_end();
    let known = || tools.iter().map(|tool| tool.trim()).any(|tool| tool.starts_with(line) || tool == name);
    line.len() <= 2 * MAX_METADATA && (is_plausible_name(name) || known())
}

/// True for what could name a tool that is not known: short, and not a sentence.
fn is_plausible_name(name: &str) -> bool {
    name.len() <= MAX_METADATA
        && !name.contains(|c: char| "。，！？；：、“”（）…!?,;:\"'`{}()[]<>*#|=".contains(c))
        && !name.contains(". ")
        && name.split_whitespace().count() <= 4
}

/// Whether what follows an unknown first line is a call: `None` while that is open.
fn looks_like_call(body: &str) -> Option<bool> {
    let begun = body.trim_start();
    if let Some(rest) = after_or_within(begun, "```")? {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).map(|end| rest.get(end..).unwrap_or_default());
        let Some(rest) = word else {
            // "```python" so far, or "```tool_call" without its line break.
            return None;
        };
        return call_begins(rest.trim_start());
    }
    if begun.starts_with('{') {
        return may_begin_arguments(begun);
    }
    call_begins(begun)
}

/// `None`: `text` is a beginning of `mark`. Some(Some(rest)): it begins with it. Some(None): it does not.
fn after_or_within<'a>(text: &'a str, mark: &str) -> Option<Option<&'a str>> {
    match text.strip_prefix(mark) {
        Some(rest) => Some(Some(rest)),
        None if mark.starts_with(text) => None,
        None => Some(None),
    }
}

fn call_begins(text: &str) -> Option<bool> {
    match after_or_within(text, "tool_call")? {
        None => Some(false),
        Some(rest) => rest.trim_start_matches([' ', '\t']).chars().next().map(|c| c == '('),
    }
}

/// `{"` or `{}`, white space between: the arguments of a call, not a brace in prose.
fn may_begin_arguments(text: &str) -> Option<bool> {
    let inner = text.strip_prefix('{').unwrap_or(text).trim_start();
    inner.chars().next().map(|c| matches!(c, '"' | '\'' | '}'))
}

/// True while `text` may begin with `{"name"`, or does.
fn may_begin_named_call(text: &str) -> bool {
    let inner = text.strip_prefix('{').unwrap_or(text).trim_start();
    ["\"name\"", "'name'"].iter().any(|key| key.starts_with(inner) || inner.starts_with(key))
}
