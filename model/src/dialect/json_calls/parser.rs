//! The state machine.

use std::collections::VecDeque;

use glassbox_tools::CallId;
use serde_json::{Map, Value};

use super::candidate::{Next, Opening};
use super::reading::{self, JsonCall};
use super::scanner::{Event, Scanner};
use crate::dialect::reply::{INTERPRETER, Reply};
use crate::dialect::{Chunk, OutputParser};
use crate::{Delta, Request, ToolChoice};

const OPEN_TAG: &str = "<tool_call>";
const CLOSE_TAG: &str = "</tool_call>";
const OPEN_THINK: &str = "<think>";
const CLOSE_THINK: &str = "</think>";
const FENCE: &str = "```";

/// So many long beginnings may turn out to be text after all; from then on only `<tool_call>` begins a call. This keeps
/// the work linear on text made to look like calls.
const MAX_RELEASES: usize = 64;

/// A beginning shorter than this does not count as long, in bytes.
const LONG: usize = 256;

/// What the parser should know of the model and the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The tools that are offered.
    pub(crate) tools: Vec<String>,
    /// The interpreter is offered, as a tool of its own.
    pub(crate) interpreter: bool,
    /// The prompt ended inside `<think>`.
    pub(crate) thinking: bool,
    /// The number of the first call.
    pub(crate) next_call: u64,
}

impl Settings {
    /// For `request`. Without tools the reply is text.
    pub(crate) fn of(request: &Request, thinking: bool) -> Self {
        let offered = request.tool_choice != ToolChoice::None;
        Self {
            tools: request.tools.iter().filter(|_| offered).map(|tool| tool.name.clone()).collect(),
            interpreter: request.interpreter && offered,
            thinking,
            next_call: request.next_call,
        }
    }
}

/// Reads one reply.
pub(crate) struct Parser {
    settings: Settings,
    reply: Reply,
    input: VecDeque<char>,
    state: State,
    /// What is held back from the start of a beginning on.
    held: String,
    /// Where in `held` the object begins.
    object_at: usize,
    /// The first possible end of a container that stands inside a string of the object, before and after it.
    mark: Option<(usize, usize)>,
    /// Behind the mark another tag was opened: what comes next tells whether that is a call.
    reopened: bool,
    tag: bool,
    fence: bool,
    list: bool,
    /// Calls read in this container.
    calls: usize,
    /// White space that waits for what follows it.
    space: String,
    /// White space before the last call.
    dropped: String,
    /// The last thing was a call or reasoning.
    after_call: bool,
    /// The last thing was a bare call.
    after_object: bool,
    /// There was prose already.
    prose: bool,
    /// Nothing but white space since the last line break.
    line_start: bool,
    /// Inside a fence that is text.
    text_fence: bool,
    /// A part of a tag.
    partial: String,
    releases: usize,
}

enum State {
    Text,
    Think,
    Opening(Opening),
    Object {
        scanner: Scanner,
        live: Option<CallId>,
    },
    /// In a container, between its objects.
    Between,
    /// In a tag, something that is no JSON, and the call that was announced there.
    Junk {
        live: Option<CallId>,
        name: Option<String>,
    },
}

impl State {
    fn junk() -> Self {
        Self::Junk { live: None, name: None }
    }
}

impl Parser {
    pub(crate) fn new(settings: Settings) -> Self {
        let state = if settings.thinking { State::Think } else { State::Text };
        Self {
            reply: Reply::new(settings.next_call),
            settings,
            input: VecDeque::new(),
            state,
            held: String::new(),
            object_at: 0,
            mark: None,
            reopened: false,
            tag: false,
            fence: false,
            list: false,
            calls: 0,
            space: String::new(),
            dropped: String::new(),
            after_call: false,
            after_object: false,
            prose: false,
            line_start: true,
            text_fence: false,
            partial: String::new(),
            releases: 0,
        }
    }

    fn offers_calls(&self) -> bool {
        self.settings.interpreter || !self.settings.tools.is_empty()
    }

