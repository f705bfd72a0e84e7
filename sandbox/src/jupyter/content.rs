//! The contents of the messages that matter, read leniently: what is missing has a default, what is not known is passed
//! over, and what would take far more memory as values than as text is left out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{MimeBundle, Output};

/// JSON forms past this size are left out of a bundle: as values they take many times their bytes.
const MAX_JSON_FORM: usize = 1 << 20;
/// Bytes kept of an error's message, and of all lines of its traceback.
const MAX_ERROR: usize = 256 << 10;

/// `stream`.
#[derive(Debug, Deserialize)]
pub(super) struct Stream<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

/// `display_data`, `update_display_data` and `execute_result`.
#[derive(Debug, Deserialize)]
pub(super) struct Display<'a> {
    #[serde(borrow)]
    data: BTreeMap<String, &'a RawValue>,
    #[serde(default)]
    transient: Option<Transient>,
}

#[derive(Debug, Deserialize)]
struct Transient {
    #[serde(default)]
    display_id: Option<String>,
}

impl Display<'_> {
    /// The forms.
    pub(super) fn bundle(&self) -> MimeBundle {
        MimeBundle(self.data.iter().filter_map(|(mime, raw)| Some((mime.clone(), form(mime, raw)?))).collect())
    }

    /// The name under which it can be updated.
    pub(super) fn id(self) -> Option<String> {
        self.transient.and_then(|transient| transient.display_id)
    }
}

/// One form of a bundle.
fn form(mime: &str, raw: &RawValue) -> Option<Value> {
    match serde_json::from_str::<String>(raw.get()) {
        // Some kernels end base64 in a line break.
        Ok(text) if mime.starts_with("image/") && mime != "image/svg+xml" => {
            Some(Value::String(text.trim_end().to_owned()))
        }
        Ok(text) => Some(Value::String(text)),
        Err(_) if raw.get().len() > MAX_JSON_FORM => None,
        Err(_) => serde_json::from_str(raw.get()).ok(),
    }
}

/// `error`, and the members of the same names in an `execute_reply`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    ename: String,
    evalue: String,
    traceback: Vec<String>,
}

impl Failure {
    /// Plain text, one line an item, the ends of very long ones cut.
    pub(super) fn output(self) -> Output {
        let mut room = MAX_ERROR;
        let mut traceback = Vec::new();
        for line in self.traceback.iter().flat_map(|lines| lines.lines()) {
            let line = clip(&without_colours(line), room);
            room = room.saturating_sub(line.len().saturating_add(1));
            traceback.push(line);
            if room == 0 {
                break;
            }
        }
        Output::Error {
            name: clip(&self.ename, 200),
            value: clip(&without_colours(&self.evalue), MAX_ERROR),
            traceback,
        }
    }
}

/// `execute_reply`.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    #[serde(default)]
    pub(super) status: String,
    #[serde(flatten, default)]
    pub(super) failure: Failure,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
}

/// What a payload says; there are more kinds.
#[derive(Debug, Deserialize)]
struct Payload {
    source: String,
    #[serde(default)]
    data: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    keepkernel: bool,
}

impl Reply<'_> {
    fn payloads(&self) -> Vec<Payload> {
        let raw = self.payload.filter(|raw| raw.get().len() <= MAX_JSON_FORM);
        let values = raw.and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok()).unwrap_or_default();
        values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect()
    }

    /// What a pager would show, as `name?` in IPython asks for.
    pub(super) fn pages(&self) -> Vec<MimeBundle> {
        let pages = self.payloads().into_iter().filter(|payload| payload.source == "page");
        pages.filter_map(|page| page.data).map(MimeBundle).collect()
    }

    /// Whether the program asked the kernel to end (`exit()` in IPython), which it does a little after the reply.
    pub(super) fn ends_kernel(&self) -> bool {
        self.payloads().iter().any(|payload| payload.source == "ask_exit" && !payload.keepkernel)
    }
}

/// `status`.
#[derive(Debug, Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) execution_state: Cow<'a, str>,
}

/// `clear_output`.
#[derive(Debug, Deserialize)]
pub(super) struct Clear {
    #[serde(default)]
    pub(super) wait: bool,
}

/// `input_request`.
#[derive(Debug, Deserialize)]
pub(super) struct Input {
    #[serde(default)]
    pub(super) prompt: String,
    #[serde(default)]
    pub(super) password: bool,
}

/// At most `room` bytes of a text.
fn clip(text: &str, room: usize) -> String {
    text.get(..text.floor_char_boundary(room)).unwrap_or_default().to_owned()
}

/// A text without the escape sequences that colour it on a terminal (ECMA-48, CSI).
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\x1B' {
            plain.push(character);
        } else if characters.as_str().starts_with('[') {
            characters.next();
            characters.by_ref().find(|end| ('@'..='~').contains(end));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_traceback_comes_in_plain_lines() {
        let failure: Failure = serde_json::from_value(json!({
            "ename": "ZeroDivisionError", "evalue": "division by zero",
            "traceback": ["\u{1b}[31m----\u{1b}[39m", "Cell \u{1b}[1;32mIn[1]\u{1b}[0m\nline 2"],
        }))
        .unwrap();
        let Output::Error { name, traceback, .. } = failure.output() else { panic!() };
        assert_eq!(name, "ZeroDivisionError");
        assert_eq!(traceback, ["----", "Cell In[1]", "line 2"]);
    }

    #[test]
    fn an_error_as_large_as_a_book_is_cut() {
        let failure =
            Failure { evalue: "x".repeat(9 << 20), traceback: vec!["y\n".repeat(9 << 20)], ..Failure::default() };
        let Output::Error { value, traceback, .. } = failure.output() else { panic!() };
        assert_eq!(value.len(), MAX_ERROR);
        assert!(traceback.len() <= MAX_ERROR);
    }

    #[test]
    fn a_bundle_keeps_every_form_and_base64_without_its_line_break() {
        let text = r#"{"data": {"image/png": "aGk=\n", "text/plain": "a\n", "application/json": {"b": [1]}, "x/y": 2},
                      "metadata": {"odd": null}, "transient": {"display_id": "d1"}, "more": 1}"#;
        let display: Display<'_> = serde_json::from_str(text).unwrap();
        let forms = json!({"image/png": "aGk=", "text/plain": "a\n", "application/json": {"b": [1]}, "x/y": 2});
        assert_eq!(serde_json::to_value(display.bundle()).unwrap(), forms);
        assert_eq!(display.id().as_deref(), Some("d1"));
    }

    #[test]
    fn a_reply_with_odd_members_is_still_a_reply() {
        let text = r#"{"status": "ok", "execution_count": "many", "payload": [{"source": "new"}, 7,
                      {"source": "page", "data": {"text/plain": "help"}, "start": -1},
                      {"source": "ask_exit", "keepkernel": false}], "user_expressions": null}"#;
        let reply: Reply<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(reply.status, "ok");
        assert_eq!(reply.pages(), [MimeBundle::text("help")]);
        assert!(reply.ends_kernel());
    }

    #[test]
    fn json_that_would_take_much_memory_is_left_out() {
        let text = format!(r#"{{"data": {{"application/json": [{}0], "text/plain": "t"}}}}"#, "[],".repeat(1 << 20));
        let display: Display<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(display.bundle(), MimeBundle::text("t"));
    }
}
