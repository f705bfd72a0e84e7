//! Tools that are known only at run time: a description and a closure.

use std::future::Future;

use async_trait::async_trait;
use serde_json::Value;

use crate::{IntoToolOutput, Tool, ToolContext, ToolError, ToolOutput, ToolSpec};

/// A tool made of a [`ToolSpec`] and a closure. See [`tool_fn`].
pub struct FnTool<F> {
    spec: ToolSpec,
    function: F,
}

impl<F> std::fmt::Debug for FnTool<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnTool").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A tool whose description is data: from a file, a plugin, a person's answer. Where the description is known when the
/// program is written, `#[tool]` is shorter and checks more.
///
/// The closure gets arguments that fit the spec's schema.
///
/// ```
/// use glassbox_tools::{Registry, ToolContext, ToolError, ToolSpec, tool_fn};
/// use serde_json::{Value, json};
///
/// let spec = ToolSpec::new("echo", "Repeat `text`.").with_parameters(json!({
///     "type": "object",
///     "properties": {"text": {"type": "string"}},
///     "required": ["text"],
/// }));
/// let echo = tool_fn(spec, |arguments: Value, _context: ToolContext| async move {
///     Ok::<_, ToolError>(arguments["text"].as_str().unwrap_or_default().to_owned())
/// });
/// let mut registry = Registry::new();
/// registry.register(echo)?;
/// # Ok::<(), glassbox_tools::SpecError>(())
/// ```
pub fn tool_fn<F, Fut, R, E>(spec: ToolSpec, function: F) -> FnTool<F>
where
    F: Fn(Value, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send,
    R: IntoToolOutput,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    FnTool { spec, function }
}

#[async_trait]
impl<F, Fut, R, E> Tool for FnTool<F>
where
    F: Fn(Value, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send,
    R: IntoToolOutput,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: Value, context: &ToolContext) -> Result<ToolOutput, ToolError> {
        match (self.function)(arguments, context.clone()).await {
            Ok(value) => value.into_tool_output(),
            Err(error) => Err(ToolError::failed(error)),
        }
    }
}
