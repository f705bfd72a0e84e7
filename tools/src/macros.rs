//! `tools!`.

/// A list of tools, `Vec<Arc<dyn Tool>>`, for [`Registry::register`](crate::Registry::register) and agents.
///
/// - A path names a `#[tool]` function, or any type that is [`Default`] and [`IntoTools`](crate::IntoTools).
/// - Any other expression is a value that is [`IntoTools`](crate::IntoTools): a tool, an `Arc<dyn Tool>`, a value whose
///   type has a `#[tool] impl`, a list of tools.
/// - `..variable` is the value of a variable, which a bare path cannot be.
///
/// ```
/// use glassbox_tools::{tool, tools};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// struct Greeter(String);
///
/// #[tool]
/// impl Greeter {
///     /// Greet `name`.
///     #[tool]
///     async fn greet(&self, name: String) -> String {
///         format!("{}, {name}!", self.0)
///     }
/// }
///
/// let more = tools![Greeter("Hello".into())];
/// let all = tools![add, glassbox_tools::builtin::calculator, ..more];
/// let names: Vec<_> = all.iter().map(|tool| tool.spec().name.as_str()).collect();
/// assert_eq!(names, ["add", "calculator", "greet"]);
/// ```
#[macro_export]
macro_rules! tools {
    ($($tool:tt)*) => {
        $crate::__private::tool_list!($crate; $($tool)*)
    };
}
