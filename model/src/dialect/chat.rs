//! What the dialects with a Jinja template have in common.

use serde_json::{Value, json};

use super::grammar::json_reply::Style;
use super::reply::INTERPRETER;
use super::template::{ChatTemplate, Guard, Input, Specials};
use super::{DialectError, Piece, fence};
use crate::{AssistantMessage, AssistantPart, Message, Request, ToolChoice, Vocab};

/// Tokens that end a reply, by the text that models know them by. Files made by converters do not always declare all.
const ENDS: [&str; 12] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
    "<|eot|>",
    "<|return|>",
    "<|END_OF_TURN_TOKEN|>",
    "<eos>",
];

/// A template, and what was found out about it.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) template: ChatTemplate,
    specials: Specials,
    bos: Option<u32>,
    stop: Vec<u32>,
    /// What the template writes where the model begins.
    opening: String,
    /// The opening leaves the model inside `<think>`.
    pub(crate) thinking: bool,
    tags: (Option<u32>, Option<u32>),
    thoughts: (Option<u32>, Option<u32>),
}

impl Chat {
    /// Parses the template and renders trial conversations.
    ///
    /// # Errors
    /// [`DialectError::Template`] where it cannot be parsed.
    pub(crate) fn new(source: &str, vocab: &dyn Vocab) -> Result<Self, DialectError> {
        let text_of = |id: Option<u32>| id.and_then(|id| vocab.special_text(id)).unwrap_or_default();
        let ends = vocab.end_of_generation();
        let template = ChatTemplate::new(source, &text_of(vocab.bos()), &text_of(ends.first().copied()))?;
        let control = |text: &str| vocab.special(text).filter(|id| vocab.is_special(*id));
        let mut chat = Self {
            template,
            specials: Specials::of(vocab),
            bos: vocab.bos(),
            stop: Vec::new(),
            opening: String::new(),
            thinking: false,
            tags: (control("<tool_call>"), control("</tool_call>")),
            thoughts: (control("<think>"), control("</think>")),
        };
        chat.opening = chat.find_opening();
        chat.thinking = chat.opening.trim_end().ends_with("<think>");
        chat.stop = ENDS.iter().filter_map(|text| control(text)).chain(chat.end_after_reply()).collect();
        chat.stop.sort_unstable();
        chat.stop.dedup();
        Ok(chat)
    }

    pub(crate) fn stop_tokens(&self) -> Vec<u32> {
        self.stop.clone()
    }

    /// How replies are constrained.
    pub(crate) fn style(&self, arguments_key: &'static str) -> Style {
        Style {
            arguments_key,
            names_call: false,
            tags: self.tags,
            thoughts: self.thoughts,
            thinking: self.thinking,
            reasons: self.template.source().contains("<think>"),
        }
    }

    /// True where a conversation with these messages can be rendered, and everything in `wanted` comes out.
    pub(crate) fn accepts(&self, messages: &[Value], tools: &[Value], wanted: &[&str]) -> bool {
        let input = Input { messages: messages.to_vec(), tools: tools.to_vec(), generation: true };
        self.template.render(&input).is_ok_and(|text| wanted.iter().all(|part| text.contains(part)))
    }

    /// The instructions that the template gives the model where a conversation has none.
    pub(crate) fn default_system(&self) -> Option<String> {
        const SYSTEM: &str = "glassbox-system";
        let question = json!({"role": "user", "content": "question"});
        let render =
            |messages: Vec<Value>| self.template.render(&Input { messages, tools: vec![], generation: false }).ok();
        let given = render(vec![json!({"role": "system", "content": SYSTEM}), question.clone()])?;
        let (before, after) = given.split_once(SYSTEM)?;
        let own = render(vec![question])?;
        let own = own.strip_prefix(before)?.strip_suffix(after)?.trim();
        // A turn that is there only then would bring its own tokens.
        let special =
            own.char_indices().any(|(at, _)| own.get(at..).is_some_and(|rest| self.specials.at_start(rest).is_some()));
        (!own.is_empty() && !special).then(|| own.to_owned())
    }

