//! Models that were never trained on tools: they are told in the system prompt how to write a call.

use std::sync::Arc;

use serde_json::{Value, json};

use super::chat::{Chat, Form, Turn, own_line};
use super::grammar::json_reply::{self, Style};
use super::json_calls::{Asked, Options, Parser, Settings, Spoken, call_list, judge, judge_another, prior};
use super::reply::INTERPRETER;
use super::{
    Dialect, DialectError, Grammar, Hesitation, Maker, OutputParser, Persistence, Piece, Steering, fence, order, pyjson,
};
use crate::{AssistantPart, Metadata, ReplyFormat, Request, ToolChoice, Vocab};

/// The key under which the system prompt asks for arguments.
const ARGUMENTS: &str = "arguments";

/// How likely the beginning of a call must be. That of a call that no tool fits is so for half of such questions; the judge has
/// the rest (`docs/evals.md`).
const LIKELY: f32 = 0.4;

/// How likely it must be where several of the user's words speak for a tool, and where none speaks for any.
const SPOKEN: f32 = 0.25;
const UNSPOKEN: f32 = 0.5;

/// How likely another call must be for a list to go on (`docs/evals.md`).
const ANOTHER: f32 = 0.1;

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
    /// What the template puts where the caller gives no instructions: with it, models call more surely.
    instructions: Option<String>,
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
        let instructions = chat.default_system();
        Ok(Self { chat, frame, system, instructions })
    }

    pub(crate) fn frame(&self) -> Frame {
        self.frame
    }

    /// How sure the model must be to begin its reply with a call; `None` where a program or data would do as well as words.
    fn hesitation(&self, request: &Request, asked: &Arc<Asked>) -> Result<Option<Hesitation>, DialectError> {
        // A program begins with backticks too, and is no less welcome than words.
        let free = request.tool_choice == ToolChoice::Auto && request.format == ReplyFormat::Text;
        if !free || request.interpreter || self.chat.thinking {
            return Ok(None);
        }
        let words = Request { tools: request.tools.clone(), tool_choice: ToolChoice::Answer, ..Request::default() };
        let least = match asked.support.most() {
            Spoken::Nothing => UNSPOKEN,
            Spoken::Little => LIKELY,
            Spoken::Much => SPOKEN,
        };
        let asked = Arc::clone(asked);
        Ok(Some(Hesitation {
            openers: ["`", "{", "[", "<tool_call>"].map(str::to_owned).into(),
            least,
            judge: Some(Maker::new(move || judge(&asked))),
            instead: self.grammar(&words)?,
        }))
    }
}

/// The part of the system prompt that shows the tools: in the words that Qwen's template has, which ChatML models know, but
/// for the form of the calls. In a list, small models make several where several are needed, and one where one is.
/// `docs/evals.md` has what else was tried.
fn tools_prompt(tools: &[Value], parallel: bool) -> String {
    let list: Vec<String> =
        tools.iter().map(|tool| pyjson::dumps(&json!({"type": "function", "function": tool}), None)).collect();
    let form = if parallel {
        "Return the function calls as a json list, one element for each thing that the user asks for"
    } else {
        "Return the function call as a json list of one element"
    };
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{}\n</tools>\n\n\
         {form}:\n```json\n[{{\"name\": <function-name>, \"{ARGUMENTS}\": <args-json-object>}}]\n```",
        list.join("\n")
    )
}

impl Form for Generic {
    fn form(&self, request: &Request, turns: Vec<Turn>, tools: Vec<Value>) -> (Vec<Turn>, Vec<Value>) {
        let mut out: Vec<Turn> = Vec::new();
        let tools = (!tools.is_empty()).then(|| tools_prompt(&tools, request.parallel_calls));
        let instructed = turns.iter().any(|turn| turn.role == "system" && !turn.content.is_empty());
        let own = self.instructions.clone().filter(|_| tools.is_some() && !instructed);
        let mut system = fence::after_system(fence::after_system(own, tools), fence::instructions(request));
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

/// A reply as this dialect has it written: the calls in a list, where the first of them stands.
fn as_text(parts: &[AssistantPart]) -> String {
    let mut out = String::new();
    let mut calls: Vec<Value> = Vec::new();
    for part in parts {
        if !calls.is_empty() && !matches!(part, AssistantPart::Call { .. } | AssistantPart::Reasoning { .. }) {
            own_line(&mut out, &list(&std::mem::take(&mut calls)));
            out.push('\n');
        }
        match part {
            AssistantPart::Text { text } => out.push_str(text),
            AssistantPart::Reasoning { .. } => {}
            AssistantPart::Call { call } => calls.push(json!({"name": call.name, ARGUMENTS: call.arguments})),
            AssistantPart::Code { source, .. } => own_line(&mut out, &fence::block(source)),
            AssistantPart::Malformed { raw, .. } => own_line(&mut out, raw),
        }
    }
    if !calls.is_empty() {
        own_line(&mut out, &list(&calls));
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

/// Calls as the prompt asks for them.
fn list(calls: &[Value]) -> String {
    format!("{FENCE}json\n{}\n{FENCE}", pyjson::dumps(&Value::Array(calls.to_vec()), None), FENCE = fence::FENCE)
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
        // Where a text may end the reply its last characters come late, and then it is not known which token they are of.
        let options = if request.stop.is_empty() { Options::of(request) } else { Vec::new() };
        Box::new(Parser::new(Settings { options, ..Settings::of(request, self.chat.thinking) }))
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.chat.stop_tokens()
    }

    fn grammar(&self, request: &Request) -> Result<Option<Grammar>, DialectError> {
        let look = fence::looks_first(request).then(|| Request {
            interpreter: true,
            tool_choice: ToolChoice::Named(INTERPRETER.to_owned()),
            ..Request::default()
        });
        let request = look.as_ref().unwrap_or(request);
        json_reply::grammar(request, &Style { names_call: !request.tools.is_empty(), ..self.chat.style(ARGUMENTS) })
    }

    fn steering(&self, request: &Request) -> Result<Steering, DialectError> {
        if request.tools.is_empty() {
            return Ok(Steering::default());
        }
        let asked = Asked::of(request);
        let persistence = || Persistence { least: ANOTHER, list: call_list(&asked), judge: Maker::new(judge_another) };
        Ok(Steering {
            hesitation: self.hesitation(request, &asked)?,
            persistence: request.parallel_calls.then(persistence),
            prior: Some(prior(&asked)),
        })
    }
}
