//! The trait behind every tool.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{ToolContext, ToolError, ToolOutput, ToolSpec};

/// A function that a model may call. `#[tool]` writes the implementation; write it by hand for tools that are only
/// known at run time (MCP, plugins).
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// How the tool is described. Must not change while the tool is registered.
    fn spec(&self) -> &ToolSpec;

    /// Runs the tool. Called through the [`Gate`](crate::Gate) alone, which has checked `arguments` against the spec.
    ///
    /// # Errors
    /// Whatever went wrong; [`ToolError::failed`] wraps any error.
    async fn call(&self, arguments: Value, context: &ToolContext) -> Result<ToolOutput, ToolError>;
}

/// A shared tool of any type.
pub type BoxTool = Arc<dyn Tool>;
