//! GLM-4: role tokens, a metadata line before each content, calls as a JSON object after the line with the tool's name.
//!
//! `[gMASK]` `<sop>`, then for each message the role's token, the metadata, a line break and the content; the last is
//! `<|assistant|>` alone. The metadata is empty for prose, a tool's name for a call, `python` for a program. The answer of
//! a tool has the role `<|observation|>`, and a reply that calls ends with that token (format: the chat template of
//! GLM-4-9B-Chat, `tokenizer_config.json`).
//!
//! Unlike ChatGLM3's, the vocabulary is one of byte pairs: metadata, line break and content are one text to it.

use super::chatglm3::FUNCTIONS_INTRO;
use glassbox_tools::ToolCall;

use super::chatglm3::parser::{Form, Parser};
use super::chatglm3::render::runs;
use super::grammar::chatglm3::{RunForm, grammar};
use super::reply::INTERPRETER;
use super::{Dialect, DialectError, Grammar, OutputParser, Piece, order, pyjson};
use crate::{AssistantMessage, Message, Request, ToolChoice, Vocab};

/// The tool under which GLM-4 was trained to run programs.
pub(crate) const PYTHON: &str = "python";

/// What stands before the tools, as the model was trained.
const INTRO: &str = "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具";

/// What stands behind each function.
const AFTER_FUNCTION: &str = "在调用上述函数时，请使用 Json 格式表示调用的参数。";

/// The interpreter, as the model was trained.
const PYTHON_TOOL: &str = "\n\n## python\n\n当你向 `python` 发送包含 Python 代码的消息时，该代码将会在一个有状态的 Jupyter notebook 环境中执行。\n`python` 返回代码执行的输出，或在执行 60 秒后返回超时。\n`/mnt/data` 将会持久化存储你的文件。在此会话中，`python` 无法访问互联网。不要使用 `python` 进行任何网络请求或者在线 API 调用，这些在线内容的访问将不会成功。";

/// Ids of the specials of one vocabulary.
#[derive(Debug, Clone, Copy)]
struct Ids {
    gmask: u32,
    sop: u32,
    end_of_text: u32,
    system: u32,
    user: u32,
    assistant: u32,
    observation: u32,
}

/// The GLM-4 format.
#[derive(Debug, Clone)]
pub struct Glm4 {
    ids: Ids,
}

impl Glm4 {
    /// For the model with this vocabulary.
    ///
    /// # Errors
    /// [`DialectError::MissingToken`] where one of GLM-4's specials is not in it.
    pub fn new(vocab: &dyn Vocab) -> Result<Self, DialectError> {
        let id = |text: &str| {
            vocab.special(text).ok_or_else(|| DialectError::MissingToken { dialect: "glm4", token: text.to_owned() })
        };
        Ok(Self {
            ids: Ids {
                gmask: id("[gMASK]")?,
                sop: id("<sop>")?,
                end_of_text: id("<|endoftext|>")?,
                system: id("<|system|>")?,
                user: id("<|user|>")?,
                assistant: id("<|assistant|>")?,
                observation: id("<|observation|>")?,
            },
        })
    }
}

impl Dialect for Glm4 {
    fn name(&self) -> &'static str {
        "glm4"
    }

    fn render(&self, request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError> {
        order::check(&request.messages)?;
        let ids = self.ids;
        let mut prompt =
            Prompt { assistant: ids.assistant, pieces: vec![Piece::Special(ids.gmask), Piece::Special(ids.sop)] };
        if let Some(tools) = tools_text(request) {
            prompt.message(ids.system, "", &tools);
        }
        for message in &request.messages {
            match message {
                // The template leaves out what is empty.
                Message::System { content } if content.is_empty() => {}
                Message::System { content } => prompt.message(ids.system, "", content),
                Message::User { content } => prompt.message(ids.user, "", content),
                Message::Assistant(message) => prompt.reply(message, fingerprint),
                Message::Observation(observation) => prompt.message(ids.observation, "", &observation.content),
            }
        }
        prompt.pieces.push(Piece::Special(ids.assistant));
        Ok(prompt.pieces)
    }

    fn parser(&self, request: &Request) -> Box<dyn OutputParser> {
        let Ids { end_of_text, system, user, assistant, observation, .. } = self.ids;
        let form = Form {
            ends: vec![end_of_text, system, user, assistant, observation],
            programs: &[PYTHON, INTERPRETER],
            training_date: false,
            program_hint: "after the line `python` comes the program",
        };
        Box::new(Parser::new(request, form))
    }

    fn stop_tokens(&self) -> Vec<u32> {
        vec![self.ids.end_of_text, self.ids.user, self.ids.observation]
    }

    fn grammar(&self, request: &Request) -> Result<Option<Grammar>, DialectError> {
        grammar(request, RunForm::Glm4, self.ids.assistant)
    }
}

/// The system message that names the tools; the caller's own is another one after it.
fn tools_text(request: &Request) -> Option<String> {
    if request.tool_choice == ToolChoice::None || (request.tools.is_empty() && !request.interpreter) {
        return None;
    }
    let mut text = INTRO.to_owned();
    for tool in &request.tools {
        let function = pyjson::dumps(&tool.for_model(), Some(4));
        text.push_str(&format!("\n\n## {}\n\n{function}\n{AFTER_FUNCTION}", tool.name));
    }
    if request.interpreter {
        text.push_str(PYTHON_TOOL);
        let functions = request.interpreter_notes.functions.trim();
        if !functions.is_empty() {
            text.push_str(&format!("\n\n{FUNCTIONS_INTRO}\n```python\n{functions}\n```"));
        }
    }
    Some(text)
}

struct Prompt {
    assistant: u32,
    pieces: Vec<Piece>,
}

impl Prompt {
    fn message(&mut self, role: u32, metadata: &str, content: &str) {
        self.pieces.push(Piece::Special(role));
        self.pieces.push(Piece::Text(format!("{metadata}\n{content}")));
    }

    fn reply(&mut self, message: &AssistantMessage, fingerprint: &str) {
        let role = self.assistant;
        if let Some(raw) = message.raw.as_ref().filter(|raw| raw.fingerprint == fingerprint) {
            self.pieces.push(Piece::Special(role));
            self.pieces.push(Piece::Tokens(raw.ids.clone()));
            return;
        }
        let call = |call: &ToolCall| pyjson::dumps(&call.arguments, None);
        for (metadata, content) in runs(message, call, |source| (PYTHON, source.to_owned())) {
            self.message(role, &metadata, &content);
        }
    }
}
