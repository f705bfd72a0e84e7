//! Prose and reasoning.

use super::{CLOSE_TAG, CLOSE_THINK, MAX_RELEASES, OPEN_TAG, OPEN_THINK, Opening, Parser, State};

impl Parser {
    pub(super) fn in_text(&mut self, c: char) {
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

    pub(super) fn in_tag_text(&mut self) {
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
    pub(super) fn text_of_partial(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        let mut chars = partial.chars();
        if let Some(first) = chars.next() {
            self.emit(first);
        }
        self.unread(chars.as_str());
    }

    pub(super) fn unread(&mut self, text: &str) {
        for c in text.chars().rev() {
            self.input.push_front(c);
        }
    }

    /// A character of prose that is no white space.
    pub(super) fn emit(&mut self, c: char) {
        self.settle_space();
        self.reply.text(c);
        self.prose = true;
        self.line_start = false;
        self.after_object = false;
    }

    pub(super) fn settle_space(&mut self) {
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
    pub(super) fn leave_text(&mut self) {
        let space = std::mem::take(&mut self.space);
        if !self.after_call {
            self.dropped.clear();
        }
        self.dropped.push_str(&space);
        self.after_call = true;
    }

    // Reasoning.

    pub(super) fn in_thought(&mut self, c: char) {
        if !self.partial.is_empty() || c == '<' {
            self.partial.push(c);
            if self.partial == CLOSE_THINK {
                self.partial.clear();
                self.end_thought();
            } else if self.partial == OPEN_THINK {
                // The prompt had opened it already.
                self.partial.clear();
            } else {
                // `line_start`: nothing was thought yet.
                let opens = self.line_start && OPEN_THINK.starts_with(&self.partial);
                if !(opens || CLOSE_THINK.starts_with(&self.partial)) {
                    self.thought_of_partial();
                }
            }
        } else if c.is_whitespace() {
            self.space.push(c);
        } else {
            self.think(c);
        }
    }

    pub(super) fn thought_of_partial(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        let mut chars = partial.chars();
        if let Some(first) = chars.next() {
            self.think(first);
        }
        self.unread(chars.as_str());
    }

    pub(super) fn think(&mut self, c: char) {
        let space = std::mem::take(&mut self.space);
        if !self.line_start {
            self.reply.reasoning(&space);
        }
        self.line_start = false;
        self.reply.reasoning(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn end_thought(&mut self) {
        self.space.clear();
        self.dropped.clear();
        self.after_call = true;
        self.line_start = true;
        self.state = State::Text;
    }
}
