//! OpenAI's chat format for fine-tuning: a line has `messages`, `tools` and `parallel_tool_calls`; a message of the
//! assistant has `content`, `tool_calls` and `weight` (0: not learnt).

use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::json::Document;
use super::sample::{Conversation, Entry};
use super::samples::{Object, misplaced};
use crate::dialect::pyjson;

/// What a function has that the model is shown.
const SHOWN: [&str; 3] = ["name", "description", "parameters"];

/// Reads a sample.
pub(super) fn read<'d>(document: &'d Document<'d>, text: &'d str, findings: &mut Findings) -> Option<Conversation> {
    let mut object = Object::read(document, text, String::new(), findings)?;
    if object.has("functions") {
        findings.fault(object.line(), "functions", "this is the form that OpenAI has given up", "write `tools`");
    }
    let mut sample = Conversation::default();
    for (number, text) in object.list("tools", findings).unwrap_or_default().into_iter().enumerate() {
        sample.tools.extend(tool(document, text, format!("tools[{number}]"), findings));
    }
    if !object.has("messages") {
        findings.fault(object.line(), "messages", "it is missing", "a line of OpenAI's format has `messages`");
    }
    let mut messages = Messages { document, entries: Vec::new(), open: Vec::new() };
    for (number, text) in object.list("messages", findings).unwrap_or_default().into_iter().enumerate() {
        let place = format!("messages[{number}]");
        let line = document.line(text);
        let before = messages.entries.len();
        messages.add(text, &place, findings);
        let last = before.checked_sub(1).and_then(|last| messages.entries.get(last));
        if findings.faults() == 0
            && let Some((problem, hint)) = messages.entries.get(before).and_then(|new| misplaced(last, new))
        {
            findings.fault(line, place, problem, hint);
        }
    }
    for (id, _) in &messages.open {
        findings.note(object.line(), "", format!("the call `{id}` is not answered"), "");
    }
    lost(&object, findings);
    if messages.entries.is_empty() && findings.faults() == 0 {
        findings.fault(object.line(), "messages", "it is empty", "");
    }
    sample.entries = messages.entries;
    Some(sample)
}

/// Says what nobody asked for.
fn lost(object: &Object<'_>, findings: &mut Findings) {
    for key in object.rest() {
        findings.loss(object.line(), key, "it is not carried over");
    }
}

fn tool<'d>(document: &'d Document<'d>, text: &'d str, place: String, findings: &mut Findings) -> Option<Value> {
    let mut object = Object::read(document, text, place, findings)?;
    let line = object.line();
    let kind = object.text("type", findings)?;
    let Some(function) = object.take("function").filter(|_| kind == "function") else {
        findings.fault(line, object.at("type"), format!("a tool of the type `{kind}` is no function"), "");
        return None;
    };
    lost(&object, findings);
    let place = object.at("function");
    let mut function = object.map("function", function, findings)?;
    for key in function.keys().filter(|key| !SHOWN.contains(&key.as_str())) {
        findings.loss(line, format!("{place}.{key}"), "it is not carried over");
    }
    function.retain(|key, _| SHOWN.contains(&key.as_str()));
    if !function.get("name").is_some_and(Value::is_string) {
        findings.fault(line, format!("{place}.name"), "it is no text", "a function needs a name");
    }
    Some(Value::Object(function))
}

/// Messages that become entries.
struct Messages<'d> {
    document: &'d Document<'d>,
    entries: Vec<Entry>,
    /// Calls without an answer: their ids and the places of their entries.
    open: Vec<(String, usize)>,
}

