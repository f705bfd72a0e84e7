//! What follows the metadata line: a fence with a call or a program in it, or bare JSON.

use serde_json::Value;

use crate::dialect::json_calls::reading;
use crate::dialect::literal;

/// One call that a body holds.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A call; its name only where the body itself gives one.
    Call { name: Option<String>, arguments: Value },
    /// A part that could not be read.
    Broken { problem: String },
}

/// Reads the calls of a body. The second value is the prose that stands behind them.
///
/// Understands `tool_call(k=v)` and `NAME(k=v)`, one or several, bare JSON arguments, and
/// `{"name": …, "parameters": …}`; each with or without its fence.
pub(super) fn read(body: &str, tool: &str) -> (Vec<Item>, String) {
    let mut rest = strip_opening_fence(body.trim());
    let mut items = Vec::new();
    loop {
        rest = rest.trim_start();
        let length = if rest.starts_with(['{', '[']) {
            match literal::read_relaxed_json_prefix(rest) {
                Ok((value, length)) => {
                    items.extend(from_json(value));
                    length
                }
                Err(error) => return broken(items, format!("the JSON cannot be read: {error}")),
            }
        } else if is_call_of(rest, "tool_call") || is_call_of(rest, tool) {
            match literal::read_call(rest) {
                Ok(call) => {
                    items.push(Item::Call { name: None, arguments: Value::Object(call.arguments) });
                    call.length
                }
                Err(error) => return broken(items, format!("the arguments cannot be read: {error}")),
            }
        } else {
            break;
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    let after = rest.trim_start();
    let after = after.strip_prefix("```").unwrap_or(after).trim();
    if items.is_empty() {
        let problem = if after.is_empty() { "the call has no arguments" } else { "there is no call" };
        let problem =
            format!("{problem}; after the line with the tool's name comes ```python\\ntool_call(name=value, …)\\n```");
        return (vec![Item::Broken { problem }], String::new());
    }
    (items, after.to_owned())
}

fn broken(mut items: Vec<Item>, problem: String) -> (Vec<Item>, String) {
    items.push(Item::Broken { problem });
    (items, String::new())
}

fn from_json(value: Value) -> Vec<Item> {
    match reading::calls(&value) {
        Some(calls) => calls
            .into_iter()
            .map(|call| match call.arguments {
                Ok(arguments) => Item::Call { name: Some(call.name), arguments },
                Err(problem) => Item::Broken { problem },
            })
            .collect(),
        None if value.is_object() => vec![Item::Call { name: None, arguments: value }],
        None => vec![Item::Broken { problem: "the arguments are a list; write an object with their names".to_owned() }],
    }
}

fn is_call_of(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('('))
}

/// Leaves out a first line like "```python".
fn strip_opening_fence(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("```") else { return text };
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let after = rest.get(word..).unwrap_or_default();
    // "```tool_call(…)": the word after the fence is the call itself.
    if after.starts_with(['\n', ' ', '\r', '\t']) || after.is_empty() { after } else { rest }
}

/// Takes the fence off a body as it comes, for showing and for programs.
#[derive(Debug, Default)]
pub(super) struct Fence {
    state: FenceState,
    held: String,
    fenced: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum FenceState {
    #[default]
    Lead,
    Opening,
    Inside,
    Done,
}

impl Fence {
    /// What of `c`, and of what was held back, now is known to be inside the fence.
    pub(super) fn push(&mut self, c: char, out: &mut String) {
        match self.state {
            FenceState::Lead => {
                if c == '`' {
                    self.held.push(c);
                    if self.held == "```" {
                        self.held.clear();
                        self.fenced = true;
                        self.state = FenceState::Opening;
                    }
                } else if !(c.is_whitespace() && self.held.is_empty()) {
                    self.state = FenceState::Inside;
                    out.push_str(&std::mem::take(&mut self.held));
                    self.inside(c, out);
                }
            }
            FenceState::Opening => {
                if c == '\n' {
                    self.held.clear();
                    self.state = FenceState::Inside;
                } else if c.is_ascii_alphanumeric() || matches!(c, ' ' | '\t' | '\r') {
                    self.held.push(c);
                } else {
                    // "```print(1)": no line of its own for the word after the fence.
                    self.state = FenceState::Inside;
                    out.push_str(&std::mem::take(&mut self.held));
                    self.inside(c, out);
                }
            }
            FenceState::Inside => self.inside(c, out),
            FenceState::Done => self.held.push(c),
        }
    }

    fn inside(&mut self, c: char, out: &mut String) {
        if !(c.is_whitespace() || c == '`') {
            out.push_str(&std::mem::take(&mut self.held));
            out.push(c);
            return;
        }
        // Once three backticks stand there, only the end of their line makes them the closing fence.
        if c == '\n' && self.fenced && self.closes() {
            self.held.clear();
            self.state = FenceState::Done;
            return;
        }
        self.held.push(c);
    }

    /// True where the held text ends in a line of three backticks.
    fn closes(&self) -> bool {
        let line = self.held.rsplit('\n').next().unwrap_or_default();
        line.trim() == "```"
    }

    /// The end: what was held back inside, and the text behind the fence.
    pub(super) fn finish(&mut self, out: &mut String) -> String {
        let held = std::mem::take(&mut self.held);
        match self.state {
            FenceState::Done => held.trim().to_owned(),
            FenceState::Lead | FenceState::Opening => {
                out.push_str(&held);
                String::new()
            }
            FenceState::Inside => {
                let before = held.trim_end().strip_suffix("```").filter(|_| self.fenced).unwrap_or(&held);
                out.push_str(before.trim_end());
                String::new()
            }
        }
    }
}
