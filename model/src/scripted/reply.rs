//! A reply of a script.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::{FinishReason, ModelError};

/// What a [`ScriptedModel`](super::ScriptedModel) writes in one go. Parts are written in the order in which they were
/// added.
#[derive(Debug, Default)]
#[must_use = "a reply is given to a ScriptedModel"]
pub struct Reply {
    pub(super) steps: Vec<Step>,
    pub(super) reason: Option<FinishReason>,
}

#[derive(Debug)]
pub(super) enum Step {
    Text(String),
    Reasoning(String),
    Call { name: String, arguments: Value },
    Code(String),
    Malformed { name: Option<String>, raw: String, problem: String },
    Raw(String),
    Wait(Arc<Notify>),
    Tell(Arc<Notify>),
    Hang,
    Pace(Duration),
    Fail(ModelError),
}

impl Reply {
    /// A reply that says nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    fn of(step: Step) -> Self {
        Self::default().and(step)
    }

    fn and(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Prose.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Step::Text(text.into()))
    }

    /// A call.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::default().and_call(name, arguments)
    }

    /// A program for the interpreter.
    pub fn code(source: impl Into<String>) -> Self {
        Self::default().and_code(source)
    }

    /// Something meant as a call of `name`, where that much can be read, and what is wrong with it.
    pub fn malformed(name: Option<&str>, raw: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::of(Step::Malformed { name: name.map(str::to_owned), raw: raw.into(), problem: problem.into() })
    }

    /// What a model of the dialect given to [`ScriptedModel::with_dialect`](super::ScriptedModel::with_dialect) writes,
    /// specials by their texts. It ends at the first stop token. Without a dialect it is an error.
    pub fn raw(output: impl Into<String>) -> Self {
        Self::of(Step::Raw(output.into()))
    }

    /// The generation fails.
    pub fn error(error: ModelError) -> Self {
        Self::default().and_error(error)
    }

    /// Prose that never ends by itself: after the last word the model waits until it is stopped.
    pub fn endless(text: impl Into<String>) -> Self {
        Self::text(text).and_hang()
    }

    /// Prose with a pause after each piece. Needs a Tokio runtime with time.
    pub fn slow(text: impl Into<String>, pause: Duration) -> Self {
        Self::of(Step::Pace(pause)).and_text(text)
    }

    /// Then prose.
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Step::Text(text.into()))
    }

    /// Then thinking that is marked as such.
    pub fn and_reasoning(self, text: impl Into<String>) -> Self {
        self.and(Step::Reasoning(text.into()))
    }

    /// Then a call.
    pub fn and_call(self, name: impl Into<String>, arguments: Value) -> Self {
        self.and(Step::Call { name: name.into(), arguments })
    }

    /// Then a program.
    pub fn and_code(self, source: impl Into<String>) -> Self {
        self.and(Step::Code(source.into()))
    }

    /// Then something meant as a call, as [`Reply::malformed`] has it.
    pub fn and_malformed(self, name: Option<&str>, raw: impl Into<String>, problem: impl Into<String>) -> Self {
        self.and(Step::Malformed { name: name.map(str::to_owned), raw: raw.into(), problem: problem.into() })
    }

    /// Then there is a pause after each piece, as in [`Reply::slow`].
    pub fn and_pause(self, pause: Duration) -> Self {
        self.and(Step::Pace(pause))
    }

    /// Then the generation fails.
    pub fn and_error(self, error: ModelError) -> Self {
        self.and(Step::Fail(error))
    }

    /// Then the model waits until `notify` is notified, or it is stopped.
    pub fn and_wait(self, notify: Arc<Notify>) -> Self {
        self.and(Step::Wait(notify))
    }

    /// Then `notify` is notified: the model has come this far.
    pub fn and_notify(self, notify: Arc<Notify>) -> Self {
        self.and(Step::Tell(notify))
    }

    /// Then the model waits until it is stopped.
    pub fn and_hang(self) -> Self {
        self.and(Step::Hang)
    }

    /// Why the reply ends, in place of what follows from its parts.
    pub fn ending(mut self, reason: FinishReason) -> Self {
        self.reason = Some(reason);
        self
    }
}
