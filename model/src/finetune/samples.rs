//! Reads samples as ChatGLM3's fine-tuning takes them, and checks them.

use serde_json::{Map, Value};

use super::finding::Findings;
use super::json::{self, BadValue, Document};
use super::sample::{Conversation, Entry, Pair, Sample};
use crate::dialect::literal;

/// The keys of prompt and response in a file of pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairKeys {
    /// The prompt's. Default `prompt`.
    pub prompt: String,
    /// The response's. Default `response`.
    pub response: String,
}

impl Default for PairKeys {
    fn default() -> Self {
        Self { prompt: "prompt".to_owned(), response: "response".to_owned() }
    }
}

/// The members of an object, to be asked for one by one.
pub(super) struct Object<'d> {
    document: &'d Document<'d>,
    place: String,
    line: usize,
    members: Vec<(String, &'d str)>,
}

impl<'d> Object<'d> {
    /// The object `text` at `place` of a sample; a fault where it is none.
    pub(super) fn read(
        document: &'d Document<'d>,
        text: &'d str,
        place: String,
        findings: &mut Findings,
    ) -> Option<Self> {
        let line = document.line(text);
        match json::members(text) {
            Ok(members) => Some(Self { document, place, line, members }),
            Err(bad) => {
                bad_value(document, &bad, place, findings);
                None
            }
        }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// `place` of a member.
    pub(super) fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, key: &str) -> Option<&'d str> {
        let at = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(at).1)
    }

    /// Takes a member out where it is null.
    pub(super) fn take_null(&mut self, key: &str) -> Option<()> {
        let at = self.members.iter().position(|(name, value)| name == key && *value == "null")?;
        self.members.remove(at);
        Some(())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(name, _)| name == key)
    }

    /// A member that must be text.
    pub(super) fn text(&mut self, key: &str, findings: &mut Findings) -> Option<String> {
        let Some(text) = self.take(key) else {
            findings.fault(self.line, self.at(key), "it is missing", "write the text, \"\" for none");
            return None;
        };
        self.as_text(key, text, findings)
    }

    pub(super) fn as_text(&self, key: &str, text: &'d str, findings: &mut Findings) -> Option<String> {
        match json::value(text) {
            Ok(Value::String(text)) => return Some(text),
            Ok(other) => findings.fault(
                self.document.line(text),
                self.at(key),
                format!("it is {}", kind(&other)),
                "it must be text, in quotes",
            ),
            Err(bad) => bad_value(self.document, &bad, self.at(key), findings),
        }
        None
    }

    /// A member that may be true or false.
    pub(super) fn flag(&mut self, key: &str, findings: &mut Findings) -> Option<bool> {
        let text = self.take(key)?;
        match text {
            "true" => Some(true),
            "false" => Some(false),
            "null" => None,
            _ => {
                findings.fault(
                    self.document.line(text),
                    self.at(key),
                    "it is not true or false",
                    "write true or false",
                );
                None
            }
        }
    }

    /// A member that must be a list, where it is there.
    pub(super) fn list(&mut self, key: &str, findings: &mut Findings) -> Option<Vec<&'d str>> {
        let text = self.take(key)?;
        match json::items(text) {
            Ok(items) => Some(items),
            Err(bad) => {
                bad_value(self.document, &bad, self.at(key), findings);
                None
            }
        }
    }

    /// A member that must be an object, where it is there.
    pub(super) fn map(&self, key: &str, text: &'d str, findings: &mut Findings) -> Option<Map<String, Value>> {
        json::object(text).map_err(|bad| bad_value(self.document, &bad, self.at(key), findings)).ok()
    }

    /// A value of any kind.
    pub(super) fn value(&self, key: &str, text: &'d str, findings: &mut Findings) -> Option<Value> {
        json::value(text).map_err(|bad| bad_value(self.document, &bad, self.at(key), findings)).ok()
    }

    /// The keys that nobody asked for.
    pub(super) fn rest(&self) -> Vec<String> {
        self.members.iter().map(|(key, _)| self.at(key)).collect()
    }

    /// Notes the keys that nobody asked for.
    fn note_rest(&self, findings: &mut Findings) {
        for key in self.rest() {
            findings.note(self.line, key, "nothing reads this", "");
        }
    }
}

