//! Models that were never trained on tools: they are told in the system prompt how to write a call.

use serde_json::{Value, json};

use super::chat::{Chat, Form, Turn, own_line};
use super::grammar::json_reply;
use super::json_calls::{Parser, Settings};
use super::{Dialect, DialectError, Grammar, OutputParser, Piece, fence, order, pyjson};
use crate::{AssistantPart, Metadata, Request, Vocab};

/// The key under which the system prompt asks for arguments.
const ARGUMENTS: &str = "parameters";

/// ChatML, for a model that has its tokens and no template.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// For a model with neither.
const PLAIN: &str = "{% for message in messages %}{% if message.role == 'system' %}{{ message.content }}\n\n\
    {% elif message.role == 'user' %}User: {{ message.content }}\n\n{% else %}Assistant: {{ message.content }}\n\n\
    {% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

/// Where the format of the turns comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The model's own template.
    Template,
    /// ChatML tokens.
    ChatMl,
    /// `User:` and `Assistant:`.
    Plain,
}

/// Any model, by way of the system prompt.
#[derive(Debug)]
pub struct Generic {
    chat: Chat,
    frame: Frame,
    system: bool,
}

impl Generic {
    /// For the model with this vocabulary and metadata: with its own template, or ChatML where it has the tokens, or
    /// plain text.
    ///
    /// # Errors
    /// [`DialectError::Template`] where the model's own template cannot be parsed or refuses a plain conversation.
    pub fn new(vocab: &dyn Vocab, metadata: &Metadata) -> Result<Self, DialectError> {
        let (source, frame) = match &metadata.chat_template {
            Some(template) if !template.trim().is_empty() => (template.as_str(), Frame::Template),
            _ if vocab.special("<|im_start|>").is_some() && vocab.special("<|im_end|>").is_some() => {
                (CHATML, Frame::ChatMl)
            }
            _ => (PLAIN, Frame::Plain),
        };
        let chat = Chat::new(source, vocab)?;
        let system = chat.accepts(
            &[json!({"role": "system", "content": "glassbox-system"}), json!({"role": "user", "content": "question"})],
            &[],
            &["glassbox-system"],
        );
        Ok(Self { chat, frame, system })
    }

    pub(crate) fn frame(&self) -> Frame {
        self.frame
    }
}

/// The part of the system prompt that shows the tools.
fn tools_prompt(tools: &[Value], parallel: bool) -> String {
    let list = pyjson::dumps(&Value::Array(tools.to_vec()), Some(2));
    let several =
        if parallel { "You may use several tools at once: write one such object after another.\n" } else { "" };
    format!(
        "You can use tools. These are the tools, each with the JSON Schema of its parameters:\n{list}\n\n\
         When you need a tool, write only a JSON object in this form and nothing else:\n\
         {{\"name\": \"NAME OF THE TOOL\", \"parameters\": {{\"NAME OF A PARAMETER\": VALUE}}}}\n\
         {several}\
         The result comes in the next message; then answer the question with it.\n\
         When no tool is needed, answer in plain words, without JSON."
    )
}

impl Form for Generic {
    fn form(&self, request: &Request, turns: Vec<Turn>, tools: Vec<Value>) -> (Vec<Turn>, Vec<Value>) {
        let mut out: Vec<Turn> = Vec::new();
        let tools = (!tools.is_empty()).then(|| tools_prompt(&tools, request.parallel_calls));
        let mut system = fence::after_system(tools, fence::instructions(request));
        for turn in turns {
            match turn.role {
                "system" => {
                    system = match system.take() {
                        Some(tools) if !turn.content.is_empty() => Some(format!("{}\n\n{tools}", turn.content)),
                        Some(tools) => Some(tools),
                        None => Some(turn.content),
                    };
                }
                "assistant" if turn.recorded.is_some() => out.push(turn),
                "assistant" => out.push(Turn::new("assistant", &as_text(&turn.parts))),
                _ => {
                    let content = if turn.observation {
                        match &turn.name {
                            Some(name) => format!("Result of {name}: {}", turn.content),
                            None => format!("Result: {}", turn.content),
                        }
                    } else {
                        turn.content
                    };
                    // Many templates take only one user message between two replies.
                    match out.last_mut().filter(|last| last.role == "user") {
                        Some(last) => last.content = format!("{}\n\n{content}", last.content),
                        None => out.push(Turn::new("user", &content)),
                    }
                }
            }
        }
        if let Some(system) = system {
            match out.first_mut().filter(|first| !self.system && first.role == "user") {
                Some(first) => first.content = format!("{system}\n\n{}", first.content),
                None => out.insert(0, Turn::new(if self.system { "system" } else { "user" }, &system)),
            }
        }
        (out, Vec::new())
    }
}

/// A reply as this dialect has it written.
fn as_text(parts: &[AssistantPart]) -> String {
    let mut out = String::new();
    let call = |out: &mut String, name: &str, arguments: &Value| {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&pyjson::dumps(&json!({"name": name, ARGUMENTS: arguments}), None));
        out.push('\n');
    };
    for part in parts {
        match part {
            AssistantPart::Text { text } => out.push_str(text),
            AssistantPart::Reasoning { .. } => {}
            AssistantPart::Call { call: made } => call(&mut out, &made.name, &made.arguments),
            AssistantPart::Code { source, .. } => own_line(&mut out, &fence::block(source)),
            AssistantPart::Malformed { raw, .. } => out.push_str(raw),
        }
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

impl Dialect for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn render(&self, request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError> {
        order::check(&request.messages)?;
        self.chat.render(request, fingerprint, self)
    }

    fn parser(&self, request: &Request) -> Box<dyn OutputParser> {
        Box::new(Parser::new(Settings::of(request, self.chat.thinking)))
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.chat.stop_tokens()
    }

    fn grammar(&self, request: &Request) -> Result<Option<Grammar>, DialectError> {
        json_reply::grammar(request, &self.chat.style(ARGUMENTS))
    }
}
