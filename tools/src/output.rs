//! How the value that a function returns becomes a tool's output.

use std::borrow::Cow;

use serde_json::Value;

use crate::{Content, ToolError, ToolOutput};

/// What a tool may return. Text stays text; everything that only implements [`serde::Serialize`] becomes JSON, through
/// `#[tool]`, without an implementation of this trait.
pub trait IntoToolOutput {
    /// The output.
    ///
    /// # Errors
    /// [`ToolError::Failed`] where the value cannot be represented.
    fn into_tool_output(self) -> Result<ToolOutput, ToolError>;
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(self)
    }
}

impl IntoToolOutput for Content {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput { content: vec![self] })
    }
}

impl IntoToolOutput for Vec<Content> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput { content: self })
    }
}

impl IntoToolOutput for Value {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::json(self))
    }
}

/// A tool that returns nothing did what it was asked: the model reads `Done.`, because an empty observation makes
/// small models call again.
impl IntoToolOutput for () {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text("Done."))
    }
}

macro_rules! text {
    ($($text:ty),*) => {$(
        impl IntoToolOutput for $text {
            fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
                Ok(ToolOutput::text(self))
            }
        }
    )*};
}

text!(String, &str, Cow<'_, str>, Box<str>);