fn bad_value(document: &Document<'_>, bad: &BadValue<'_>, place: String, findings: &mut Findings) {
    findings.fault(document.line(bad.part), place, bad.problem.clone(), "");
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Reads one sample.
pub(super) fn sample<'d>(
    document: &'d Document<'d>,
    text: &'d str,
    keys: &PairKeys,
    findings: &mut Findings,
) -> Option<Sample> {
    let mut object = Object::read(document, text, String::new(), findings)?;
    if object.has("conversations") {
        return conversation(document, object, findings).map(Sample::Conversation);
    }
    if object.has(&keys.prompt) || object.has(&keys.response) {
        let prompt = object.text(&keys.prompt, findings);
        let response = object.text(&keys.response, findings);
        object.note_rest(findings);
        let pair = Pair { prompt: prompt?, response: response? };
        if pair.response.is_empty() {
            findings.note(object.line(), keys.response.as_str(), "it is empty: only the end is learnt", "");
        }
        return Some(Sample::Pair(pair));
    }
    let hint = if object.has("messages") {
        "it looks like OpenAI's form: `glassbox data convert --from openai --to glm3`".to_owned()
    } else if object.has("Instances") {
        "it looks like ToolAlpaca: `glassbox data convert --from toolalpaca --to glm3`".to_owned()
    } else {
        format!(
            "a sample has `conversations`, or `{}` and `{}`; `--prompt-key` and `--response-key` name others",
            keys.prompt, keys.response
        )
    };
    findings.fault(object.line(), "", "it is no sample", hint);
    None
}

fn conversation<'d>(
    document: &'d Document<'d>,
    mut object: Object<'d>,
    findings: &mut Findings,
) -> Option<Conversation> {
    let line = object.line();
    let mut sample = Conversation::default();
    match object.take("tools") {
        None | Some("null") => {}
        Some("[]") => findings.note(line, "tools", "it is empty, and rendered as if it were not there", ""),
        Some(text) => match object.value("tools", text, findings) {
            Some(Value::Array(tools)) => sample.tools = tools,
            Some(other) => {
                let problem = format!("it is {}", kind(&other));
                findings.fault(line, "tools", problem, "it must be a list of tools");
            }
            None => {}
        },
    }
    let known = tool_names(&sample.tools, line, findings);
    let entries = object.list("conversations", findings)?;
    object.note_rest(findings);
    if entries.is_empty() {
        findings.fault(
            line,
            "conversations",
            "it is empty",
            "a sample needs at least a user's and an assistant's entry",
        );
    }
    for (number, text) in entries.into_iter().enumerate() {
        let place = format!("conversations[{number}]");
        let Some(entry) = entry(document, text, place.clone(), known.as_deref(), findings) else { continue };
        let before = sample.entries.last();
        if findings.faults() == 0
            && let Some((problem, hint)) = misplaced(before, &entry)
        {
            findings.fault(document.line(text), place, problem, hint);
        }
        sample.entries.push(entry);
    }
    if findings.faults() == 0 && !sample.has_targets() {
        findings.note(
            line,
            "",
            "no token of it is learnt",
            "it needs an `assistant` or `tool` entry without `\"loss\": false`",
        );
    }
    Some(sample)
}

/// What is wrong with the order, and what to do.
pub(super) fn misplaced(before: Option<&Entry>, entry: &Entry) -> Option<(&'static str, &'static str)> {
    match (before, entry) {
        (Some(_), Entry::System { .. }) => {
            Some(("a system entry may only come first", "move it to the front, or make it one with the first"))
        }
        (Some(Entry::User { .. }), Entry::User { .. }) => {
            Some(("two user entries follow each other", "make them one, or put the reply between them"))
        }
        (None | Some(Entry::System { .. } | Entry::User { .. } | Entry::Tool { .. }), Entry::Observation { .. }) => {
            Some((
                "an observation may only follow an assistant's entry",
                "the answer to a call is the `observation` of its `tool` entry",
            ))
        }
        _ => None,
    }
}