    fn is_known(&self, name: &str) -> bool {
        self.settings.tools.iter().any(|tool| tool == name) || (self.settings.interpreter && name == INTERPRETER)
    }

    fn run(&mut self) {
        while let Some(c) = self.input.pop_front() {
            match &mut self.state {
                State::Text => self.in_text(c),
                State::Think => self.in_thought(c),
                State::Opening(opening) => {
                    let next = opening.next(c);
                    self.in_opening(c, next);
                }
                State::Object { .. } => self.in_object(c),
                State::Between => self.in_between(c),
                State::Junk { .. } => self.in_junk(c),
            }
        }
    }

    // Prose.

    fn in_text(&mut self, c: char) {
        if !self.partial.is_empty() || c == '<' {
            self.partial.push(c);
            self.in_tag_text();
        } else if c.is_whitespace() {
            self.space.push(c);
            self.line_start |= c == '\n';
        } else if self.after_object && matches!(c, ',' | ';') {
            // Between two calls, as some models write them.
        } else if self.line_start && self.offers_calls() && self.releases < MAX_RELEASES && matches!(c, '{' | '[' | '`')
        {
            self.held.push(c);
            self.state = State::Opening(match c {
                '`' => Opening::Ticks(1),
                '[' => Opening::ListSpace(0),
                _ => Opening::ObjectSpace(0),
            });
            self.list = c == '[';
            self.object_at = 0;
        } else {
            self.emit(c);
        }
    }

    fn in_tag_text(&mut self) {
        let untouched = !self.prose && !self.after_call;
        let tags = [
            (OPEN_TAG, self.offers_calls()),
            // Left over from a call whose opening tag the model forgot.
            (CLOSE_TAG, self.after_call),
            (OPEN_THINK, untouched),
        ];
        let tags = tags.iter().filter(|(tag, open)| *open && tag.starts_with(self.partial.as_str()));
        match tags.map(|(tag, _)| *tag).max_by_key(|tag| *tag == self.partial) {
            Some(tag) if tag == self.partial => {
                self.partial.clear();
                match tag {
                    OPEN_TAG => {
                        self.tag = true;
                        self.begin_container();
                    }
                    OPEN_THINK => {
                        self.space.clear();
                        self.state = State::Think;
                    }
                    _ => {}
                }
            }
            Some(_) => {}
            None => self.text_of_partial(),
        }
    }

    /// What looked like a tag is text: its first character surely, the rest is looked at again.
    fn text_of_partial(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        let mut chars = partial.chars();
        if let Some(first) = chars.next() {
            self.emit(first);
        }
        self.unread(chars.as_str());
    }

    fn unread(&mut self, text: &str) {
        for c in text.chars().rev() {
            self.input.push_front(c);
        }
    }

    /// A character of prose that is no white space.
    fn emit(&mut self, c: char) {
        self.settle_space();
        self.reply.text(c);
        self.prose = true;
        self.line_start = false;
        self.after_object = false;
    }

    fn settle_space(&mut self) {
        let space = std::mem::take(&mut self.space);
        if !std::mem::take(&mut self.after_call) {
            self.reply.text_str(&space);
            return;
        }
        let dropped = std::mem::take(&mut self.dropped);
        if self.prose {
            if dropped.contains('\n') || space.contains('\n') {
                self.reply.text('\n');
            } else if !(dropped.is_empty() && space.is_empty()) {
                self.reply.text(' ');
            }
        }
    }

    /// A call, or something like it, stands where prose was.
    fn leave_text(&mut self) {
        let space = std::mem::take(&mut self.space);
        if !self.after_call {
            self.dropped.clear();
        }
        self.dropped.push_str(&space);
        self.after_call = true;
    }

    // Reasoning.

    fn in_thought(&mut self, c: char) {
        if !self.partial.is_empty() || c == '<' {
            self.partial.push(c);
            if self.partial == CLOSE_THINK {
                self.partial.clear();
                self.end_thought();
            } else if self.partial == OPEN_THINK {
                // The prompt had opened it already.
                self.partial.clear();
            } else if !CLOSE_THINK.starts_with(&self.partial)
                // `line_start`: nothing was thought yet.
                && !(self.line_start && OPEN_THINK.starts_with(&self.partial))
            {
                self.thought_of_partial();
            }
        } else if c.is_whitespace() {
            self.space.push(c);
        } else {
            self.think(c);
        }
    }

