//! What a cell gives out.

use std::collections::BTreeMap;

use base64::Engine as _;
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

    /// The bytes of the form `mime`, such as `image/png`: text as it is, everything else from base64. `None` where there
    /// is no such form, or it is damaged.
    pub fn bytes(&self, mime: &str) -> Option<Vec<u8>> {
        let text = self.0.get(mime)?.as_str()?;
        if mime.starts_with("text/") || mime == "image/svg+xml" {
            return Some(text.as_bytes().to_vec());
        }
        // Jupyter breaks base64 into lines.
        let text: String = text.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).ok()
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
    /// Text on standard error. In the sandbox it comes in its place between the lines of [`Output::Stdout`]. A Jupyter
    /// kernel keeps the two streams in buffers of their own and sends each when it likes, so that there only the order
    /// within a stream, and of both to what is displayed, is certain.
    Stderr {
        /// The text.
        text: String,
    },
    /// Something displayed.
    Display {
        /// Its forms.
        data: MimeBundle,
        /// The name under which it can be updated, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// New forms of an earlier [`Output::Display`], of this cell or one before.
    DisplayUpdate {
        /// Its new forms.
        data: MimeBundle,
        /// Its name.
        id: String,
    },
    /// What this cell has given out so far shall no longer be shown.
    ClearOutput {
        /// Only when the next output comes.
        wait: bool,
    },
    /// The value of the cell's last expression.
    Result {
        /// Its forms.
        data: MimeBundle,
    },
    /// The program raised an exception. `SystemExit` with another code than 0 is one.
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
        /// `stdout`, `stderr` or `display`.
        stream: String,
        /// Bytes dropped.
        bytes: u64,
    },
    /// The program was refused something, or ran into a limit.
    Denied {
        /// What.
        denial: Denial,
    },
    /// The session was lost in the middle of the cell.
    SessionLost {
        /// How, such as `the kernel died (signal 9)`.
        reason: String,
        /// What there is in its place.
        recovery: Recovery,
    },
}

impl Output {
    /// The forms of something displayed, or of a result.
    pub fn data(&self) -> Option<&MimeBundle> {
        match self {
            Self::Display { data, .. } | Self::DisplayUpdate { data, .. } | Self::Result { data } => Some(data),
            _ => None,
        }
    }
}

/// Something that the program was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The kind of thing.
    pub kind: DenialKind,
    /// What happened, such as `the cell ran for 30 s`.
    pub message: String,
    /// What the program or its writer can do instead.
    pub hint: String,
}

/// What can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DenialKind {
    /// The time of a cell.
    Time,
    /// The session's memory.
    Memory,
    /// Bytes of files.
    Disk,
    /// The number of files, or of open ones.
    Files,
    /// The number or size of calls to the host.
    HostCalls,
    /// A path outside the session's folders, or a write to what is read-only.
    Path,
    /// The network.
    Network,
    /// Another process or thread.
    Process,
    /// Standard input.
    Input,
}

/// What there is after a session was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recovery {
    /// The state before this cell.
    Restored,
    /// The state before this cell, or nearly so: `cells` earlier cells were run again.
    Replayed {
        /// How many.
        cells: u32,
    },
    /// The state before the last `cells` cells and this one.
    RestoredEarlier {
        /// How many cells besides this one are lost.
        cells: u32,
    },
    /// A new session: variables are gone.
    Restarted,
    /// Nothing: the session is closed.
    Closed,
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
    /// The session was lost with it; [`Output::SessionLost`] came before and says what there is in its place.
    Restarted,
}
