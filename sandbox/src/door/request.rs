//! Reading a request.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Denial, DenialKind, MimeBundle};

use super::answer::Refusal;

/// Bytes of the longest request of all, one that carries something to display.
pub(crate) const MAX_REQUEST: usize = 32 << 20;
/// Bytes of any other request. JSON takes many times its length once it is read.
const MAX_PLAIN: usize = 4 << 20;
/// Bytes of a form in a MIME bundle that is not a string, and so is read as JSON.
const MAX_STRUCTURED: usize = 2 << 20;
/// Forms in one MIME bundle.
const MAX_FORMS: usize = 64;
/// Bytes of a name: of a MIME type, a display, a tool, an exception.
const MAX_NAME: usize = 256;
/// Bytes of an exception's message, and of its traceback.
const MAX_ERROR: usize = 256 << 10;

/// What a program asks of the host.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    Boot,
    Cell,
    Display { data: MimeBundle, id: Option<String>, update: bool },
    Clear { wait: bool },
    Result { data: MimeBundle },
    Error { name: String, value: String, traceback: Vec<String> },
    Denied(Denial),
    Input { prompt: String, hidden: bool },
    Tool { name: String, arguments: Map<String, Value> },
    Done { status: Status, code: i32 },
}

/// How the Python side says that a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    Error,
    Interrupted,
    Exit,
}

/// All that a request may hold. What is not known is left alone, so that the two sides may differ by a version.
#[derive(Deserialize)]
struct Raw<'a> {
    op: &'a str,
    #[serde(borrow, default)]
    data: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    update: bool,
    #[serde(default)]
    wait: bool,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    traceback: Option<&'a RawValue>,
    #[serde(borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    hint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(default)]
    hidden: bool,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    code: Option<i64>,
}

impl Request {
    /// Reads a request.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_REQUEST {
            return Err(too_long(bytes.len(), MAX_REQUEST));
        }
        // Members stay text until they are known to be wanted and short enough: JSON can take fifty times its length.
        let raw: Raw<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
        if bytes.len() > MAX_PLAIN && !matches!(raw.op, "display" | "result") {
            return Err(too_long(bytes.len(), MAX_PLAIN));
        }
        Ok(match raw.op {
            "boot" => Self::Boot,
            "cell" => Self::Cell,
            "display" => Self::Display {
                data: bundle(raw.data)?,
                id: optional(raw.id)?.map(|id| cut(id, MAX_NAME)),
                update: raw.update,
            },
            "clear" => Self::Clear { wait: raw.wait },
            "result" => Self::Result { data: bundle(raw.data)? },
            "error" => Self::Error {
                name: cut(required("name", raw.name)?, MAX_NAME),
                value: cut(required("value", raw.value)?, MAX_ERROR),
                traceback: lines(required("traceback", raw.traceback)?),
            },
            "denied" => Self::Denied(Denial {
                kind: required::<DenialKind>("kind", raw.kind)?,
                message: cut(required("message", raw.message)?, MAX_ERROR >> 6),
                hint: cut(required("hint", raw.hint)?, MAX_ERROR >> 6),
            }),
            "input" => Self::Input {
                prompt: cut(optional(raw.prompt)?.unwrap_or_default(), MAX_ERROR >> 6),
                hidden: raw.hidden,
            },
            "tool" => Self::Tool {
                name: cut(required("name", raw.name)?, MAX_NAME),
                arguments: required("arguments", raw.arguments)?,
            },
            "done" => Self::Done {
                status: raw.status.ok_or_else(|| Refusal::new("request", "`status` is missing"))?,
                code: raw.code.map_or(0, |code| i32::try_from(code).unwrap_or(i32::MAX)),
            },
            other => {
                return Err(Refusal::new("request", format!("there is no op `{}`", cut(other.to_owned(), MAX_NAME))));
            }
        })
    }
}

fn bundle(forms: Option<BTreeMap<String, &RawValue>>) -> Result<MimeBundle, Refusal> {
    let forms = forms.ok_or_else(|| Refusal::new("request", "`data` is missing"))?;
    if forms.len() > MAX_FORMS {
        return Err(Refusal::new("request", format!("{} forms are more than {MAX_FORMS}", forms.len())));
    }
    let mut bundle = MimeBundle::default();
    for (mime, form) in forms {
        let form = form.get();
        if mime.len() > MAX_NAME {
            return Err(too_long(mime.len(), MAX_NAME));
        }
        if form.len() > MAX_STRUCTURED && !form.starts_with('"') {
            return Err(too_long(form.len(), MAX_STRUCTURED));
        }
        bundle.0.insert(mime, serde_json::from_str(form).map_err(unreadable)?);
    }
    Ok(bundle)
}

fn optional<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<Option<T>, Refusal> {
    raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get()).map_err(unreadable))
}

fn required<'a, T: Deserialize<'a>>(name: &str, raw: Option<&'a RawValue>) -> Result<T, Refusal> {
    optional(raw)?.ok_or_else(|| Refusal::new("request", format!("`{name}` is missing")))
}

/// The last of a traceback's lines, where they are too many: what failed stands at the end.
fn lines(mut lines: Vec<String>) -> Vec<String> {
    let mut room = MAX_ERROR;
    let mut kept = 0_usize;
    for line in lines.iter().rev() {
        let Some(rest) = room.checked_sub(line.len().saturating_add(1)) else { break };
        room = rest;
        kept = kept.saturating_add(1);
    }
    lines.split_off(lines.len().saturating_sub(kept))
}

fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn too_long(bytes: usize, limit: usize) -> Refusal {
    Refusal::new("too_large", format!("{bytes} bytes are more than the {limit} that a request may have here"))
}

// By value for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn unreadable(error: serde_json::Error) -> Refusal {
    Refusal::new("request", format!("the request cannot be read: {error}"))
}