    fn thought_of_partial(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        let mut chars = partial.chars();
        if let Some(first) = chars.next() {
            self.think(first);
        }
        self.unread(chars.as_str());
    }

    fn think(&mut self, c: char) {
        let space = std::mem::take(&mut self.space);
        if !self.line_start {
            self.reply.reasoning(&space);
        }
        self.line_start = false;
        self.reply.reasoning(c.encode_utf8(&mut [0; 4]));
    }

    fn end_thought(&mut self) {
        self.space.clear();
        self.dropped.clear();
        self.after_call = true;
        self.line_start = true;
        self.state = State::Text;
    }

    // The beginning of a call.

    fn in_opening(&mut self, c: char, next: Next) {
        // A fence that is text ends here; none begins.
        let closes_text = self.text_fence && matches!(next, Next::Opening(Opening::Ticks(3)));
        if closes_text {
            self.held.push(c);
            self.release();
            return;
        }
        match next {
            Next::Opening(opening) => {
                self.held.push(c);
                self.state = State::Opening(opening);
            }
            Next::List => {
                self.list = true;
                self.held.push(c);
                self.state = State::Opening(Opening::ListSpace(0));
            }
            Next::Object => {
                self.object_at = self.held.len();
                self.held.push(c);
                self.state = State::Opening(Opening::ObjectSpace(0));
            }
            Next::Key => {
                let mut scanner = Scanner::new();
                for c in self.held.get(self.object_at..).unwrap_or_default().chars() {
                    scanner.push(c);
                }
                self.fence |= self.held.starts_with('`');
                self.state = State::Object { scanner, live: None };
                self.in_object(c);
            }
            Next::Text if self.tag => {
                self.held.push(c);
                self.state = State::junk();
                self.check_junk();
            }
            Next::Text => {
                self.held.push(c);
                self.release();
            }
        }
    }

