//! Who says yes to a call.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ToolCall, ToolHints, ToolSpec};

/// A call that waits for a yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// The call, with the arguments as they will be used.
    pub call: ToolCall,
    /// What the tool does to the world.
    pub hints: ToolHints,
    /// What the tool is said to do.
    pub description: String,
}

/// An approver's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Approval {
    /// Run it.
    Allow,
    /// Do not; the reason goes to the log and the event, not to the model.
    Deny {
        /// Why.
        reason: String,
    },
}

/// Decides whether a call may run.
#[async_trait]
pub trait Approver: Send + Sync + 'static {
    /// Whether this tool's calls must be decided at all. The default asks for what its hints call destructive.
    fn needs_approval(&self, spec: &ToolSpec) -> bool {
        spec.hints.destructive && !spec.hints.read_only
    }

    /// Decides one call. Asked only where [`Approver::needs_approval`] says so. Dropped when the turn is cancelled.
    async fn approve(&self, request: &ApprovalRequest) -> Approval;
}

/// Allows every call. For tools that can harm nothing, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct AutoApprover;

#[async_trait]
impl Approver for AutoApprover {
    fn needs_approval(&self, _: &ToolSpec) -> bool {
        false
    }

    async fn approve(&self, _: &ApprovalRequest) -> Approval {
        Approval::Allow
    }
}

/// Denies every call that needs asking. The default: nothing destructive runs unless somebody says yes.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyApprover;

#[async_trait]
impl Approver for DenyApprover {
    async fn approve(&self, request: &ApprovalRequest) -> Approval {
        Approval::Deny { reason: format!("`{}` needs approval and nobody is there to give it", request.call.name) }
    }
}
