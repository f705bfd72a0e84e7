//! Who says yes to a call: the approvers of [`glassbox_tools`], and one that asks.

use std::future::Future;

use async_trait::async_trait;
use futures::future::BoxFuture;
use glassbox_tools::{Approval, ApprovalRequest, Approver, ToolSpec};
use tokio::sync::{Mutex, mpsc, oneshot};

type Ask = dyn Fn(ApprovalRequest) -> BoxFuture<'static, Approval> + Send + Sync;

/// Asks somebody, one question at a time.
///
/// ```
/// use glassbox::{Approval, AskApprover};
///
/// let approver = AskApprover::new(|request| async move {
///     if request.call.name == "shell" { Approval::Deny { reason: "not today".into() } } else { Approval::Allow }
/// });
/// # let _ = approver;
/// ```
pub struct AskApprover {
    ask: Box<Ask>,
    everything: bool,
    /// Calls run beside each other; a person reads one question after the other.
    turn: Mutex<()>,
}

impl std::fmt::Debug for AskApprover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskApprover").field("everything", &self.everything).finish_non_exhaustive()
    }
}

impl AskApprover {
    /// Asks `ask`, which is dropped when the turn is cancelled.
    pub fn new<F, A>(ask: F) -> Self
    where
        F: Fn(ApprovalRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Approval> + Send + 'static,
    {
        Self { ask: Box::new(move |request| Box::pin(ask(request))), everything: false, turn: Mutex::new(()) }
    }

    /// Sends each question through a channel, for a program whose user interface runs elsewhere. Once the receiver is
    /// gone every call is denied.
    pub fn channel() -> (Self, mpsc::Receiver<PendingApproval>) {
        let (sender, receiver) = mpsc::channel(1);
        let approver = Self::new(move |request: ApprovalRequest| {
            let sender = sender.clone();
            async move {
                let (answer, decided) = oneshot::channel();
                if sender.send(PendingApproval { request, answer }).await.is_err() {
                    return Approval::Deny { reason: "nobody listens for approvals any more".to_owned() };
                }
                decided.await.unwrap_or_else(|_| Approval::Deny {
                    reason: "the question was dropped without an answer".to_owned(),
                })
            }
        });
        (approver, receiver)
    }

    /// Asks for every tool that is not marked `read_only`, in place of those marked `destructive` alone.
    #[must_use]
    pub fn for_everything(mut self) -> Self {
        self.everything = true;
        self
    }
}

#[async_trait]
impl Approver for AskApprover {
    fn needs_approval(&self, spec: &ToolSpec) -> bool {
        !spec.hints.read_only && (self.everything || spec.hints.destructive)
    }

    async fn approve(&self, request: &ApprovalRequest) -> Approval {
        let _turn = self.turn.lock().await;
        (self.ask)(request.clone()).await
    }
}

/// A question from [`AskApprover::channel`]. Dropping it denies the call.
#[derive(Debug)]
pub struct PendingApproval {
    request: ApprovalRequest,
    answer: oneshot::Sender<Approval>,
}

impl PendingApproval {
    /// The call.
    pub fn request(&self) -> &ApprovalRequest {
        &self.request
    }

    /// Answers. Without effect where the turn was cancelled meanwhile.
    pub fn decide(self, approval: Approval) {
        // The other end is gone when the turn is: then nobody needs the answer.
        let _ = self.answer.send(approval);
    }
}