    /// No call after all: the first character is text, the rest is looked at again.
    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        if held.len() > LONG {
            self.releases += 1;
        }
        let ticks = held.starts_with(FENCE);
        self.leave_container();
        if ticks && self.line_start {
            self.text_fence = !self.text_fence;
        }
        let mut chars = held.chars();
        if let Some(first) = chars.next() {
            self.emit(first);
        }
        self.unread(chars.as_str());
    }

    fn begin_container(&mut self) {
        self.leave_text();
        self.calls = 0;
        self.state = State::Between;
    }

    fn leave_container(&mut self) {
        self.held.clear();
        self.mark = None;
        self.reopened = false;
        self.tag = false;
        self.fence = false;
        self.list = false;
        self.calls = 0;
        self.state = State::Text;
    }

    // An object.

    fn in_object(&mut self, c: char) {
        self.held.push(c);
        let State::Object { scanner, live } = &mut self.state else { return };
        let was_in_string = scanner.in_string();
        let event = scanner.push(c);
        let in_string = scanner.in_string();
        match event {
            Event::ArgumentsBegin => {
                let name = scanner.name.clone();
                if let Some(name) = name.filter(|name| self.tag || self.settings.tools.contains(name))
                    && !(self.settings.interpreter && name == INTERPRETER)
                    && !scanner.described
                    && live.is_none()
                {
                    let id = self.reply.start_call(&name);
                    self.reply.arguments(&id, c.encode_utf8(&mut [0; 4]));
                    *live = Some(id);
                }
            }
            Event::Arguments => {
                if let Some(id) = live {
                    self.reply.arguments(id, c.encode_utf8(&mut [0; 4]));
                }
            }
            Event::Key => {
                let known = scanner.name.as_ref().is_some_and(|name| self.settings.tools.contains(name));
                let stranger = !reading::is_call_key(&scanner.key) && !known;
                if stranger && !self.tag && self.calls == 0 {
                    self.release();
                    return;
                }
            }
            Event::End => {
                self.end_object(true);
                return;
            }
            Event::Broken => {
                self.broken_object();
                return;
            }
            Event::Nothing => {}
        }
        self.check_container_end(was_in_string && in_string);
    }

    /// The container may end in the middle of an object whose closing braces are missing.
    fn check_container_end(&mut self, in_string: bool) {
        let end = if self.tag && self.held.ends_with(CLOSE_TAG) {
            Some(CLOSE_TAG.len())
        } else if self.fence && self.held.ends_with("\n```") {
            Some(FENCE.len() + 1)
        } else {
            None
        };
        if self.mark.is_some() && self.held.ends_with(OPEN_TAG) {
            self.reopened = self.tag;
        } else if self.reopened && !self.held.ends_with(char::is_whitespace) {
            self.reopened = false;
            if self.held.ends_with(['{', '[', '`']) {
                self.cut_at_mark();
                return;
            }
        }
        let Some(length) = end else { return };
        let before = self.held.len() - length;
        if in_string {
            // Perhaps it belongs to the string; perhaps the string is what lacks its end.
            self.mark.get_or_insert((before, self.held.len()));
        } else {
            self.mark = Some((before, self.held.len()));
            self.cut_at_mark();
        }
    }

    /// Ends the object before the mark, and reads what is behind it again.
    fn cut_at_mark(&mut self) {
        let Some((before, after)) = self.mark.take() else { return };
        let rest = self.held.get(before..).unwrap_or_default().to_owned();
        if self.held.len() > after {
            self.releases += 1;
        }
        self.held.truncate(before);
        self.unread(&rest);
        self.end_object(false);
    }

    fn broken_object(&mut self) {
        let State::Object { scanner, live } = &self.state else { return };
        let named = scanner.name.as_ref().is_some_and(|name| self.is_known(name)) && scanner.has_arguments;
        if self.tag {
            self.state = match std::mem::replace(&mut self.state, State::Between) {
                State::Object { scanner, live } => State::Junk { live, name: scanner.name },
                other => other,
            };
            self.check_junk();
        } else if named || live.is_some() {
            self.end_object(false);
        } else {
            self.release();
        }
    }

    /// The object is over: closed, or because something else is.
    fn end_object(&mut self, closed: bool) {
        let State::Object { scanner, live } = std::mem::replace(&mut self.state, State::Between) else { return };
        let object = self.held.get(self.object_at..).unwrap_or_default();
        let value = if closed { reading::read(object) } else { read_unclosed(object, &scanner) };
        let meant = self.tag
            || live.is_some()
            || self.calls > 0
            || (scanner.has_arguments && scanner.name.as_ref().is_some_and(|name| self.is_known(name)));
        let problem = match value {
            Ok(value) => match reading::calls(&value).or_else(|| self.bare_name(&value)) {
                Some(calls) => {
                    self.ready(calls, live);
                    self.after_object();
                    return;
                }
                None if !self.tag && live.is_none() && reading::is_definition(&value) => {
                    self.state = State::Object { scanner, live };
                    self.release();
                    return;
                }
                None => "this is no call; write {\"name\": TOOL, \"arguments\": {…}}".to_owned(),
            },
            Err(problem) => format!("the JSON cannot be read: {problem}"),
        };
        if !meant {
            self.state = State::Object { scanner, live };
            self.release();
            return;
        }
        let raw = object.to_owned();
        self.note_call();
        self.reply.malformed(live, scanner.name, raw, problem);
        self.after_object();
    }

    /// `{"name": TOOL}`: a call without arguments, where it cannot be anything else.
    fn bare_name(&self, value: &Value) -> Option<Vec<JsonCall>> {
        let map = value.as_object()?;
        let name = map.get("name")?.as_str()?;
        let alone = map.len() == 1 && (self.tag || self.is_known(name));
        alone.then(|| vec![JsonCall { name: name.to_owned(), arguments: Ok(Value::Object(Map::new())) }])
    }

    fn note_call(&mut self) {
        if self.calls == 0 && !self.tag {
            self.leave_text();
        }
        self.calls += 1;
        self.text_fence &= !self.fence;
    }

    fn after_object(&mut self) {
        self.held.clear();
        self.mark = None;
        self.reopened = false;
        if !(self.tag || self.fence || self.list) {
            self.leave_container();
            self.line_start = true;
            self.after_object = true;
        }
    }

    fn ready(&mut self, calls: Vec<JsonCall>, mut live: Option<CallId>) {
        self.note_call();
        for call in calls {
            let raw = || self.held.get(self.object_at..).unwrap_or_default().to_owned();
            match call.arguments {
                Ok(arguments) if self.settings.interpreter && call.name == INTERPRETER => {
                    match arguments.get("code").and_then(Value::as_str) {
                        Some(source) => {
                            let id = self.reply.start_code();
                            self.reply.code(&id, source);
                            self.reply.code_ready(id, source.to_owned());
                        }
                        None => {
                            let problem = "the program is missing; give it as the string `code`".to_owned();
                            let raw = raw();
                            self.reply.malformed(live.take(), Some(call.name), raw, problem);
                        }
                    }
                }
                Ok(arguments) => {
                    let id = match live.take() {
                        Some(id) => id,
                        None => {
                            let id = self.reply.start_call(&call.name);
                            self.reply.arguments(&id, &arguments.to_string());
                            id
                        }
                    };
                    self.reply.call(id, call.name, arguments);
                }
                Err(problem) => {
                    let raw = raw();
                    self.reply.malformed(live.take(), Some(call.name), raw, problem);
                }
            }
        }
    }

    // Between the objects of a container.

    fn in_between(&mut self, c: char) {
        if !self.partial.is_empty() {
            self.partial.push(c);
            self.in_container_mark();
            return;
        }
        match c {
            c if c.is_whitespace() => self.line_start |= c == '\n',
            ',' | ';' => {}
            '{' => {
                self.object_at = 0;
                self.held.push(c);
                self.state = State::Opening(Opening::ObjectSpace(0));
            }
            '[' if !self.list => {
                self.list = true;
                self.object_at = 1;
                self.held.push(c);
                self.state = State::Opening(Opening::ListSpace(0));
            }
            ']' if self.list => {
                self.list = false;
                self.end_container_if_bare();
            }
            '`' | '<' => {
                self.partial.push(c);
            }
            other => self.stray(other),
        }
    }

    fn in_container_mark(&mut self) {
        let partial = self.partial.as_str();
        if partial == FENCE {
            self.partial.clear();
            if self.fence {
                self.fence = false;
                self.list = false;
                self.end_container_if_bare();
            } else if self.tag {
                self.fence = true;
                // The word after the backticks is no junk.
                self.held.push_str(FENCE);
                self.state = State::Opening(Opening::Info(0));
            } else {
                self.unread(FENCE);
                self.leave_container();
                self.line_start = true;
            }
        } else if partial == CLOSE_TAG && self.tag {
            self.partial.clear();
            if self.calls == 0 {
                let problem = "there is no JSON between <tool_call> and </tool_call>".to_owned();
                self.reply.malformed(None, None, format!("{OPEN_TAG}{CLOSE_TAG}"), problem);
            }
            self.leave_container();
            self.line_start = true;
        } else if partial == OPEN_TAG {
            // The last one was not closed.
            self.partial.clear();
            self.leave_container();
            self.tag = true;
            self.begin_container();
        } else if ![FENCE, CLOSE_TAG, OPEN_TAG].iter().any(|mark| mark.starts_with(partial)) {
            let partial = std::mem::take(&mut self.partial);
            let mut chars = partial.chars();
            let first = chars.next();
            self.unread(chars.as_str());
            if let Some(first) = first {
                self.stray(first);
            }
        }
    }

    fn end_container_if_bare(&mut self) {
        if !(self.tag || self.fence || self.list) {
            self.leave_container();
            self.line_start = true;
        }
    }

    /// Something that belongs neither to a call nor between two.
    fn stray(&mut self, c: char) {
        if self.tag {
            self.held.push(c);
            self.state = State::junk();
            return;
        }
        self.text_fence |= self.fence;
        let line_start = self.line_start;
        self.leave_container();
        self.line_start = line_start;
        self.input.push_front(c);
    }

    fn in_junk(&mut self, c: char) {
        self.held.push(c);
        self.check_junk();
    }

    fn check_junk(&mut self) {
        if self.held.ends_with(CLOSE_TAG) {
            self.held.truncate(self.held.len() - CLOSE_TAG.len());
            self.end_junk();
            self.line_start = true;
        }
    }

    fn end_junk(&mut self) {
        let raw = std::mem::take(&mut self.held);
        let (live, name) = match std::mem::replace(&mut self.state, State::Between) {
            State::Junk { live, name } => (live, name),
            _ => (None, None),
        };
        if self.calls == 0 || live.is_some() {
            let problem = problem_of(&raw);
            self.reply.malformed(live, name, raw, problem);
            self.leave_container();
        } else {
            self.leave_container();
            let text = raw.trim();
            if !text.is_empty() {
                self.settle_space();
                self.reply.text_str(text);
                self.prose = true;
                self.line_start = false;
            }
        }
    }

    // The end.

    /// Ends what is open; true where something is to be read again.
    fn end(&mut self) -> bool {
        match &self.state {
            State::Text => {
                if !self.partial.is_empty() {
                    self.text_of_partial();
                    return true;
                }
                if !self.after_call {
                    self.settle_space();
                }
            }
            State::Think => {
                if !self.partial.is_empty() {
                    self.thought_of_partial();
                    return true;
                }
            }
            State::Opening(_) if self.tag => {
                self.state = State::junk();
                return true;
            }
            State::Opening(_) => {
                self.release();
                return true;
            }
            State::Object { .. } => {
                if self.mark.is_some() {
                    self.cut_at_mark();
                } else {
                    self.end_object(false);
                }
                return true;
            }
            State::Between => {
                if !self.partial.is_empty() {
                    let partial = std::mem::take(&mut self.partial);
                    if !self.tag && !self.fence {
                        self.leave_container();
                        self.unread(&partial);
                        return true;
                    }
                    if self.tag && self.calls == 0 {
                        self.held = partial;
                        self.state = State::junk();
                        return true;
                    }
                }
                if self.tag && self.calls == 0 {
                    let problem = "the reply ends after <tool_call>".to_owned();
                    self.reply.malformed(None, None, OPEN_TAG.to_owned(), problem);
                }
                self.leave_container();
            }
            State::Junk { .. } => {
                self.end_junk();
                return true;
            }
        }
        !self.input.is_empty()
    }
}

