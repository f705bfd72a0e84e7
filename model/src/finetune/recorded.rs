//! Conversations that were held, as samples.

use std::collections::HashMap;

use glassbox_tools::{CallId, ToolSpec};
use serde_json::Value;

use super::finding::{Finding, Findings};
use super::sample::{Conversation, Entry};
use crate::dialect::chatglm3::{INTERPRETER, code_content};
use crate::dialect::pyjson;
use crate::{AssistantMessage, AssistantPart, Message};

/// A conversation as a sample, with the tools that the model was shown and its system prompt.
///
/// Calls become `tool` entries with their answers. A program becomes an entry with the metadata `interpreter`; what was
/// meant as a call and could not be read becomes an entry that is not learnt (`"loss": false`). The findings say what of
/// the conversation has no place; `line` is the line that they are given.
pub fn recorded(
    line: usize,
    system: Option<&str>,
    tools: &[ToolSpec],
    messages: &[Message],
) -> (Conversation, Vec<Finding>) {
    let mut recording = Recording::default();
    if let Some(content) = system.filter(|system| !system.is_empty()) {
        recording.push(Entry::System { content: content.to_owned() });
    }
    for (number, message) in messages.iter().enumerate() {
        let place = format!("messages[{number}]");
        match message {
            Message::System { content } => recording.push(Entry::System { content: content.clone() }),
            Message::User { content } => recording.push(Entry::User { content: content.clone() }),
            Message::Assistant(reply) => recording.reply(line, &place, reply),
            Message::Observation(observation) => {
                let open = observation.call_id.as_ref().and_then(|id| recording.open.remove(id));
                recording.answer(line, &place, open, &observation.content);
            }
        }
    }
    let conversation = Conversation {
        tools: tools.iter().map(ToolSpec::for_model).collect(),
        entries: recording.entries.into_iter().flat_map(|(entry, answer)| [Some(entry), answer]).flatten().collect(),
    };
    if conversation.tools.is_empty() && conversation.entries.iter().any(|entry| matches!(entry, Entry::Tool { .. })) {
        let hint = "name the tools with `--tools-file`, so that the sample shows them as the model saw them";
        recording.findings.note(line, "", "there are calls, and no tools are recorded", hint);
    }
    if conversation
        .entries
        .iter()
        .any(|entry| matches!(entry, Entry::Assistant { metadata, .. } if metadata == INTERPRETER))
    {
        let problem = "there are programs, and what the model was told of the interpreter is not recorded";
        recording.findings.note(line, "", problem, "put the interpreter's prompt into the sample's system entry");
    }
    (conversation, recording.findings.into_list())
}

#[derive(Default)]
struct Recording {
    /// Each with its answer, where that is an entry of its own.
    entries: Vec<(Entry, Option<Entry>)>,
    /// Calls and programs without an answer, and where their entries stand.
    open: HashMap<CallId, usize>,
    findings: Findings,
}

impl Recording {
    fn push(&mut self, entry: Entry) {
        self.entries.push((entry, None));
    }

    fn reply(&mut self, line: usize, place: &str, reply: &AssistantMessage) {
        let asks = reply.parts.iter().filter(|part| asks(part)).count();
        if asks > 1 {
            let problem = format!("{asks} calls made at once become calls one after another");
            self.findings.loss(line, place, problem);
        }
        let mut prose = String::new();
        for part in &reply.parts {
            let (id, entry) = match part {
                AssistantPart::Text { text } => {
                    prose.push_str(text);
                    continue;
                }
                AssistantPart::Reasoning { .. } => {
                    self.findings.loss(line, place, "thinking is not carried over");
                    continue;
                }
                AssistantPart::Call { call } => (&call.id, called(&call.name, &call.arguments)),
                AssistantPart::Code { id, source } => (id, marked(INTERPRETER, code_content(source), None)),
                AssistantPart::Malformed { id, name, raw, .. } => {
                    self.findings.note(line, place, "a call that could not be read is kept, and not learnt", "");
                    (id, marked(name.as_deref().unwrap_or_default(), raw.clone(), Some(false)))
                }
            };
            self.prose(&mut prose);
            self.open.insert(id.clone(), self.entries.len());
            self.push(entry);
        }
        if reply.parts.is_empty() {
            self.push(marked("", String::new(), None));
        }
        self.prose(&mut prose);
    }

    fn prose(&mut self, prose: &mut String) {
        if !prose.is_empty() {
            self.push(marked("", std::mem::take(prose), None));
        }
    }

    fn answer(&mut self, line: usize, place: &str, open: Option<usize>, content: &str) {
        // One that names no call answers what could not be read as one: the last entry.
        let place_of = open.or(self.entries.len().checked_sub(1));
        match place_of.and_then(|at| self.entries.get_mut(at)) {
            Some((Entry::Tool { observation: observation @ None, .. }, _)) => {
                *observation = Some(Value::String(content.to_owned()));
            }
            Some((Entry::Assistant { .. }, answer @ None)) => {
                *answer = Some(Entry::Observation { content: content.to_owned() });
            }
            _ => self.findings.loss(line, place, "it answers no call, and is not carried over"),
        }
    }
}

fn asks(part: &AssistantPart) -> bool {
    matches!(part, AssistantPart::Call { .. } | AssistantPart::Code { .. } | AssistantPart::Malformed { .. })
}

fn marked(metadata: &str, content: String, loss: Option<bool>) -> Entry {
    Entry::Assistant { metadata: metadata.to_owned(), content, loss }
}

/// A call; one whose arguments are no object as it was written, which is not learnt.
fn called(name: &str, arguments: &Value) -> Entry {
    match arguments {
        Value::Object(parameters) => {
            Entry::Tool { name: name.to_owned(), parameters: parameters.clone(), observation: None, loss: None }
        }
        other => marked(name, pyjson::dumps(other, None), Some(false)),
    }
}
