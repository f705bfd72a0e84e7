//! Collects the deltas of one reply, so that parsers need not care how the text was cut into chunks.

use glassbox_tools::{CallId, ToolCall};
use serde_json::Value;

use crate::Delta;

/// The tool name under which models call the code interpreter.
pub(crate) const INTERPRETER: &str = "interpreter";

/// What is open and may still grow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Reasoning,
    Arguments(CallId),
    Code(CallId),
}

/// Deltas in the making: neighbouring text becomes one delta a chunk.
#[derive(Debug)]
pub(crate) struct Reply {
    open: Open,
    pending: String,
    ready: Vec<Delta>,
    next_call: u64,
}

impl Reply {
    /// Calls are numbered from `next_call`.
    pub(crate) fn new(next_call: u64) -> Self {
        Self { open: Open::Nothing, pending: String::new(), ready: Vec::new(), next_call }
    }

    /// Hands over all deltas so far.
    pub(crate) fn drain(&mut self, out: &mut Vec<Delta>) {
        self.close();
        out.append(&mut self.ready);
    }

    pub(crate) fn text(&mut self, c: char) {
        self.switch(Open::Text);
        self.pending.push(c);
    }

    pub(crate) fn text_str(&mut self, text: &str) {
        if !text.is_empty() {
            self.switch(Open::Text);
            self.pending.push_str(text);
        }
    }

    pub(crate) fn reasoning(&mut self, text: &str) {
        if !text.is_empty() {
            self.switch(Open::Reasoning);
            self.pending.push_str(text);
        }
    }

    /// A call of `name` begins.
    pub(crate) fn start_call(&mut self, name: &str) -> CallId {
        let id = self.next_id();
        self.push(Delta::CallStarted { id: id.clone(), name: name.to_owned() });
        id
    }

    pub(crate) fn arguments(&mut self, id: &CallId, text: &str) {
        if !text.is_empty() {
            if !matches!(&self.open, Open::Arguments(open) if open == id) {
                self.switch(Open::Arguments(id.clone()));
            }
            self.pending.push_str(text);
        }
    }

    pub(crate) fn call(&mut self, id: CallId, name: String, arguments: Value) {
        self.push(Delta::CallReady { call: ToolCall { id, name, arguments } });
    }

    /// Code for the interpreter begins.
    pub(crate) fn start_code(&mut self) -> CallId {
        let id = self.next_id();
        self.push(Delta::CodeStarted { id: id.clone() });
        id
    }

    pub(crate) fn code(&mut self, id: &CallId, text: &str) {
        if !text.is_empty() {
            if !matches!(&self.open, Open::Code(open) if open == id) {
                self.switch(Open::Code(id.clone()));
            }
            self.pending.push_str(text);
        }
    }

    pub(crate) fn code_ready(&mut self, id: CallId, source: String) {
        self.push(Delta::CodeReady { id, source });
    }

    /// Something meant as a call that could not be read; `id` where it was announced before.
    pub(crate) fn malformed(&mut self, id: Option<CallId>, name: Option<String>, raw: String, problem: String) {
        let id = id.unwrap_or_else(|| self.next_id());
        self.push(Delta::Malformed { id, name, raw, problem });
    }

    fn next_id(&mut self) -> CallId {
        let id = CallId(format!("call-{}", self.next_call));
        self.next_call = self.next_call.saturating_add(1);
        id
    }

    fn push(&mut self, delta: Delta) {
        self.close();
        self.ready.push(delta);
    }

    fn switch(&mut self, open: Open) {
        if self.open != open {
            self.close();
            self.open = open;
        }
    }

    fn close(&mut self) {
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        if self.pending.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.pending);
        self.ready.push(match open {
            Open::Arguments(id) => Delta::CallArguments { id, text },
            Open::Code(id) => Delta::CodeText { id, text },
            Open::Reasoning => Delta::Reasoning { text },
            Open::Text | Open::Nothing => Delta::Text { text },
        });
    }
}
