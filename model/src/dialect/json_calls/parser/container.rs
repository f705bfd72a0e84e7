//! What calls stand in: tags, fences and lists, and what is held back until it is known whether one begins.

use super::super::candidate::Next;
use super::super::reading;
use super::super::scanner::Scanner;
use super::{CLOSE_TAG, FENCE, LONG, OPEN_TAG, Opening, Parser, State};

impl Parser {
    pub(super) fn in_opening(&mut self, c: char, next: Next) {
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
                if c == '\n' && self.begins_code() {
                    self.begin_code();
                }
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
                self.in_object(c, None);
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
    pub(super) fn release(&mut self) {
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

    pub(super) fn begin_container(&mut self) {
        self.leave_text();
        self.calls = 0;
        self.state = State::Between;
    }

    pub(super) fn leave_container(&mut self) {
        self.held.clear();
        self.mark = None;
        self.reopened = false;
        self.tag = false;
        self.fence = false;
        self.list = false;
        self.calls = 0;
        self.state = State::Text;
    }

    // Between the objects.

    pub(super) fn in_between(&mut self, c: char) {
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

    pub(super) fn in_container_mark(&mut self) {
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

    pub(super) fn end_container_if_bare(&mut self) {
        if !(self.tag || self.fence || self.list) {
            self.leave_container();
            self.line_start = true;
        }
    }

    /// Something that belongs neither to a call nor between two.
    pub(super) fn stray(&mut self, c: char) {
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

    pub(super) fn in_junk(&mut self, c: char) {
        self.held.push(c);
        self.check_junk();
    }

    pub(super) fn check_junk(&mut self) {
        if self.held.ends_with(CLOSE_TAG) {
            self.held.truncate(self.held.len() - CLOSE_TAG.len());
            self.end_junk();
            self.line_start = true;
        }
    }

    pub(super) fn end_junk(&mut self) {
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
}

fn problem_of(raw: &str) -> String {
    match reading::read(raw.trim()) {
        Ok(_) => "this is no call; write {\"name\": TOOL, \"arguments\": {…}}".to_owned(),
        Err(problem) => format!("the JSON cannot be read: {problem}"),
    }
}
