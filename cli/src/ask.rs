//! Questions to the person while a turn runs: may this call run, what is this tool's result, what is the line that a
//! program asks for.
//!
//! Approver, manual tools and programs run inside the turn; the terminal belongs to the loop that shows it. So a question goes
//! through a channel to that loop, which first shows what has happened so far and then asks.

use std::time::Duration;

use async_trait::async_trait;
use glassbox::AskApprover;
use glassbox::sandbox::InputSource;
use glassbox::tools::{
    Approval, ApprovalRequest, Registry, SpecError, Tool, ToolContext, ToolError, ToolHints, ToolOutput, ToolSpec,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A question and where its answer goes. Dropping it answers no.
pub(crate) enum Question {
    /// May this call run?
    Approve {
        /// The call.
        request: ApprovalRequest,
        /// Yes or no, with the reason.
        answer: oneshot::Sender<Approval>,
    },
    /// What does this tool give back?
    Result {
        /// The tool.
        name: String,
        /// Its arguments.
        arguments: Value,
        /// What the person typed.
        answer: oneshot::Sender<String>,
    },
    /// What does `input()` give?
    Line {
        /// What the program says before it.
        prompt: String,
        /// The program asks for a password.
        hidden: bool,
        /// What the person typed; `None` at the end of the input.
        answer: oneshot::Sender<Option<String>>,
    },
}

/// The sending end, for approver and tools.
#[derive(Debug, Clone)]
pub(crate) struct Asker(mpsc::Sender<Question>);

/// A channel for questions.
pub(crate) fn channel() -> (Asker, mpsc::Receiver<Question>) {
    let (sender, receiver) = mpsc::channel(1);
    (Asker(sender), receiver)
}

impl Asker {
    /// Puts a question; `None` where nobody answers.
    async fn ask<A>(&self, question: impl FnOnce(oneshot::Sender<A>) -> Question) -> Option<A> {
        let (sender, answer) = oneshot::channel();
        self.0.send(question(sender)).await.ok()?;
        answer.await.ok()
    }
}

/// Asks the person about calls that could do harm.
pub(crate) fn approver(asker: Asker) -> AskApprover {
    AskApprover::new(move |request| {
        let asker = asker.clone();
        async move {
            let answer = asker.ask(|answer| Question::Approve { request, answer }).await;
            answer.unwrap_or_else(|| Approval::Deny { reason: "the question was left without an answer".to_owned() })
        }
    })
}

/// Answers `input()` of the model's programs by asking the person.
pub(crate) struct AskedInput(pub(crate) Asker);

#[async_trait]
impl InputSource for AskedInput {
    async fn line(&self, prompt: &str, hidden: bool) -> Option<String> {
        let prompt = prompt.to_owned();
        self.0.ask(|answer| Question::Line { prompt, hidden, answer }).await.flatten()
    }
}

/// Why a manual tool has no result.
#[derive(Debug, thiserror::Error)]
#[error("nobody gave a result")]
struct NoResult;

/// A tool whose results a person types.
struct ManualTool {
    spec: ToolSpec,
    asker: Option<Asker>,
}

/// How long a person may take: a day, the longest that says "not stuck".
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Tool for ManualTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: Value, _context: &ToolContext) -> Result<ToolOutput, ToolError> {
        let asker = self.asker.as_ref().ok_or_else(|| ToolError::failed(NoResult))?;
        let name = self.spec.name.clone();
        let answer = asker.ask(|answer| Question::Result { name, arguments, answer }).await;
        answer.map(ToolOutput::text).ok_or_else(|| ToolError::failed(NoResult))
    }
}

/// A tool that is only described. It becomes usable through [`manual`].
pub(crate) fn unanswered(spec: ToolSpec) -> impl Tool {
    ManualTool { spec, asker: None }
}

/// The same tools, each answered by the person through `asker`. Nothing runs, so nothing needs approval; and one
/// question comes after the other, in the order of the calls.
///
/// # Errors
/// As [`Registry::register`], which took these tools before.
pub(crate) fn manual(tools: &Registry, asker: &Asker) -> Result<Registry, SpecError> {
    let mut registry = Registry::new();
    for spec in tools.specs() {
        let spec = spec.with_hints(ToolHints { read_only: true, ..ToolHints::default() });
        let spec = spec.with_serial(true).with_timeout(PATIENCE);
        registry.register(ManualTool { spec, asker: Some(asker.clone()) })?;
    }
    Ok(registry)
}