/// The names of the tools, where each has one.
fn tool_names(tools: &[Value], line: usize, findings: &mut Findings) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (number, tool) in tools.iter().enumerate() {
        let inner = tool.get("function").filter(|function| function.is_object());
        if inner.is_some() {
            findings.note(
                line,
                format!("tools[{number}]"),
                "it is wrapped as OpenAI has it, and the model is shown the wrapping",
                "leave `{\"name\", \"description\", \"parameters\"}`, which is what `glassbox` shows it",
            );
        }
        names.push(inner.unwrap_or(tool).get("name").and_then(Value::as_str).map(str::to_owned));
    }
    if names.is_empty() { None } else { names.into_iter().collect() }
}

fn entry<'d>(
    document: &'d Document<'d>,
    text: &'d str,
    place: String,
    known: Option<&[String]>,
    findings: &mut Findings,
) -> Option<Entry> {
    let mut object = Object::read(document, text, place, findings)?;
    if !object.has("role") && object.has("from") {
        let hint = "write `role` (user, assistant) and `content` in place of `from` and `value`";
        findings.fault(object.line(), object.at("role"), "it is missing", hint);
        return None;
    }
    let role = object.text("role", findings)?;
    let entry = match role.as_str() {
        "system" | "user" => {
            if object.take("loss").is_some() {
                let problem = format!("a {role}'s entry is never learnt, whatever `loss` says");
                findings.note(object.line(), object.at("loss"), problem, "leave it out");
            }
            let content = object.text("content", findings)?;
            if role == "system" { Entry::System { content } } else { Entry::User { content } }
        }
        "assistant" => {
            let loss = object.flag("loss", findings);
            let metadata = if object.has("metadata") { object.text("metadata", findings)? } else { String::new() };
            if !metadata.is_empty() {
                let problem = "the preprocessing published with ChatGLM3 does not know metadata, and leaves it out";
                findings.note(object.line(), object.at("metadata"), problem, "render with `glassbox data render`");
            }
            let content = object.text("content", findings)?;
            Entry::Assistant { metadata, content, loss }
        }
        "tool" => tool(&mut object, known, findings)?,
        "observation" => Entry::Observation { content: object.text("content", findings)? },
        other => {
            let hint = match other {
                "function" => "the answer to a call is the `observation` of its `tool` entry",
                "human" => "write `user`",
                "gpt" | "model" | "bot" => "write `assistant`",
                "developer" => "write `system`",
                _ => "the roles are system, user, assistant, tool and observation",
            };
            findings.fault(object.line(), object.at("role"), format!("there is no role `{other}`"), hint);
            return None;
        }
    };
    object.note_rest(findings);
    Some(entry)
}

fn tool(object: &mut Object<'_>, known: Option<&[String]>, findings: &mut Findings) -> Option<Entry> {
    let line = object.line();
    let loss = object.flag("loss", findings);
    if object.has("content") && !object.has("parameters") {
        let hint = "a `tool` entry is the call and its answer: `name`, `parameters`, `observation`";
        findings.fault(line, object.at("content"), "a `tool` entry has none", hint);
        return None;
    }
    let name = object.text("name", findings);
    if let Some(name) = &name {
        if name.is_empty() || name.chars().any(char::is_control) {
            let problem = "a tool's name is one line of text";
            findings.fault(line, object.at("name"), problem, "write the name as the model shall write it");
        } else if known.is_some_and(|known| !known.contains(name)) {
            let problem = format!("`{name}` is none of the sample's tools");
            findings.note(line, object.at("name"), problem, "add it to `tools`, or leave `tools` out");
        }
    }
    let parameters = match object.take("parameters") {
        Some(text) => object.map("parameters", text, findings),
        None => {
            findings.fault(
                line,
                object.at("parameters"),
                "it is missing",
                "write an object with the arguments, {} for none",
            );
            None
        }
    };
    for key in parameters.iter().flat_map(Map::keys).filter(|key| !literal::is_keyword(key)) {
        let problem = format!("`{key}` cannot stand before an equals sign, and is written in `**{{…}}`");
        findings.note(line, object.at("parameters"), problem, "rename it, so that other readers of calls take it too");
    }
    let observation = match object.take("observation") {
        Some(text) => Some(object.value("observation", text, findings)?),
        None => {
            let problem = "it is missing, and rendered as `null`";
            findings.note(line, object.at("observation"), problem, "write what the tool answered");
            None
        }
    };
    Some(Entry::Tool { name: name?, parameters: parameters?, observation, loss })
}
