//! Models whose own template shows tools and takes calls in `<tool_call>` tags (Qwen 2.5 and later, Hermes, and others
//! with ChatML).

use serde_json::{Value, json};

use super::chat::{Chat, Form, Turn};
use super::grammar::json_reply;
use super::json_calls::{Parser, Settings};
use super::{Dialect, DialectError, Grammar, OutputParser, Piece, fence, order};
use crate::{Metadata, Request, Vocab};

/// The key that these models were trained to write arguments under.
const ARGUMENTS: &str = "arguments";

/// ChatML with tools.
#[derive(Debug)]
pub struct Hermes {
    chat: Chat,
}

impl Hermes {
    /// For the model with this vocabulary and metadata.
    ///
    /// # Errors
    /// [`DialectError::Template`] where the model has no chat template or it cannot be parsed.
    pub fn new(vocab: &dyn Vocab, metadata: &Metadata) -> Result<Self, DialectError> {
        let Some(template) = &metadata.chat_template else {
            return Err(DialectError::Template { problem: "the model file has none".to_owned() });
        };
        Ok(Self { chat: Chat::new(template, vocab)? })
    }

    /// True where the template shows tools, calls and their answers.
    pub(crate) fn knows_tools(&self) -> bool {
        let tool = json!({"type": "function", "function": {
            "name": "glassbox_tool", "description": "glassbox-description", "parameters": {"type": "object", "properties": {}}
        }});
        let messages = [
            json!({"role": "system", "content": "glassbox-system"}),
            json!({"role": "user", "content": "glassbox-question"}),
            json!({"role": "assistant", "content": "", "tool_calls": [
                {"id": "call-1", "type": "function", "function": {"name": "glassbox_call", "arguments": {"a": "glassbox-value"}}}
            ]}),
            json!({"role": "tool", "content": "glassbox-answer", "name": "glassbox_call", "tool_call_id": "call-1"}),
        ];
        let wanted = [
            "glassbox_tool",
            "glassbox-description",
            "glassbox-system",
            "glassbox-question",
            "glassbox_call",
            "glassbox-value",
            "glassbox-answer",
        ];
        self.chat.accepts(&messages, &[tool], &wanted)
    }
}

struct OpenAi;

impl Form for OpenAi {
    fn form(&self, request: &Request, mut turns: Vec<Turn>, tools: Vec<Value>) -> (Vec<Turn>, Vec<Value>) {
        if let Some(instructions) = fence::instructions(request) {
            match turns.first_mut().filter(|first| first.role == "system") {
                Some(system) => {
                    let given = std::mem::take(&mut system.content);
                    system.content = fence::after_system(Some(given), Some(instructions)).unwrap_or_default();
                }
                None => turns.insert(0, Turn::new("system", &instructions)),
            }
        }
        (turns, tools.into_iter().map(|tool| json!({"type": "function", "function": tool})).collect())
    }
}

impl Dialect for Hermes {
    fn name(&self) -> &'static str {
        "hermes"
    }

    fn render(&self, request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError> {
        order::check(&request.messages)?;
        self.chat.render(request, fingerprint, &OpenAi)
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
