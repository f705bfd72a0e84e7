//! What can be registered: one tool, or several at once.

use std::sync::Arc;

use crate::{BoxTool, Tool};

/// One tool or several, as [`Registry::register`](crate::Registry::register) and [`tools!`](crate::tools) take them.
///
/// Implemented for every [`Tool`], for `Arc<dyn Tool>`, for types with an `#[tool] impl` block (by value or in an
/// `Arc`), and for lists of all of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "not a tool",
    note = "put `#[tool]` on the function, or on the type's `impl` block and the methods in it",
    note = "or implement `glassbox_tools::Tool` for `{Self}`"
)]
pub trait IntoTools {
    /// The tools, in order.
    fn into_tools(self) -> Vec<BoxTool>;
}

/// A type whose methods are tools. Written by `#[tool] impl`.
pub trait Toolset: Send + Sync + 'static {
    /// One tool for each `#[tool]` method, in the order of the source; all share this value.
    fn tools(self: Arc<Self>) -> Vec<BoxTool>;
}

// Without this the message would list every tool there is.
#[diagnostic::do_not_recommend]
impl<T: Tool> IntoTools for T {
    fn into_tools(self) -> Vec<BoxTool> {
        vec![Arc::new(self)]
    }
}

impl IntoTools for BoxTool {
    fn into_tools(self) -> Vec<BoxTool> {
        vec![self]
    }
}

impl<T: Toolset> IntoTools for Arc<T> {
    fn into_tools(self) -> Vec<BoxTool> {
        self.tools()
    }
}

impl<T: IntoTools> IntoTools for Vec<T> {
    fn into_tools(self) -> Vec<BoxTool> {
        self.into_iter().flat_map(IntoTools::into_tools).collect()
    }
}

impl<T: IntoTools> IntoTools for Option<T> {
    fn into_tools(self) -> Vec<BoxTool> {
        self.into_iter().flat_map(IntoTools::into_tools).collect()
    }
}

impl<T: IntoTools, const N: usize> IntoTools for [T; N] {
    fn into_tools(self) -> Vec<BoxTool> {
        self.into_iter().flat_map(IntoTools::into_tools).collect()
    }
}