    fn find_opening(&self) -> String {
        let messages = vec![json!({"role": "user", "content": "question"})];
        let render =
            |generation| self.template.render(&Input { messages: messages.clone(), tools: vec![], generation });
        match (render(false), render(true)) {
            (Ok(without), Ok(with)) => with.strip_prefix(&without).unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }

    /// The special that the template puts right behind a reply.
    fn end_after_reply(&self) -> Option<u32> {
        const REPLY: &str = "glassbox-reply";
        let messages = vec![
            json!({"role": "user", "content": "question"}),
            json!({"role": "assistant", "content": REPLY}),
            json!({"role": "user", "content": "question"}),
        ];
        let rendered = self.template.render(&Input { messages, tools: vec![], generation: false }).ok()?;
        let (_, after) = rendered.split_once(REPLY)?;
        self.specials.at_start(after.trim_start()).map(|(_, id)| id)
    }

    /// Renders; recorded replies of `fingerprint` as their tokens, or, where the template does not let them through
    /// unchanged, as text.
    ///
    /// # Errors
    /// [`DialectError::Template`] where the template fails.
    pub(crate) fn render(
        &self,
        request: &Request,
        fingerprint: &str,
        form: &dyn Form,
    ) -> Result<Vec<Piece>, DialectError> {
        let is_recorded = |message: &Message| matches!(message, Message::Assistant(AssistantMessage { raw: Some(raw), .. }) if raw.fingerprint == fingerprint);
        let recorded = request.messages.iter().any(is_recorded);
        let first = self.try_render(request, recorded.then_some(fingerprint), form);
        let mut pieces = match first {
            Err(_) if recorded => self.try_render(request, None, form)?,
            other => other?,
        };
        if let Some(bos) = self.bos.filter(|bos| pieces.first() != Some(&Piece::Special(*bos))) {
            pieces.insert(0, Piece::Special(bos));
        }
        Ok(pieces)
    }

    fn try_render(
        &self,
        request: &Request,
        fingerprint: Option<&str>,
        form: &dyn Form,
    ) -> Result<Vec<Piece>, DialectError> {
        let offered = if request.tool_choice == ToolChoice::None { &[] } else { request.tools.as_slice() };
        let tools: Vec<Value> = offered.iter().map(|tool| tool.for_model()).collect();
        let mut messages = Vec::new();
        for message in &request.messages {
            messages.push(match message {
                Message::System { content } => Turn::new("system", content),
                Message::User { content } => Turn::new("user", content),
                Message::Observation(observation) => Turn {
                    observation: true,
                    name: observation.name.clone(),
                    id: observation.call_id.as_ref().map(|id| id.0.clone()),
                    ..Turn::new("tool", &observation.content)
                },
                Message::Assistant(message) => Turn {
                    recorded: message
                        .raw
                        .as_ref()
                        .filter(|raw| Some(raw.fingerprint.as_str()) == fingerprint)
                        .map(|raw| raw.ids.clone()),
                    parts: message.parts.clone(),
                    ..Turn::new("assistant", "")
                },
            });
        }
        let (messages, tools) = form.form(request, messages, tools);
        let texts = messages.iter().flat_map(Turn::texts).chain([self.template.source()]);
        let extra: Vec<Value> = messages.iter().flat_map(|turn| turn.calls()).collect();
        let mut guard = Guard::new(texts, tools.iter().chain(&extra), &self.specials)?;
        let messages = messages.into_iter().map(|turn| turn.into_json(&mut guard, &self.specials)).collect();
        let tools = tools.iter().map(|tool| guard.value(tool, &self.specials)).collect();
        let input = Input { messages, tools, generation: true };
        self.template.pieces(&input, &guard, &self.specials, &self.opening)
    }
}

/// How a dialect puts its messages and tools.
pub(crate) trait Form {
    /// Takes the messages one by one and the tools (`{"name", "description", "parameters"}`), and gives those that the
    /// template gets.
    fn form(&self, request: &Request, turns: Vec<Turn>, tools: Vec<Value>) -> (Vec<Turn>, Vec<Value>);
}

/// A message on its way to a template.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) role: &'static str,
    pub(crate) content: String,
    pub(crate) observation: bool,
    pub(crate) name: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) recorded: Option<Vec<u32>>,
    pub(crate) parts: Vec<AssistantPart>,
}

impl Turn {
    pub(crate) fn new(role: &'static str, content: &str) -> Self {
        Self { role, content: content.to_owned(), ..Self::default() }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().filter_map(|part| match part {
            AssistantPart::Text { text } | AssistantPart::Reasoning { text } => Some(text.as_str()),
            AssistantPart::Malformed { raw, .. } => Some(raw.as_str()),
            AssistantPart::Code { source, .. } => Some(source.as_str()),
            _ => None,
        });
        [self.content.as_str(), self.name.as_deref().unwrap_or_default(), self.id.as_deref().unwrap_or_default()]
            .into_iter()
            .chain(parts)
    }

    /// The calls, as OpenAI's form has them.
    fn calls(&self) -> Vec<Value> {
        let calls = self.parts.iter().filter_map(|part| match part {
            AssistantPart::Call { call } => Some((&call.id, call.name.as_str(), call.arguments.clone())),
            _ => None,
        });
        let form = |(id, name, arguments): (&glassbox_tools::CallId, &str, Value)| json!({"id": id.0, "type": "function", "function": {"name": name, "arguments": arguments}});
        calls.map(form).collect()
    }

    fn into_json(self, guard: &mut Guard, specials: &Specials) -> Value {
        if let Some(tokens) = &self.recorded {
            return json!({"role": self.role, "content": guard.recorded(tokens)});
        }
        let mut content = self.content.clone();
        let mut reasoning = String::new();
        for part in &self.parts {
            match part {
                AssistantPart::Text { text } => content.push_str(text),
                AssistantPart::Reasoning { text } => reasoning.push_str(text),
                AssistantPart::Malformed { raw, .. } => own_line(&mut content, raw),
                AssistantPart::Code { source, .. } => own_line(&mut content, &fence::block(source)),
                AssistantPart::Call { .. } => {}
            }
        }
        let mut message = json!({"role": self.role, "content": guard.text(&content, specials)});
        if let Some(map) = message.as_object_mut() {
            let calls = self.calls();
            if !calls.is_empty() {
                map.insert("tool_calls".to_owned(), guard.value(&Value::Array(calls), specials));
            }
            if !reasoning.is_empty() {
                map.insert("reasoning_content".to_owned(), Value::String(guard.text(&reasoning, specials)));
            }
            for (key, value) in [("name", &self.name), ("tool_call_id", &self.id)] {
                if let Some(value) = value.as_ref().filter(|_| self.observation) {
                    map.insert(key.to_owned(), Value::String(guard.text(value, specials)));
                }
            }
        }
        message
    }
}

/// Begins a line where one is open, and writes `text`.
pub(crate) fn own_line(content: &mut String, text: &str) {
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    content.push_str(text);
}

/// The code interpreter as a tool: some models call it so, whatever they are told.
pub(crate) fn interpreter_tool() -> Value {
    json!({
        "name": INTERPRETER,
        "description": "Run a Python program and get what it prints. Variables stay for the next program.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The program."}},
            "required": ["code"]
        }
    })
}
