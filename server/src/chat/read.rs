//! From OpenAI's request to the model's.

use std::collections::{BTreeMap, BTreeSet};

use glassbox_model::{
    AssistantMessage, AssistantPart, Message, Observation, ReplyFormat, Request, Sampling, ToolChoice,
};
use glassbox_tools::{CallId, ToolCall, ToolSpec};
use serde_json::Value;

use crate::error::ApiError;
use crate::sampling;
use crate::wire::{ChatRequest, Content, RequestMessage, ToolCallEntry, ToolChoiceEntry, ToolEntry};

/// Tools in one request.
const MAX_TOOLS: usize = 512;
/// Likeliest tokens beside each, as OpenAI has it.
const MAX_TOP_LOGPROBS: u32 = 20;

/// Replies of one request.
const MAX_REPLIES: u32 = 16;

/// How many replies are asked for.
pub(super) fn replies(n: Option<u32>) -> Result<usize, ApiError> {
    match n.unwrap_or(1) {
        n @ 1..=MAX_REPLIES => Ok(n as usize),
        n => {
            Err(ApiError::invalid("n", format!("a request has at least one reply and at most {MAX_REPLIES}, not {n}")))
        }
    }
}

/// The model's request. `defaults` is what the caller left out.
pub(super) fn read(request: ChatRequest, defaults: &Sampling) -> Result<Request, ApiError> {
    if request.max_completion_tokens.or(request.max_tokens) == Some(0) {
        return Err(ApiError::invalid("max_completion_tokens", "a reply has at least one token"));
    }
    let tools = tools(request.tools.unwrap_or_default())?;
    let tool_choice = tool_choice(request.tool_choice, &tools)?;
    Ok(Request {
        messages: messages(request.messages)?,
        tools,
        tool_choice,
        parallel_calls: request.parallel_tool_calls.unwrap_or(true),
        format: format(request.response_format)?,
        sampling: sampling::read(request.sampling, defaults)?,
        logprobs: logprobs(request.logprobs, request.top_logprobs)?,
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        stop: sampling::stop(request.stop)?,
        next_call: 1,
        ..Request::default()
    })
}

fn format(format: Option<Value>) -> Result<ReplyFormat, ApiError> {
    let wrong = |problem: &str| Err(ApiError::invalid("response_format", problem));
    let Some(format) = format else { return Ok(ReplyFormat::Text) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(ReplyFormat::Text),
        // llama.cpp's server takes a schema here too.
        Some("json_object") => Ok(format.get("schema").cloned().map_or(ReplyFormat::Json, ReplyFormat::Schema)),
        Some("json_schema") => match format.pointer("/json_schema/schema") {
            Some(schema) => Ok(ReplyFormat::Schema(schema.clone())),
            None => wrong("`response_format.json_schema.schema` is missing"),
        },
        _ => wrong("`response_format.type` is `text`, `json_object` or `json_schema`"),
    }
}

fn logprobs(wanted: Option<bool>, top: Option<u32>) -> Result<Option<u32>, ApiError> {
    match (wanted.unwrap_or(false), top) {
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(ApiError::invalid("top_logprobs", "`top_logprobs` needs `logprobs`")),
        (true, Some(top)) if top > MAX_TOP_LOGPROBS => {
            Err(ApiError::invalid("top_logprobs", format!("`top_logprobs` is at most {MAX_TOP_LOGPROBS}")))
        }
        (true, top) => Ok(Some(top.unwrap_or(0))),
    }
}

