#![doc = include_str!("../README.md")]

// The code that `#[tool]` writes says `::glassbox_tools`, also for the built-in tools in here.
extern crate self as glassbox_tools;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;
mod approval;
pub mod builtin;
mod call;
mod content;
mod context;
mod error;
mod fn_tool;
mod gate;
mod into_tools;
mod macros;
pub mod nesting;
mod output;
mod registry;
mod schema;
mod spec;
mod tool;

pub use approval::{Approval, ApprovalRequest, Approver, AutoApprover, DenyApprover};
pub use call::{CallId, ToolCall};
pub use content::{Content, ToolOutput};
pub use context::{OutputSink, ToolContext};
pub use error::ToolError;
pub use fn_tool::{FnTool, tool_fn};
pub use gate::{
    Coercion, CoercionRule, Gate, GateEvent, GateObserver, Limits, OutputBudget, OutputPart, OutputStore, TokenCounter,
    ToolOutcome, Truncation,
};
/// Makes a tool of a function, or of the methods of an `impl` block.
///
/// See [Writing tools](crate#writing-tools) for what it reads and which keys it takes. The function stays as it is. Beside
/// it comes a type of the same name, which implements [`Tool`]: [`tools!`] finds it by the function's name, one `use`
/// imports both, and by hand it is written `get_weather {}`.
///
/// That type shares its namespace with modules, so a tool cannot be re-exported from a module of its own name next to
/// that module: give the file another name.
///
/// `#[tool]` is also the attribute of the `impl` block, because `tools` is the name of the macro [`tools!`], and Rust
/// keeps attributes and macros in one namespace.
pub use glassbox_macros::tool;
pub use into_tools::{IntoTools, Toolset};
pub use output::IntoToolOutput;
pub use registry::Registry;
pub use spec::{SpecError, ToolHints, ToolSpec};
pub use tool::{BoxTool, Tool};

pub use schemars;
pub use tokio_util::sync::CancellationToken;
