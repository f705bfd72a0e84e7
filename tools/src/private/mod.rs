//! What the code that `#[tool]` writes refers to. Not part of the public interface: it changes with the macro.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

pub use async_trait;
pub use glassbox_macros::tool_list;
pub use schemars;
pub use serde;
pub use serde_json;

pub use crate::{BoxTool, IntoTools, Tool, ToolContext, ToolError, ToolHints, ToolOutput, ToolSpec, Toolset};

pub mod probe;

/// What a path in `tools!` must name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "not a tool",
    note = "a path in `tools!` names a `#[tool]` function, or a type that is `Default` and has tools",
    note = "write a value as an expression, and a variable as `..variable`"
)]
pub trait Named {
    /// The tools of the type.
    fn named() -> Vec<BoxTool>;
}

#[diagnostic::do_not_recommend]
impl<T: Default + IntoTools> Named for T {
    fn named() -> Vec<BoxTool> {
        T::default().into_tools()
    }
}

/// The spec of a tool whose arguments are read into `A`, and whose description is `docs`, one text a doc comment line.
pub fn spec<A: schemars::JsonSchema>(
    name: &str,
    docs: &[&str],
    hints: ToolHints,
    serial: bool,
    timeout: Option<Duration>,
) -> ToolSpec {
    let lines = docs.join("\n");
    let lines = lines.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect::<Vec<_>>();
    let mut spec = ToolSpec::new(name, lines.join("\n").trim())
        .with_parameters(crate::schema::parameters_of::<A>())
        .with_hints(hints)
        .with_serial(serial);
    spec.timeout = timeout;
    spec
}

/// Reads arguments that fit the schema. What the schema does not say can still be wrong: an integer beyond `i64`, or
/// what a type checks when it is deserialised.
///
/// # Errors
/// [`ToolError::InvalidArguments`] with what serde said.
pub fn arguments<A: serde::de::DeserializeOwned>(name: &str, arguments: serde_json::Value) -> Result<A, ToolError> {
    serde_json::from_value(arguments)
        .map_err(|error| ToolError::InvalidArguments { name: name.to_owned(), problems: vec![error.to_string()] })
}

/// Runs a function that blocks on a thread of its own.
///
/// Not on Tokio's blocking pool: a runtime waits for that when it ends, so one hung tool would keep the program from
/// exiting. A thread that hangs here is left behind and dies with the process. Starting one costs some ten
/// microseconds, next to nothing beside the tokens of the call.
///
/// # Errors
/// What `work` returns, or [`ToolError::Failed`] where the system has no thread to give.
///
/// # Panics
/// With the panic of `work`, which the gate catches.
pub async fn run_blocking<F>(work: F) -> Result<ToolOutput, ToolError>
where
    F: FnOnce() -> Result<ToolOutput, ToolError> + Send + 'static,
{
    let (done, result) = tokio::sync::oneshot::channel();
    let span = tracing::Span::current();
    let runtime = tokio::runtime::Handle::try_current().ok();
    let body = move || {
        let _runtime = runtime.as_ref().map(tokio::runtime::Handle::enter);
        let result = span.in_scope(|| catch_unwind(AssertUnwindSafe(work)));
        // Before the result goes out: held here a moment longer, it would keep the turn's span open after the reply.
        drop(span);
        // Nobody listens any more when the call was cancelled meanwhile.
        let _ = done.send(result);
    };
    std::thread::Builder::new().name("glassbox-tool".to_owned()).spawn(body).map_err(ToolError::failed)?;
    match result.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(ToolError::failed("the tool's thread ended without a result")),
    }
}