impl OutputParser for Parser {
    fn push(&mut self, chunk: Chunk<'_>, out: &mut Vec<Delta>) {
        match chunk {
            Chunk::Text(text) => self.input.extend(text.chars()),
            Chunk::Special(_, text @ (OPEN_TAG | CLOSE_TAG | OPEN_THINK | CLOSE_THINK)) => {
                self.input.extend(text.chars());
            }
            Chunk::Special(..) => {}
        }
        self.run();
        self.reply.drain(out);
    }

    fn finish(&mut self, out: &mut Vec<Delta>) {
        self.run();
        while self.end() {
            self.run();
        }
        self.reply.drain(out);
    }
}

/// Reads an object whose closing braces are missing. Not one that ends within a word or a number: more of it may be
/// missing than braces.
fn read_unclosed(object: &str, scanner: &Scanner) -> Result<Value, String> {
    let object = object.trim_end();
    if scanner.in_string() || !object.ends_with(['}', ']', ')', '"', '\'']) {
        return Err("it breaks off before its end".to_owned());
    }
    reading::read(&format!("{object}{}", scanner.closers()))
}

fn problem_of(raw: &str) -> String {
    match reading::read(raw.trim()) {
        Ok(_) => "this is no call; write {\"name\": TOOL, \"arguments\": {…}}".to_owned(),
        Err(problem) => format!("the JSON cannot be read: {problem}"),
    }
}