impl<'d> Messages<'d> {
    fn add(&mut self, text: &'d str, place: &str, findings: &mut Findings) -> Option<()> {
        let mut object = Object::read(self.document, text, place.to_owned(), findings)?;
        let line = object.line();
        let role = object.text("role", findings)?;
        if role != "tool"
            && let Some((id, _)) = self.open.first()
        {
            let problem = format!("the call `{id}` is not answered before it");
            findings.fault(line, place, problem, "each call needs a `tool` message with its `tool_call_id`");
            return None;
        }
        match role.as_str() {
            "system" | "developer" => {
                if role == "developer" {
                    findings.loss(line, object.at("role"), "`developer` becomes `system`");
                }
                let content = self.content(&mut object, findings)??;
                self.entries.push(Entry::System { content });
            }
            "user" => {
                let content = self.content(&mut object, findings)??;
                self.entries.push(Entry::User { content });
            }
            "assistant" => self.assistant(&mut object, findings)?,
            "tool" => {
                let id = object.text("tool_call_id", findings)?;
                let content = self.content(&mut object, findings)??;
                let Some(at) = self.open.iter().position(|(open, _)| *open == id) else {
                    let problem = format!("no call before it has the id `{id}`, or it is answered already");
                    findings.fault(line, object.at("tool_call_id"), problem, "");
                    return None;
                };
                let (_, entry) = self.open.remove(at);
                if let Some(Entry::Tool { observation, .. }) = self.entries.get_mut(entry) {
                    *observation = Some(Value::String(content));
                }
            }
            other => {
                let hint = "the roles are system, developer, user, assistant and tool";
                findings.fault(line, object.at("role"), format!("there is no role `{other}`"), hint);
                return None;
            }
        }
        lost(&object, findings);
        Some(())
    }

    fn assistant(&mut self, object: &mut Object<'d>, findings: &mut Findings) -> Option<()> {
        let line = object.line();
        let loss = match object.take("weight") {
            None | Some("null") => None,
            Some("0") => Some(false),
            Some("1") => Some(true),
            Some(_) => {
                findings.fault(line, object.at("weight"), "it is neither 0 nor 1", "");
                None
            }
        };
        for key in ["function_call", "audio", "refusal"] {
            let there = object.take(key).is_some_and(|value| value != "null");
            if there {
                findings.fault(line, object.at(key), "this cannot be held", "leave it out, or write it as `content`");
            }
        }
        let content = match object.has("content") {
            true => self.content(object, findings)?,
            false => None,
        };
        let calls = if object.has("tool_calls") && object.take_null("tool_calls").is_none() {
            object.list("tool_calls", findings)?
        } else {
            Vec::new()
        };
        match content {
            Some(content) if !content.is_empty() || calls.is_empty() => {
                self.entries.push(Entry::Assistant { metadata: String::new(), content, loss });
            }
            None if calls.is_empty() => {
                findings.fault(line, object.at("content"), "it is missing, and there are no calls", "");
            }
            _ => {}
        }
        if calls.len() > 1 {
            let problem = format!("{} calls made at once become calls one after another", calls.len());
            findings.loss(line, object.at("tool_calls"), problem);
        }
        for (number, text) in calls.into_iter().enumerate() {
            let place = object.at(&format!("tool_calls[{number}]"));
            let mut call = Object::read(self.document, text, place, findings)?;
            let id = call.text("id", findings)?;
            // Nothing but `function` can be called.
            call.take("type");
            let Some(function) = call.take("function") else {
                findings.fault(call.line(), call.at("function"), "it is missing", "");
                return None;
            };
            lost(&call, findings);
            let mut function = Object::read(self.document, function, call.at("function"), findings)?;
            let name = function.text("name", findings)?;
            let arguments = function.text("arguments", findings)?;
            let parameters = match super::json::object(arguments.trim()) {
                Ok(parameters) => parameters,
                Err(bad) => {
                    let hint = "the arguments are a JSON object, as text";
                    findings.fault(function.line(), function.at("arguments"), bad.problem, hint);
                    return None;
                }
            };
            self.open.push((id, self.entries.len()));
            self.entries.push(Entry::Tool { name, parameters, observation: None, loss });
        }
        Some(())
    }

    /// The content: text, or parts of text, which are joined. `Some(None)` is null.
    fn content(&self, object: &mut Object<'d>, findings: &mut Findings) -> Option<Option<String>> {
        let Some(text) = object.take("content") else {
            findings.fault(object.line(), object.at("content"), "it is missing", "");
            return None;
        };
        if text == "null" {
            return Some(None);
        }
        if !text.starts_with('[') {
            return object.as_text("content", text, findings).map(Some);
        }
        let mut whole = String::new();
        for (number, part) in super::json::items(text).unwrap_or_default().into_iter().enumerate() {
            let place = object.at(&format!("content[{number}]"));
            let mut part = Object::read(self.document, part, place, findings)?;
            match part.text("type", findings)?.as_str() {
                "text" => whole.push_str(&part.text("text", findings)?),
                other => {
                    let problem = format!("a part of the type `{other}` is no text");
                    findings.fault(part.line(), part.at("type"), problem, "");
                    return None;
                }
            }
            lost(&part, findings);
        }
        Some(Some(whole))
    }
}

