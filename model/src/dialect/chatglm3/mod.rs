//! ChatGLM3: role tokens by number, a metadata line before each content, calls as Python keyword calls.
//!
//! `[gMASK]` `sop`, then for each message: the role's id, the metadata and a line break, the content. The last is the
//! id of `<|assistant|>` alone; the model writes the metadata line itself: empty for prose, a tool's name for a call,
//! `interpreter` for code. Header and content are tokenised apart, since each gets its own dummy prefix (format:
//! `tokenization_chatglm.py` and `PROMPT.md` of ChatGLM3-6B).
//!
//! Only the 8K chat model was trained on tools; the Base and 32K models were not.

mod body;
pub(super) mod parser;
pub(super) mod render;

use super::grammar::chatglm3::{RunForm, grammar};
pub(crate) use super::reply::INTERPRETER;
use super::{Dialect, DialectError, Grammar, OutputParser, Piece};
use crate::{Request, Vocab};

use parser::{Form, Parser};
pub(crate) use render::{code_content, run};

/// Ids of ChatGLM3's specials, the same in every ChatGLM3 model.
pub(crate) mod ids {
    /// `</s>`
    pub(crate) const EOS: u32 = 2;
    /// `[gMASK]`
    pub(crate) const GMASK: u32 = 64790;
    /// `sop`
    pub(crate) const SOP: u32 = 64792;
    /// `<|system|>`
    pub(crate) const SYSTEM: u32 = 64794;
    /// `<|user|>`
    pub(crate) const USER: u32 = 64795;
    /// `<|assistant|>`
    pub(crate) const ASSISTANT: u32 = 64796;
    /// `<|observation|>`
    pub(crate) const OBSERVATION: u32 = 64797;
}

/// The specials that follow the pieces of its SentencePiece model, in the order of their ids.
pub const SPECIALS: [&str; 9] =
    ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];

/// The system prompt that ChatGLM3's chat demo was trained with. Never added unasked.
pub const CHAT_SYSTEM_PROMPT: &str = "You are ChatGLM3, a large language model trained by Zhipu.AI. \
    Follow the user's instructions carefully. Respond using markdown.";

/// The system prompt that ChatGLM3's code interpreter was trained with.
pub const CODE_SYSTEM_PROMPT: &str = "你是一位智能AI助手，你叫ChatGLM，你连接着一台电脑，但请注意不能联网。在使用Python解决任务时，你可以运行代码并得到结果，如果运行结果有错误，你需要尽可能对代码进行改进。你可以处理用户上传到电脑上的文件，文件默认存储路径是/mnt/data/。";

/// The first line of the system message where there are tools.
pub(crate) const TOOLS_INTRO: &str =
    "Answer the following questions as best as you can. You have access to the following tools:";

/// Before the functions that programs can call.
pub(crate) const FUNCTIONS_INTRO: &str = "代码中可以直接调用以下函数：";

/// The ChatGLM3 format.
#[derive(Debug, Clone, Default)]
pub struct ChatGlm3 {
    _private: (),
}

impl ChatGlm3 {
    /// For the model with this vocabulary.
    ///
    /// # Errors
    /// [`DialectError::MissingToken`] where the vocabulary is too small to have ChatGLM3's role tokens.
    pub fn new(vocab: &dyn Vocab) -> Result<Self, DialectError> {
        if vocab.len() <= ids::OBSERVATION {
            return Err(DialectError::MissingToken {
                dialect: "chatglm3",
                token: format!("<|observation|> ({})", ids::OBSERVATION),
            });
        }
        Ok(Self::default())
    }
}

impl Dialect for ChatGlm3 {
    fn name(&self) -> &'static str {
        "chatglm3"
    }

    fn render(&self, request: &Request, fingerprint: &str) -> Result<Vec<Piece>, DialectError> {
        render::render(request, fingerprint)
    }

    fn parser(&self, request: &Request) -> Box<dyn OutputParser> {
        let form = Form {
            ends: (ids::SYSTEM..=ids::OBSERVATION).chain([ids::EOS]).collect(),
            programs: &[INTERPRETER],
            training_date: true,
            program_hint: "after the line `interpreter` comes ```python\\nPROGRAM\\n```",
        };
        Box::new(Parser::new(request, form))
    }

    fn stop_tokens(&self) -> Vec<u32> {
        vec![ids::EOS, ids::USER, ids::OBSERVATION]
    }

    fn grammar(&self, request: &Request) -> Result<Option<Grammar>, DialectError> {
        grammar(request, RunForm::ChatGlm3, ids::ASSISTANT)
    }
}
