//! What a tool gives back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One piece of a tool's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Plain text, read by the model as it stands.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON value; the model reads it as compact JSON with non-ASCII kept.
    Json {
        /// The value.
        value: Value,
    },
    /// A picture. A model without eyes reads `[Image]` in its place.
    Image {
        /// Such as `image/png`.
        mime: String,
        /// The picture, base64-encoded (standard alphabet, padded).
        data: String,
    },
    /// A file that the tool made or found; the model reads its path and size.
    File {
        /// Where the file lies, or the name under which it can be fetched.
        path: String,
        /// Such as `text/csv`; empty when unknown.
        #[serde(default)]
        mime: String,
        /// Size in bytes, when known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
}

impl Content {
    /// Text content.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// JSON content.
    pub fn json(value: Value) -> Self {
        Self::Json { value }
    }

    /// What the model reads for this piece.
    pub fn for_model(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Json { value } => value.to_string(),
            Self::Image { .. } => "[Image]".to_owned(),
            Self::File { path, bytes: Some(bytes), .. } => format!("[File: {path}, {bytes} bytes]"),
            Self::File { path, bytes: None, .. } => format!("[File: {path}]"),
        }
    }
}

/// All that one call gave back, in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The pieces.
    pub content: Vec<Content>,
}

impl ToolOutput {
    /// One piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::text(text)] }
    }

    /// One JSON value.
    pub fn json(value: Value) -> Self {
        Self { content: vec![Content::json(value)] }
    }

    /// What the model reads: every piece, one below the other.
    pub fn for_model(&self) -> String {
        self.content.iter().map(Content::for_model).collect::<Vec<_>>().join("\n")
    }
}
