//! What a cell gives out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One value in several forms, by MIME type (`text/plain`, `image/png` in base64, `text/html`, …), as Jupyter has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MimeBundle(pub BTreeMap<String, Value>);

impl MimeBundle {
    /// Plain text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self(BTreeMap::from([("text/plain".to_owned(), Value::String(text.into()))]))
    }

    /// The plain-text form, where there is one.
    pub fn plain(&self) -> Option<&str> {
        self.0.get("text/plain").and_then(Value::as_str)
    }

    /// True where one of the forms is a picture.
    pub fn has_image(&self) -> bool {
        self.0.keys().any(|mime| mime.starts_with("image/"))
    }
}

/// The next output of a running cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// Text on standard output.
    Stdout {
        /// The text.
        text: String,
    },
    /// Text on standard error.
    Stderr {
        /// The text.
        text: String,
    },
    /// Something displayed.
    Display {
        /// Its forms.
        data: MimeBundle,
    },
    /// The value of the cell's last expression.
    Result {
        /// Its forms.
        data: MimeBundle,
    },
    /// The program raised an exception.
    Error {
        /// The exception's class, such as `ZeroDivisionError`.
        name: String,
        /// Its message.
        value: String,
        /// The traceback, one line an item, without terminal colours.
        traceback: Vec<String>,
    },
    /// A stream passed its limit; this much more was written and dropped.
    Truncated {
        /// `stdout` or `stderr`.
        stream: String,
        /// Bytes dropped.
        bytes: u64,
    },
}

/// How a cell ended. Sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Execution {
    /// It ran to its end.
    Ok,
    /// It raised an exception; the session goes on.
    Error,
    /// It was interrupted by its time limit or by the caller; the session goes on.
    Interrupted,
    /// The session was lost with it and has been restored or restarted.
    Restarted,
}
