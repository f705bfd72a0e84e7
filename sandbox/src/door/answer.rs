//! Writing an answer.

use serde_json::{Value, json};

/// Bytes of the longest answer. It must fit into the program's memory beside all else.
const MAX_ANSWER: usize = 32 << 20;

/// Why a request has no answer, for the program to catch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `request` for what cannot be read; a tool's error has its own.
    pub(super) kind: String,
    /// What was wrong.
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into() }
    }
}

/// The bytes of an answer.
pub(super) fn answer(result: Result<Value, Refusal>) -> Vec<u8> {
    let bytes = match result {
        Ok(value) => json!({ "ok": value }).to_string().into_bytes(),
        Err(refusal) => refused(&refusal),
    };
    if bytes.len() > MAX_ANSWER {
        let message = format!("the answer has {} bytes, more than the {MAX_ANSWER} that fit", bytes.len());
        return refused(&Refusal::new("too_large", message));
    }
    bytes
}

fn refused(refusal: &Refusal) -> Vec<u8> {
    json!({ "error": { "kind": refusal.kind, "message": refusal.message } }).to_string().into_bytes()
}
