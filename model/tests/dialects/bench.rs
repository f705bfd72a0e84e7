//! Dialects with their grammars, and the tools that their tests call.

use glassbox_model::dialect::{ChatGlm3, Dialect, Generic, Grammar, Hermes, Piece};
use glassbox_model::{Request, ToolChoice};
use glassbox_tools::ToolSpec;
use serde_json::json;

use super::{ByteVocab, Grammars, Part, metadata, parts, tool};

const QWEN: &str = include_str!("../fixtures/templates/qwen2.5.jinja");

pub(crate) fn weather() -> ToolSpec {
    tool(
        "get_weather",
        json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 14}
        }, "required": ["city"]}),
    )
}

/// As ChatGLM3's own example has it: the parameter has no type.
pub(crate) fn track() -> ToolSpec {
    tool(
        "track",
        json!({"type": "object", "properties": {"symbol": {"description": "需要追踪的股票代码"}}, "required": ["symbol"]}),
    )
}

pub(crate) fn request(tools: Vec<ToolSpec>, choice: ToolChoice, several: bool) -> Request {
    Request { tools, tool_choice: choice, parallel_calls: several, ..Request::default() }
}

pub(crate) struct Bench {
    pub(crate) vocab: ByteVocab,
    pub(crate) dialect: Box<dyn Dialect>,
    pub(crate) grammars: Grammars,
}

impl Bench {
    pub(crate) fn chatglm3() -> Self {
        let vocab = ByteVocab::chatglm3();
        Self { grammars: Grammars::new(&vocab), dialect: Box::new(ChatGlm3::new(&vocab).unwrap()), vocab }
    }

    pub(crate) fn hermes() -> Self {
        let vocab = ByteVocab::chatml();
        let dialect = Hermes::new(&vocab, &metadata("qwen2", Some(QWEN))).unwrap();
        Self { grammars: Grammars::new(&vocab), dialect: Box::new(dialect), vocab }
    }

    pub(crate) fn hermes_with_control_marks() -> Self {
        let vocab = ByteVocab::chatml_with_control_marks();
        let dialect = Hermes::new(&vocab, &metadata("qwen2", Some(QWEN))).unwrap();
        Self { grammars: Grammars::new(&vocab), dialect: Box::new(dialect), vocab }
    }

    pub(crate) fn generic() -> Self {
        let vocab = ByteVocab::chatml();
        let dialect = Generic::new(&vocab, &metadata("llama", None)).unwrap();
        Self { grammars: Grammars::new(&vocab), dialect: Box::new(dialect), vocab }
    }

    pub(crate) fn grammar(&self, request: &Request) -> Grammar {
        self.dialect.grammar(request).unwrap().expect("a grammar")
    }

    pub(crate) fn pieces(&self, reply: &str) -> Vec<Piece> {
        use glassbox_model::Vocab as _;
        let known: Vec<(u32, String)> = (0..self.vocab.len())
            .filter(|id| self.vocab.is_special(*id))
            .filter_map(|id| Some((id, self.vocab.special_text(id)?)))
            .filter(|(_, text)| text.starts_with('<'))
            .collect();
        let known: Vec<(u32, &str)> = known.iter().map(|(id, text)| (*id, text.as_str())).collect();
        parts(reply, &known)
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => Piece::Text(text),
                Part::Special(id, _) => Piece::Special(id),
            })
            .collect()
    }

    pub(crate) fn takes(&self, request: &Request, reply: &str) -> bool {
        self.grammars.takes(&self.grammar(request), &self.vocab, &self.pieces(reply))
    }

    #[track_caller]
    pub(crate) fn check(&self, request: &Request, taken: &[&str], refused: &[&str]) {
        for reply in taken {
            assert!(self.takes(request, reply), "refused: {reply:?}\n{}", self.grammar(request).lark);
        }
        for reply in refused {
            assert!(!self.takes(request, reply), "taken: {reply:?}\n{}", self.grammar(request).lark);
        }
    }
}

pub(crate) const CALL: &str = "get_weather\n ```python\ntool_call(city='北京', days=3)\n```";
pub(crate) const TAGGED: &str =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"北京\", \"days\": 3}}\n</tool_call>";
pub(crate) const FENCED: &str =
    "```json\n{\n  \"name\": \"get_weather\",\n  \"arguments\": {\n    \"city\": \"x\"\n  }\n}\n```";
pub(crate) const BARE: &str = "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"x\"}}";
