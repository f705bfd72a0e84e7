//! `#[tool]`, `#[tool] impl` and `tools!` where `glassbox` goes by the name `gb` and nothing else is a dependency.
//!
//! The macro reads this package's Cargo.toml to find the name; a crate root that is written down anywhere in the generated
//! code would fail to compile here.

use gb::tools::{ToolContext, tool, tools};

/// Add two numbers.
#[tool]
pub fn add(
    /// The first.
    a: i64,
    #[tool(default = 2)]
    #[schemars(range(min = 1))]
    b: i64,
) -> i64 {
    a + b
}

/// Greets people.
#[derive(Debug, Default)]
pub struct Greeter;

#[tool]
impl Greeter {
    /// Greet `name`.
    ///
    /// # Errors
    /// Where the name is empty.
    #[tool(read_only)]
    pub async fn greet(&self, name: &str, context: &ToolContext) -> Result<String, std::fmt::Error> {
        context.emit("greeting");
        if name.is_empty() { Err(std::fmt::Error) } else { Ok(format!("Hello, {name}!")) }
    }
}

/// Both tools.
pub fn all() -> Vec<gb::tools::BoxTool> {
    tools![add, Greeter]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gb::tools::{AutoApprover, CancellationToken, Gate, Limits, Registry, ToolCall};
    use serde_json::{Value, json};

    #[tokio::test]
    async fn tools_of_a_renamed_dependency_run() {
        let gate = Gate::new(Registry::of(super::all()).unwrap(), Arc::new(AutoApprover), Limits::default());
        let turn = CancellationToken::new();
        let call = async |name: &str, arguments: Value| {
            gate.dispatch(ToolCall::new("call-1", name, arguments), &turn, Arc::new(())).await.for_model
        };
        assert_eq!(call("add", json!({"a": 40})).await, "42");
        assert!(call("add", json!({"a": 40, "b": 0})).await.contains("at least 1"));
        assert_eq!(call("greet", json!({"name": "you"})).await, "Hello, you!");
        assert_eq!(super::add(1, 2), 3);
    }
}
