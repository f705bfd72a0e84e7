//! Messages to pieces.

use super::{CODE_SYSTEM_PROMPT, FUNCTIONS_INTRO, TOOLS_INTRO, ids};
use glassbox_tools::ToolCall;

use crate::dialect::literal::{Quotes, write_call};
use crate::dialect::reply::INTERPRETER;
use crate::dialect::{DialectError, Piece, fence, pyjson};
use crate::{AssistantMessage, AssistantPart, Message, Request, ToolChoice};

pub(super) fn render(request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError> {
    let mut prompt = Prompt { pieces: vec![Piece::Special(ids::GMASK), Piece::Special(ids::SOP)] };
    let mut messages = request.messages.as_slice();
    let given = match messages.split_first() {
        Some((Message::System { content }, rest)) => {
            messages = rest;
            Some(content.as_str())
        }
        _ => None,
    };
    if let Some(system) = system_text(request, given) {
        prompt.message(ids::SYSTEM, "", &system);
    }
    let mut before = None;
    for message in messages {
        check_order(before, message)?;
        match message {
            // check_order let no second one through.
            Message::System { content } => prompt.message(ids::SYSTEM, "", content),
            Message::User { content } => prompt.message(ids::USER, "", content),
            Message::Assistant(message) => prompt.assistant(message, fingerprint),
            Message::Observation(observation) => prompt.message(ids::OBSERVATION, "", &observation.content),
        }
        before = Some(message);
    }
    prompt.pieces.push(Piece::Special(ids::ASSISTANT));
    Ok(prompt.pieces)
}

/// The system message: what the model was trained on comes first, the caller's own words after it.
fn system_text(request: &Request, given: Option<&str>) -> Option<String> {
    let tools = if request.tool_choice == ToolChoice::None { &[] } else { request.tools.as_slice() };
    let tools = (!tools.is_empty()).then(|| {
        let list = tools.iter().map(|tool| tool.for_model()).collect();
        format!("{TOOLS_INTRO}\n{}", pyjson::dumps(&serde_json::Value::Array(list), Some(4)))
    });
    let code = (request.interpreter && request.tool_choice != ToolChoice::None).then(|| code_text(request));
    let trained = fence::after_system(tools, code);
    match (trained, given) {
        (Some(trained), Some(given)) if !given.is_empty() => Some(format!("{trained}\n\n{given}")),
        (Some(trained), _) => Some(trained),
        (None, given) => given.map(str::to_owned),
    }
}

/// The prompt that the code interpreter was trained with, word for word: it says where files lie and that there is no
/// network. Only functions of programs are added, which it does not know.
fn code_text(request: &Request) -> String {
    let functions = request.interpreter_notes.functions.trim();
    if functions.is_empty() {
        return CODE_SYSTEM_PROMPT.to_owned();
    }
    format!("{CODE_SYSTEM_PROMPT}\n\n{FUNCTIONS_INTRO}\n```python\n{functions}\n```")
}

fn check_order(before: Option<&Message>, message: &Message) -> Result<(), DialectError> {
    let problem = match (before, message) {
        (_, Message::System { .. }) => "a system message may only come first",
        (Some(Message::User { .. }), Message::User { .. }) => {
            "two user messages follow each other; ChatGLM3 wants a reply between them"
        }
        (None | Some(Message::User { .. } | Message::System { .. }), Message::Observation(_)) => {
            "an observation may only follow a reply of the model or another observation"
        }
        _ => return Ok(()),
    };
    Err(DialectError::Order { problem: problem.to_owned() })
}

/// One message: its role, the line of its metadata and its content, the two as texts of their own.
pub(crate) fn run(role: u32, metadata: &str, content: &str) -> [Piece; 3] {
    [Piece::Special(role), Piece::Text(format!("{metadata}\n")), Piece::Text(content.to_owned())]
}

/// The content of a program's message.
pub(crate) fn code_content(source: &str) -> String {
    format!("```python\n{source}\n```")
}

struct Prompt {
    pieces: Vec<Piece>,
}

impl Prompt {
    fn message(&mut self, role: u32, metadata: &str, content: &str) {
        self.pieces.extend(run(role, metadata, content));
    }

    fn assistant(&mut self, message: &AssistantMessage, fingerprint: &str) {
        if let Some(raw) = message.raw.as_ref().filter(|raw| raw.fingerprint == fingerprint) {
            self.pieces.push(Piece::Special(ids::ASSISTANT));
            self.pieces.push(Piece::Tokens(raw.ids.clone()));
            return;
        }
        let call = |call: &ToolCall| {
            let arguments = call.arguments.as_object().cloned().unwrap_or_default();
            format!("```python\n{}\n```", write_call("tool_call", &arguments, Quotes::Double))
        };
        for (metadata, content) in runs(message, call, |source| (INTERPRETER, code_content(source))) {
            self.message(ids::ASSISTANT, &metadata, &content);
        }
    }
}

/// The metadata and content of each run of a reply that is not replayed by its tokens: prose together, up to the next call
/// or program; one empty run where there is nothing. `call` writes a call's content, `code` a program's metadata and content.
pub(in crate::dialect) fn runs(
    message: &AssistantMessage,
    call: impl Fn(&ToolCall) -> String,
    code: impl Fn(&str) -> (&'static str, String),
) -> Vec<(String, String)> {
    let mut runs = Vec::new();
    let mut prose = String::new();
    for part in &message.parts {
        let (metadata, content) = match part {
            AssistantPart::Text { text } => {
                prose.push_str(text);
                continue;
            }
            // These models do not think aloud.
            AssistantPart::Reasoning { .. } => continue,
            AssistantPart::Call { call: made } => (made.name.as_str(), call(made)),
            AssistantPart::Code { source, .. } => code(source),
            AssistantPart::Malformed { name, raw, .. } => (name.as_deref().unwrap_or_default(), raw.clone()),
        };
        if !prose.is_empty() {
            runs.push((String::new(), std::mem::take(&mut prose)));
        }
        runs.push((metadata.to_owned(), content));
    }
    if !prose.is_empty() || runs.is_empty() {
        runs.push((String::new(), prose));
    }
    runs
}
