//! Programs in fences.

use super::{Inside, Parser, State};
use crate::dialect::fence::{self, Step};
use crate::dialect::reply::INTERPRETER;

impl Parser {
    /// True where what is held is the line that opens a program.
    pub(super) fn begins_code(&self) -> bool {
        self.settings.interpreter && !self.tag && !self.text_fence && fence::opens(&self.held)
    }

    pub(super) fn begin_code(&mut self) {
        let indent = self.space.rsplit('\n').next().unwrap_or_default().to_owned();
        self.held.clear();
        self.leave_text();
        let id = self.reply.start_code();
        self.state = State::Code { id, inside: Inside::new(&indent) };
    }

    pub(super) fn in_code(&mut self, c: char) {
        let State::Code { id, inside } = &mut self.state else { return };
        let mut shown = String::new();
        let step = inside.push(c, &mut shown);
        self.reply.code(id, &shown);
        if step == Step::Closed {
            let source = inside.source();
            self.code_ready(source, true);
            self.unread("\n");
        }
    }

    /// The reply ends within a program, or right behind its closing fence.
    pub(super) fn end_code(&mut self) {
        let State::Code { id, inside } = &mut self.state else { return };
        let mut shown = String::new();
        let (source, closed) = std::mem::take(inside).finish(&mut shown);
        self.reply.code(id, &shown);
        self.code_ready(source, closed);
    }

    fn code_ready(&mut self, source: String, closed: bool) {
        let State::Code { id, .. } = std::mem::replace(&mut self.state, State::Text) else { return };
        let problem = if source.trim().is_empty() {
            "there is no program between ```python and ```"
        } else if !closed {
            "the program breaks off; end it with a line of ```"
        } else {
            self.reply.code_ready(id, source);
            self.leave_container();
            self.line_start = true;
            return;
        };
        self.reply.malformed(Some(id), Some(INTERPRETER.to_owned()), fence::block(&source), problem.to_owned());
        self.leave_container();
    }
}