fn tools(entries: Vec<ToolEntry>) -> Result<Vec<ToolSpec>, ApiError> {
    if entries.len() > MAX_TOOLS {
        return Err(ApiError::invalid("tools", format!("{} tools are more than {MAX_TOOLS}", entries.len())));
    }
    let (mut specs, mut names) = (Vec::new(), BTreeSet::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let wrong = |problem: String| ApiError::invalid(format!("tools[{index}]"), problem);
        let function = match (entry.kind.as_str(), entry.function) {
            ("function", Some(function)) => function,
            ("function", None) => return Err(wrong("`function` is missing".to_owned())),
            (kind, _) => return Err(wrong(format!("tools of the type `{kind}` are not there; `function` is"))),
        };
        let mut spec = ToolSpec::new(function.name, function.description.unwrap_or_default());
        if let Some(parameters) = function.parameters {
            spec = spec.with_parameters(parameters);
        }
        spec.check().map_err(|error| wrong(format!("{error}; {}", error.hint())))?;
        if !names.insert(spec.name.clone()) {
            return Err(wrong(format!("two tools are named `{}`", spec.name)));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn tool_choice(choice: Option<ToolChoiceEntry>, tools: &[ToolSpec]) -> Result<ToolChoice, ApiError> {
    let wrong = |problem: String| Err(ApiError::invalid("tool_choice", problem));
    let choice = match choice {
        None => ToolChoice::Auto,
        Some(ToolChoiceEntry::Word(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            other => return wrong(format!("`{other}` is not `auto`, `none`, `required` or a function")),
        },
        Some(ToolChoiceEntry::Named(choice)) => {
            match choice.pointer("/function/name").or_else(|| choice.get("name")).and_then(Value::as_str) {
                Some(name) => ToolChoice::Named(name.to_owned()),
                None => {
                    return wrong(
                        "a function is named as {\"type\": \"function\", \"function\": {\"name\": …}}".to_owned(),
                    );
                }
            }
        }
    };
    match &choice {
        ToolChoice::Required if tools.is_empty() => {
            wrong("a tool must be called and there is none in `tools`".to_owned())
        }
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            wrong(format!("there is no tool `{name}` in `tools`"))
        }
        _ => Ok(choice),
    }
}

fn messages(given: Vec<RequestMessage>) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    // The names of calls, for their answers.
    let mut calls: BTreeMap<String, String> = BTreeMap::new();
    for (index, message) in given.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        let read = match message {
            RequestMessage::System { content } => {
                let content = text(content, &at)?;
                match messages.last_mut() {
                    None => Message::system(content),
                    // Clients put several instructions at the beginning; models know one.
                    Some(Message::System { content: first }) if index > 0 => {
                        first.push_str("\n\n");
                        first.push_str(&content);
                        continue;
                    }
                    Some(_) => return Err(ApiError::invalid(at, "system messages stand at the beginning")),
                }
            }
            RequestMessage::User { content } => Message::user(text(content, &at)?),
            RequestMessage::Assistant { content, tool_calls } => {
                let content = content.map(|content| text(content, &at)).transpose()?;
                let tool_calls = tool_calls.unwrap_or_default();
                calls.extend(tool_calls.iter().map(|call| (call.id.clone(), call.function.name.clone())));
                assistant(content, tool_calls)
            }
            RequestMessage::Tool { content, tool_call_id } => {
                let Some(name) = calls.get(&tool_call_id) else {
                    return Err(ApiError::invalid(
                        at,
                        format!("no message before has a call with the id `{tool_call_id}`"),
                    ));
                };
                Message::Observation(Observation {
                    name: Some(name.clone()),
                    call_id: Some(CallId(tool_call_id)),
                    content: text(content, &at)?,
                })
            }
        };
        messages.push(read);
    }
    match messages.last() {
        Some(Message::User { .. } | Message::Observation(_)) => Ok(messages),
        None => Err(ApiError::invalid("messages", "there is no message")),
        Some(_) => Err(ApiError::invalid("messages", "the last message is one of the role `user` or `tool`")),
    }
}

fn assistant(content: Option<String>, calls: Vec<ToolCallEntry>) -> Message {
    let prose = content.filter(|content| !content.is_empty()).map(|text| AssistantPart::Text { text });
    let calls = calls.into_iter().map(|ToolCallEntry { id, function, .. }| {
        // What is no JSON is kept as the model wrote it.
        let arguments = serde_json::from_str(&function.arguments).unwrap_or(Value::String(function.arguments));
        AssistantPart::Call { call: ToolCall::new(id, function.name, arguments) }
    });
    Message::Assistant(AssistantMessage { parts: prose.into_iter().chain(calls).collect(), raw: None })
}

fn text(content: Content, at: &str) -> Result<String, ApiError> {
    let parts = match content {
        Content::Text(text) => return Ok(text),
        Content::Parts(parts) => parts,
    };
    let mut joined = String::new();
    for part in parts {
        match (part.kind.as_str(), part.text) {
            ("text" | "input_text", Some(text)) => joined.push_str(&text),
            (kind, _) => {
                return Err(ApiError::invalid(
                    at,
                    format!("the model reads text; it cannot read a part of the type `{kind}`"),
                ));
            }
        }
    }
    Ok(joined)
}
