//! Which dialect a model speaks.

use std::sync::Arc;

use super::chatglm3::{ChatGlm3, ids};
use super::generic::{Frame, Generic};
use super::glm4::Glm4;
use super::hermes::Hermes;
use super::{Choice, DialectError};
use crate::{Metadata, Vocab};

/// The names that [`by_name`] knows.
pub const NAMES: [&str; 4] = ["chatglm3", "glm4", "hermes", "generic"];

/// Finds the dialect of a model from its architecture, vocabulary and chat template. Where nothing fits, `generic` is
/// chosen and the notes say so.
///
/// # Errors
/// [`DialectError`] where the model's template cannot be used at all.
pub fn detect(vocab: &dyn Vocab, metadata: &Metadata) -> Result<Choice, DialectError> {
    if is_chatglm3(vocab, metadata) {
        let mut notes = Vec::new();
        if metadata.context_length > 8192 {
            notes.push(format!(
                "This ChatGLM3 has a context of {} tokens; only the 8K chat model was trained on tools.",
                metadata.context_length
            ));
        }
        return Ok(Choice { dialect: Arc::new(ChatGlm3::new(vocab)?), notes });
    }
    if is_glm4(metadata)
        && let Ok(glm4) = Glm4::new(vocab)
    {
        return Ok(Choice { dialect: Arc::new(glm4), notes: Vec::new() });
    }
    let template = metadata.chat_template.as_deref().unwrap_or_default();
    let chatml = vocab.special("<|im_start|>").is_some() && vocab.special("<|im_end|>").is_some();
    let names_tools = template.contains("tools") && template.contains("tool_call");
    let mut found = String::new();
    if answers_lists_better(metadata) {
        let generic = Generic::new(vocab, metadata)?;
        return Ok(Choice { dialect: Arc::new(generic), notes: Vec::new() });
    }
    if chatml && names_tools {
        match Hermes::new(vocab, metadata) {
            Ok(hermes) if hermes.knows_tools() => return Ok(Choice { dialect: Arc::new(hermes), notes: Vec::new() }),
            Ok(_) => found = "has tools, but does not render calls and their answers".to_owned(),
            Err(error) => found = format!("cannot be used ({error})"),
        }
    } else if names_tools {
        found = "has tools, in a form that is not known here".to_owned();
    }
    match Generic::new(vocab, metadata) {
        Ok(generic) => {
            let notes = vec![generic_note(&generic, &found)];
            Ok(Choice { dialect: Arc::new(generic), notes })
        }
        Err(error) => {
            let without = Metadata { chat_template: None, ..metadata.clone() };
            let generic = Generic::new(vocab, &without)?;
            let frame = frame_text(generic.frame());
            let note =
                format!("The model's chat template cannot be used ({error}); using {frame} and the dialect `generic`.");
            Ok(Choice { dialect: Arc::new(generic), notes: vec![note] })
        }
    }
}

/// True for models whose template asks for calls in tags that they were not trained to write: Qwen2.5-Coder has that of
/// Qwen2.5 and writes JSON in a block, one call where several are needed. With the prompt of `generic` it calls the right
/// tools more often (`docs/evals.md` has both).
fn answers_lists_better(metadata: &Metadata) -> bool {
    let name = metadata.name.as_deref().unwrap_or_default().to_lowercase();
    metadata.architecture == "qwen2" && name.contains("qwen2.5") && name.contains("coder")
}

fn generic_note(generic: &Generic, found: &str) -> String {
    match (generic.frame(), found) {
        (Frame::Template, "") => {
            "The model's chat template knows no tools; using the dialect `generic`, which explains \
            them in the system prompt. Calls may be less reliable."
                .to_owned()
        }
        (Frame::Template, found) => {
            format!(
                "The model's chat template {found}; using the dialect `generic` with it, which explains tools in the system prompt."
            )
        }
        (frame, _) => format!(
            "The model has no chat template; using {} and the dialect `generic`, which explains tools in the system prompt.",
            frame_text(frame)
        ),
    }
}

fn frame_text(frame: Frame) -> &'static str {
    match frame {
        Frame::Template => "its own template",
        Frame::ChatMl => "ChatML, whose tokens it has,",
        Frame::Plain => "plain text (User: … Assistant: …)",
    }
}

/// The dialect called `name`, for a model that would be taken for another one.
///
/// # Errors
/// [`DialectError::Unknown`], or why the model cannot be spoken to in this dialect.
pub fn by_name(name: &str, vocab: &dyn Vocab, metadata: &Metadata) -> Result<Choice, DialectError> {
    let dialect: Arc<dyn super::Dialect> = match name {
        "chatglm3" => Arc::new(ChatGlm3::new(vocab)?),
        "glm4" => Arc::new(Glm4::new(vocab)?),
        "hermes" => Arc::new(Hermes::new(vocab, metadata)?),
        "generic" => Arc::new(Generic::new(vocab, metadata)?),
        _ => return Err(DialectError::Unknown { name: name.to_owned(), known: NAMES.join(", ") }),
    };
    Ok(Choice { dialect, notes: Vec::new() })
}

/// GLM-4-9B is a `chatglm` to llama.cpp, GLM-4-0414 a `glm4`; both have GLM-4's role tokens. A later model that writes its
/// calls in tags (GLM-4.5 and on) is none.
fn is_glm4(metadata: &Metadata) -> bool {
    let tags = metadata.chat_template.as_deref().is_some_and(|template| template.contains("<arg_key>"));
    matches!(metadata.architecture.as_str(), "chatglm" | "glm4") && !tags
}

/// ChatGLM3's architecture is called `chatglm`, but so is GLM-4's, whose vocabulary is another.
fn is_chatglm3(vocab: &dyn Vocab, metadata: &Metadata) -> bool {
    let by_text = |text: &str, id: u32| vocab.special(text).is_none_or(|found| found == id);
    metadata.architecture == "chatglm"
        && (ids::OBSERVATION + 1..=65_024).contains(&vocab.len())
        && by_text("<|observation|>", ids::OBSERVATION)
        && by_text("<|assistant|>", ids::ASSISTANT)
}
