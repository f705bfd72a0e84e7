//! `--model scripted:FILE`: replies from a file in place of a model, for demonstrations and tests of the command.
//!
//! ```json
//! {
//!   "context_tokens": 8192,
//!   "replies": [
//!     [{"call": {"name": "track", "arguments": {"symbol": "10111"}}}],
//!     [{"pause_ms": 20}, {"text": "It costs 12412."}]
//!   ]
//! }
//! ```
//!
//! A reply is a list of steps: `text`, `reasoning`, `call`, `code`, `malformed` (`raw`, `problem`, and `name` where it could be
//! read), `pause_ms` (from here on, wait so long after each piece) and `hang` (wait until cancelled).

use std::path::Path;
use std::time::Duration;

use glassbox::model::scripted::{Reply, ScriptedModel};
use serde::Deserialize;
use serde_json::Value;

use crate::error::CliError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    context_tokens: Option<u32>,
    replies: Vec<Vec<Step>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    PauseMs(u64),
    Text(String),
    Reasoning(String),
    Call(Call),
    Code(String),
    Malformed(Malformed),
    Hang(bool),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    name: Option<String>,
    raw: String,
    problem: String,
}

/// Reads the script at `path`. `context`: tokens that the context holds, in place of what the script says.
///
/// # Errors
/// Where the file cannot be read, or is no script.
pub(crate) fn load(path: &Path, context: Option<u32>) -> Result<ScriptedModel, CliError> {
    let text = std::fs::read(path).map_err(|error| CliError::reading(path, error))?;
    let script: Script = serde_json::from_slice(&text).map_err(|error| CliError::Content {
        path: path.to_owned(),
        problem: error.to_string(),
        hint: "a script is {\"replies\": [[{\"text\": \"…\"}], …]}; steps are text, reasoning, call, code, malformed, hang, pause_ms".to_owned(),
    })?;
    let model = ScriptedModel::new(script.replies.into_iter().map(reply));
    Ok(match context.or(script.context_tokens) {
        Some(tokens) => model.with_context_tokens(tokens),
        None => model,
    })
}

fn reply(steps: Vec<Step>) -> Reply {
    steps.into_iter().fold(Reply::empty(), |reply, step| match step {
        Step::PauseMs(pause) => reply.and_pause(Duration::from_millis(pause)),
        Step::Text(text) => reply.and_text(text),
        Step::Reasoning(text) => reply.and_reasoning(text),
        Step::Call(Call { name, arguments }) => reply.and_call(name, arguments),
        Step::Code(source) => reply.and_code(source),
        Step::Malformed(Malformed { name, raw, problem }) => reply.and_malformed(name.as_deref(), raw, problem),
        Step::Hang(true) => reply.and_hang(),
        Step::Hang(false) => reply,
    })
}
