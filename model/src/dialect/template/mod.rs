//! The chat template of a model file, rendered with text and specials kept apart.
//!
//! A template is a Jinja program that comes with the weights, so it is untrusted: it runs with fuel (which bounds time
//! and memory), a recursion limit, and a limit on what it writes. It gets no files and no functions but those that
//! Hugging Face's templates expect.
//!
//! It gives one string in which its own specials and other people's text are mixed. So before rendering, every special
//! that stands in the text of a message or a tool gets a private character inside it; after rendering, whatever still
//! reads like a special was written by the template.

mod environment;
mod guard;
mod specials;

use minijinja::Environment;
use serde_json::Value;

pub(crate) use guard::Guard;
pub(crate) use specials::Specials;

use super::{DialectError, Piece};

const NAME: &str = "chat_template";

/// The most bytes that a prompt may have.
const MAX_OUTPUT: usize = 16 << 20;

/// A template, ready to render.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
}

/// What a template is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Messages in OpenAI's form.
    pub(crate) messages: Vec<Value>,
    /// Tools in OpenAI's form.
    pub(crate) tools: Vec<Value>,
    /// Ends where the model begins to write.
    pub(crate) generation: bool,
}

impl ChatTemplate {
    /// Parses `source`.
    ///
    /// # Errors
    /// [`DialectError::Template`] where it is no Jinja template.
    pub(crate) fn new(source: &str, bos: &str, eos: &str) -> Result<Self, DialectError> {
        let mut environment = environment::new();
        let source = environment::without_generation_tags(source);
        environment.add_template_owned(NAME, source.clone()).map_err(|error| failure(&error))?;
        Ok(Self { environment, source, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The Jinja source.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Renders. `input` is given as it is.
    ///
    /// # Errors
    /// [`DialectError::Template`] with what the template or Jinja said.
    pub(crate) fn render(&self, input: &Input) -> Result<String, DialectError> {
        let template = self.environment.get_template(NAME).map_err(|error| failure(&error))?;
        let tools = if input.tools.is_empty() { Value::Null } else { Value::Array(input.tools.clone()) };
        let context = minijinja::Value::from_pairs([
            ("messages", environment::to_jinja(&Value::Array(input.messages.clone()))),
            ("tools", environment::to_jinja(&tools)),
            ("add_generation_prompt", minijinja::Value::from(input.generation)),
            ("bos_token", minijinja::Value::from(self.bos.as_str())),
            ("eos_token", minijinja::Value::from(self.eos.as_str())),
        ]);
        let mut out = environment::Limited::new(MAX_OUTPUT);
        let rendered = template.render_captured_to(context, &mut out);
        if out.overflowed() {
            return Err(DialectError::Template { problem: format!("it writes more than {MAX_OUTPUT} bytes") });
        }
        rendered.map_err(|error| failure(&error))?;
        String::from_utf8(out.into_inner()).map_err(|error| DialectError::Template { problem: error.to_string() })
    }

    /// Renders to pieces: specials of the template by id, `guard`'s recorded tokens as they are, the rest as text.
    ///
    /// `opening` is what the template writes where the model begins; a recorded reply began there, so what the template
    /// leaves out of it before an old reply (an opened `<think>`) is put back.
    ///
    /// # Errors
    /// As for [`ChatTemplate::render`], and where a recorded reply does not come out exactly once.
    pub(crate) fn pieces(
        &self,
        input: &Input,
        guard: &Guard,
        specials: &Specials,
        opening: &str,
    ) -> Result<Vec<Piece>, DialectError> {
        guard.split(&self.render(input)?, specials, opening)
    }
}

fn failure(error: &minijinja::Error) -> DialectError {
    let mut problem = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        problem = format!("{problem}: {cause}");
        source = cause.source();
    }
    DialectError::Template { problem }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
