//! An object that may be a call, from its opening brace to its closing one.

use glassbox_tools::CallId;
use serde_json::{Map, Value};

use super::super::arguments::Arguments;
use super::super::reading::{self, JsonCall};
use super::super::scanner::{Event, Scanner};
use super::{CLOSE_TAG, FENCE, OPEN_TAG, Parser, State};
use crate::dialect::reply::{INTERPRETER, Reply};

impl Parser {
    /// `token`: how likely the token was that `c` begins.
    pub(super) fn in_object(&mut self, c: char, token: Option<f32>) {
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
                    self.arguments = Arguments::new(&self.settings.options, &name);
                    tell(&mut self.reply, &mut self.arguments, &id, c, token);
                    *live = Some(id);
                }
            }
            Event::Arguments => {
                if let Some(id) = live {
                    tell(&mut self.reply, &mut self.arguments, id, c, token);
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
    pub(super) fn check_container_end(&mut self, in_string: bool) {
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
    pub(super) fn cut_at_mark(&mut self) {
        let Some((before, after)) = self.mark.take() else { return };
        let rest = self.held.get(before..).unwrap_or_default().to_owned();
        if self.held.len() > after {
            self.releases += 1;
        }
        self.held.truncate(before);
        self.unread(&rest);
        self.end_object(false);
    }

    pub(super) fn broken_object(&mut self) {
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
    pub(super) fn end_object(&mut self, closed: bool) {
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
    pub(super) fn bare_name(&self, value: &Value) -> Option<Vec<JsonCall>> {
        let map = value.as_object()?;
        let name = map.get("name")?.as_str()?;
        let alone = map.len() == 1 && (self.tag || self.is_known(name));
        alone.then(|| vec![JsonCall { name: name.to_owned(), arguments: Ok(Value::Object(Map::new())) }])
    }

    pub(super) fn note_call(&mut self) {
        if self.calls == 0 && !self.tag {
            self.leave_text();
        }
        self.calls += 1;
        self.text_fence &= !self.fence;
    }

    pub(super) fn after_object(&mut self) {
        self.held.clear();
        self.mark = None;
        self.reopened = false;
        if !(self.tag || self.fence || self.list) {
            self.leave_container();
            self.line_start = true;
            self.after_object = true;
        }
    }

    /// What was not told is not there.
    fn leave_out(&mut self, arguments: &mut Value) {
        let Some(told) = self.arguments.take() else { return };
        if let Some(map) = arguments.as_object_mut() {
            told.correct(map);
        }
        self.left_out |= !told.told_all();
    }

    pub(super) fn ready(&mut self, calls: Vec<JsonCall>, mut live: Option<CallId>) {
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
                Ok(mut arguments) => {
                    let id = match live.take() {
                        Some(id) => {
                            self.leave_out(&mut arguments);
                            id
                        }
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
}

/// More of the arguments of a call.
fn tell(reply: &mut Reply, arguments: &mut Option<Arguments>, id: &CallId, c: char, token: Option<f32>) {
    match arguments {
        Some(arguments) => reply.arguments(id, &arguments.push(c, token)),
        None => reply.arguments(id, c.encode_utf8(&mut [0; 4])),
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