/// Writes a sample; `None` and a fault where the format cannot hold it.
pub(super) fn write(line: usize, sample: &Conversation, findings: &mut Findings) -> Option<Value> {
    let tools: Vec<Value> = sample
        .tools
        .iter()
        .enumerate()
        .filter_map(|(number, tool)| {
            let wrapped = tool.get("function").is_some_and(Value::is_object);
            let named = tool.get("name").is_some_and(Value::is_string);
            if !wrapped && !named {
                let problem = "OpenAI's tools have a name and a schema, and this has no name";
                findings.fault(line, format!("tools[{number}]"), problem, "");
                return None;
            }
            Some(if wrapped { tool.clone() } else { json!({"type": "function", "function": tool}) })
        })
        .collect();
    let mut messages = Writing { line, messages: Vec::new(), calls: 0 };
    let mut entries = sample.entries.iter().enumerate().peekable();
    while let Some((number, entry)) = entries.next() {
        let place = format!("conversations[{number}]");
        match entry {
            Entry::System { content } => messages.push(json!({"role": "system", "content": content}), None),
            Entry::User { content } => messages.push(json!({"role": "user", "content": content}), None),
            Entry::Assistant { metadata, content, loss } if metadata.is_empty() => {
                let call =
                    entries.next_if(|(_, next)| matches!(next, Entry::Tool { loss: of_call, .. } if of_call == loss));
                match call {
                    Some((number, call)) => {
                        let place = format!("conversations[{number}]");
                        messages.call(Some(content), call, &place, entries.peek().is_none(), findings);
                    }
                    None => messages.push(json!({"role": "assistant", "content": content}), *loss),
                }
            }
            Entry::Assistant { metadata, .. } => {
                findings.fault(line, place, format!("OpenAI's format has no place for metadata (`{metadata}`)"), "");
            }
            Entry::Observation { .. } => {
                findings.fault(line, place, "OpenAI's format has no answer without a call", "");
            }
            Entry::Tool { .. } => messages.call(None, entry, &place, entries.peek().is_none(), findings),
        }
    }
    let mut whole = Map::new();
    whole.insert("messages".to_owned(), Value::Array(messages.messages));
    if !tools.is_empty() {
        whole.insert("tools".to_owned(), Value::Array(tools));
    }
    Some(Value::Object(whole))
}

/// Entries that become messages.
struct Writing {
    line: usize,
    messages: Vec<Value>,
    calls: usize,
}

impl Writing {
    fn push(&mut self, mut message: Value, loss: Option<bool>) {
        if let (Some(loss), Some(message)) = (loss, message.as_object_mut()) {
            message.insert("weight".to_owned(), Value::from(u8::from(loss)));
        }
        self.messages.push(message);
    }

    /// A call and its answer. `prose` stands before the call in the same message.
    fn call(&mut self, prose: Option<&str>, entry: &Entry, place: &str, last: bool, findings: &mut Findings) {
        let Entry::Tool { name, parameters, observation, loss } = entry else { return };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !name.chars().all(plain) || name.len() > 64 {
            let problem = format!("OpenAI takes no function named `{name}`");
            findings.note(self.line, place, problem, "its names are letters, digits, `_` and `-`, at most 64");
        }
        self.calls = self.calls.saturating_add(1);
        let id = format!("call_{}", self.calls);
        let arguments = pyjson::dumps(&Value::Object(parameters.clone()), None);
        let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        let mut message = json!({"role": "assistant"});
        if let (Some(prose), Some(message)) = (prose, message.as_object_mut()) {
            message.insert("content".to_owned(), Value::from(prose));
        }
        if let Some(message) = message.as_object_mut() {
            message.insert("tool_calls".to_owned(), Value::Array(vec![call]));
        }
        self.push(message, *loss);
        let content = match observation {
            Some(Value::String(text)) => text.clone(),
            Some(value) => {
                findings.loss(self.line, format!("{place}.observation"), "JSON becomes its text");
                pyjson::dumps(value, None)
            }
            None if last => return,
            None => {
                findings.fault(
                    self.line,
                    place,
                    "a call without an answer may only come last",
                    "write its `observation`",
                );
                return;
            }
        };
        self.push(json!({"role": "tool", "tool_call_id": id, "content": content}), None);
    }
}
