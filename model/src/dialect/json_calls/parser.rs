//! The state machine.

mod code;
mod container;
mod object;
mod prose;

use std::collections::VecDeque;

use glassbox_tools::CallId;

use super::arguments::{Arguments, Options};
use super::candidate::Opening;
use super::scanner::Scanner;
use crate::dialect::fence::{FENCE, Inside};
use crate::dialect::reply::{INTERPRETER, Reply};
use crate::dialect::{Chunk, OutputParser};
use crate::{Delta, Request, ToolChoice};

const OPEN_TAG: &str = "<tool_call>";
const CLOSE_TAG: &str = "</tool_call>";
const OPEN_THINK: &str = "<think>";
const CLOSE_THINK: &str = "</think>";

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
    /// Arguments that are left out, whole or in part, where the model was unsure of them or the user said otherwise.
    pub(crate) options: Vec<Options>,
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
            options: Vec::new(),
        }
    }
}

/// Reads one reply.
pub(crate) struct Parser {
    settings: Settings,
    reply: Reply,
    input: VecDeque<char>,
    /// How likely the token was that the next character begins.
    token: Option<f32>,
    state: State,
    /// Those of the call that is being told.
    arguments: Option<Arguments>,
    /// Something was left out.
    left_out: bool,
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
    /// In a program.
    Code {
        id: CallId,
        inside: Inside,
    },
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
            token: None,
            state,
            arguments: None,
            left_out: false,
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
            let token = self.token.take();
            match &mut self.state {
                State::Text => self.in_text(c),
                State::Think => self.in_thought(c),
                State::Opening(opening) => {
                    let next = opening.next(c);
                    self.in_opening(c, next);
                }
                State::Object { .. } => self.in_object(c, token),
                State::Code { .. } => self.in_code(c),
                State::Between => self.in_between(c),
                State::Junk { .. } => self.in_junk(c),
            }
        }
    }

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
            State::Code { .. } => {
                self.end_code();
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

    fn asks_how_sure(&self) -> bool {
        !self.settings.options.is_empty()
    }

    fn sure(&mut self, probability: f32) {
        self.token = Some(probability);
    }

    fn told_all(&self) -> bool {
        !self.left_out
    }
}
