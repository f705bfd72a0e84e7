//! What a function may look like to be a tool, and what it is afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking; clippy sees helpers of integration tests as production code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use glassbox_tools::{
    AutoApprover, CancellationToken, Content, Gate, IntoTools, Limits, Registry, ToolCall, ToolContext, ToolError,
    ToolOutcome, ToolOutput, tool, tools,
};
use serde::Serialize;
use serde_json::{Value, json};

async fn call(tools: impl IntoTools, name: &str, arguments: Value) -> ToolOutcome {
    let gate = Gate::new(Registry::of(tools).unwrap(), Arc::new(AutoApprover), Limits::default());
    gate.dispatch(ToolCall::new("call-1", name, arguments), &CancellationToken::new(), Arc::new(())).await
}

mod elsewhere {
    use glassbox_tools::tool;

    /// Double `n`.
    #[tool]
    pub(crate) fn double(n: i64) -> i64 {
        n * 2
    }
}

#[tokio::test]
async fn one_use_imports_the_function_and_its_tool() {
    use elsewhere::double;
    assert_eq!(double(21), 42);
    assert_eq!(call(tools![double], "double", json!({"n": 21})).await.for_model, "42");
    assert_eq!(call(tools![elsewhere::double], "double", json!({"n": 21})).await.for_model, "42");
}

#[derive(Serialize)]
struct Weather {
    city: String,
    celsius: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("no weather in {0}")]
struct NoWeather(String);

#[tokio::test]
async fn what_is_returned_becomes_text_json_or_content() {
    /// For a test.
    #[tool]
    async fn text() -> String {
        "plain \"text\"".into()
    }
    /// For a test.
    #[tool]
    fn borrowed() -> &'static str {
        "static"
    }
    /// For a test.
    #[tool]
    async fn nothing() {}
    /// For a test.
    #[tool]
    async fn number() -> f64 {
        1.5
    }
    /// For a test.
    #[tool]
    async fn structure() -> Weather {
        Weather { city: "北京".into(), celsius: 21.5 }
    }
    /// For a test.
    #[tool]
    async fn optional() -> Option<String> {
        None
    }
    /// For a test.
    #[tool]
    async fn value() -> Value {
        json!({"a": [1]})
    }
    /// For a test.
    #[tool]
    async fn content() -> Content {
        Content::Image { mime: "image/png".into(), data: String::new() }
    }
    /// For a test.
    #[tool]
    fn output() -> ToolOutput {
        ToolOutput { content: vec![Content::text("a"), Content::json(json!(1))] }
    }
    for (tool, expected) in [
        (tools![text], "plain \"text\""),
        (tools![borrowed], "static"),
        (tools![nothing], "Done."),
        (tools![number], "1.5"),
        (tools![structure], r#"{"city":"北京","celsius":21.5}"#),
        (tools![optional], "null"),
        (tools![value], r#"{"a":[1]}"#),
        (tools![content], "[Image]"),
        (tools![output], "a\n1"),
    ] {
        let name = tool[0].spec().name.clone();
        let outcome = call(tool, &name, json!({})).await;
        assert_eq!(outcome.for_model, expected, "{name}");
        assert!(outcome.result.is_ok());
    }
}

#[tokio::test]
async fn errors_of_any_kind_reach_the_model_through_the_question_mark() {
    /// For a test.
    #[tool]
    async fn own(city: String) -> Result<Weather, NoWeather> {
        Err(NoWeather(city))
    }
    /// For a test.
    #[tool]
    fn boxed(text: String) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
        let number: i64 = text.parse()?;
        if number < 0 {
            return Err("negative".into());
        }
        Ok(number)
    }
    /// For a test.
    #[tool]
    async fn alias() -> std::io::Result<String> {
        Err(std::io::Error::other("disk on fire"))
    }
    /// For a test.
    #[tool]
    async fn sentence() -> Result<(), String> {
        Err("in words".into())
    }
    /// For a test.
    #[tool]
    async fn passes_on() -> Result<String, ToolError> {
        Err(ToolError::Denied { name: "inner".into(), reason: "secret".into() })
    }
    assert_eq!(call(tools![own], "own", json!({"city": "Oz"})).await.for_model, "Error: no weather in Oz");
    assert_eq!(call(tools![boxed], "boxed", json!({"text": "7"})).await.for_model, "7");
    assert_eq!(
        call(tools![boxed], "boxed", json!({"text": "x"})).await.for_model,
        "Error: invalid digit found in string"
    );
    assert_eq!(call(tools![boxed], "boxed", json!({"text": "-1"})).await.for_model, "Error: negative");
    assert_eq!(call(tools![alias], "alias", json!({})).await.for_model, "Error: disk on fire");
    assert_eq!(call(tools![sentence], "sentence", json!({})).await.for_model, "Error: in words");
    let outcome = call(tools![passes_on], "passes_on", json!({})).await;
    assert!(matches!(outcome.result, Err(ToolError::Denied { .. })), "a tool error stays the one it is");
    assert!(!outcome.for_model.contains("secret"));
}

#[tokio::test]
async fn arguments_that_are_left_out_take_their_defaults() {
    /// For a test.
    #[tool]
    async fn defaults(
        a: Option<u8>,
        #[tool(default = 5)] b: u8,
        #[tool(default = "Paris")] c: String,
        #[tool(default)] d: Vec<u8>,
        mut e: i64,
        _unused: Option<bool>,
    ) -> String {
        e += 1;
        format!("{a:?} {b} {c} {d:?} {e}")
    }
    assert_eq!(call(tools![defaults], "defaults", json!({"e": 1})).await.for_model, "None 5 Paris [] 2");
    let all = json!({"a": 1, "b": 2, "c": "x", "d": [3], "e": 4});
    assert_eq!(call(tools![defaults], "defaults", all).await.for_model, "Some(1) 2 x [3] 5");
    let nulls = call(tools![defaults], "defaults", json!({"a": null, "b": null, "c": null, "d": null, "e": 1})).await;
    assert_eq!(nulls.for_model, "None 5 Paris [] 2");
    assert_eq!(nulls.coercions.len(), 4);
}

#[tokio::test]
async fn the_context_may_stand_anywhere_and_text_may_be_borrowed() {
    /// For a test.
    #[tool]
    async fn first(context: &ToolContext, text: &str) -> String {
        format!("{} {text}", context.call_id())
    }
    /// For a test.
    #[tool]
    fn last(text: &str, context: &glassbox_tools::ToolContext) -> String {
        format!("{} {text}", context.call_id())
    }
    for (tool, name) in [(tools![first], "first"), (tools![last], "last")] {
        assert_eq!(call(tool, name, json!({"text": "x"})).await.for_model, "call-1 x");
    }
    assert_eq!(first(&ToolContext::default(), "by hand").await, "call-0 by hand");
}

#[tokio::test]
async fn argument_names_do_not_collide_with_generated_ones() {
    /// For a test.
    #[tool]
    async fn names(names: String, arguments: String, context: String, spec: String, r#type: String) -> String {
        [names, arguments, context, spec, r#type].concat()
    }
    let arguments = json!({"names": "a", "arguments": "b", "context": "c", "spec": "d", "type": "e"});
    assert_eq!(call(tools![names], "names", arguments).await.for_model, "abcde");
}

#[derive(Default)]
struct Counter {
    value: AtomicI64,
}

#[tool]
impl Counter {
    /// Add `amount` and return the sum.
    #[tool(serial)]
    async fn add(&self, amount: i64) -> i64 {
        self.value.fetch_add(amount, Ordering::SeqCst) + amount
    }

    /// The value.
    #[tool(read_only, name = "read-counter")]
    fn value(&self, context: &ToolContext) -> i64 {
        context.emit("reading");
        self.value.load(Ordering::SeqCst)
    }

    fn not_a_tool(&self) -> i64 {
        self.value.load(Ordering::SeqCst) * 10
    }
}

#[tokio::test]
async fn methods_are_tools_of_one_value() {
    let counter = Arc::new(Counter::default());
    let tools = tools![Arc::clone(&counter)];
    assert_eq!(tools.iter().map(|tool| tool.spec().name.as_str()).collect::<Vec<_>>(), ["add", "read-counter"]);
    assert!(tools[0].spec().serial && tools[1].spec().hints.read_only);
    assert_eq!(call(tools.clone(), "add", json!({"amount": 40})).await.for_model, "40");
    assert_eq!(counter.add(2).await, 42, "methods stay methods");
    assert_eq!(call(tools, "read-counter", json!({})).await.for_model, "42");
    assert_eq!(counter.not_a_tool(), 420);
}

#[tokio::test]
async fn a_list_takes_functions_types_values_and_other_lists() {
    use elsewhere::double;
    let list = tools![Counter::default()];
    let boxed: glassbox_tools::BoxTool = Arc::new(glassbox_tools::builtin::track {});
    let all = tools![double, ..list, boxed.clone(), vec![boxed]];
    let names = all.iter().map(|tool| tool.spec().name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["double", "add", "read-counter", "track", "track"]);
    assert_eq!(tools![Counter].len(), 2, "a type by its name is its default");
    assert!(tools![].is_empty());
}

#[tokio::test]
async fn tools_can_be_made_by_macros_and_in_functions() {
    macro_rules! constant {
        ($name:ident, $type:ty, $value:expr, $doc:literal) => {
            #[doc = $doc]
            #[tool]
            fn $name() -> $type {
                $value
            }
        };
    }
    constant!(answer, u8, 42, "The answer.");
    constant!(question, Result<String, String>, Err("unknown".to_owned()), "The question.");
    assert_eq!(call(tools![answer], "answer", json!({})).await.for_model, "42");
    assert_eq!(call(tools![question], "question", json!({})).await.for_model, "Error: unknown");
}

#[tokio::test]
async fn tools_behind_cfg_vanish_with_what_they_are_made_of() {
    /// Never there.
    #[tool]
    #[cfg(any())]
    fn gone(missing: NoSuchType) {}

    struct Some;
    #[tool]
    impl Some {
        /// There.
        #[tool]
        fn here(&self) {}
        /// Never there.
        #[tool]
        #[cfg(any())]
        fn gone(&self, missing: NoSuchType) {}
    }
    assert_eq!(tools![Some {}].len(), 1);
    assert_eq!(call(tools![Some {}], "here", json!({})).await.for_model, "Done.");
}

#[tokio::test]
async fn what_the_schema_cannot_say_is_still_checked_when_it_is_read() {
    /// For a test.
    #[tool]
    async fn large(n: i64) -> i64 {
        n
    }
    let outcome = call(tools![large], "large", json!({"n": u64::MAX})).await;
    assert!(matches!(&outcome.result, Err(ToolError::InvalidArguments { .. })), "{outcome:?}");
    assert!(outcome.for_model.contains("18446744073709551615"), "{}", outcome.for_model);
}

#[tokio::test]
async fn a_blocking_tool_has_the_runtime_at_hand() {
    /// For a test.
    #[tool]
    fn uses_runtime() -> u8 {
        tokio::runtime::Handle::current().block_on(async { 7 })
    }
    assert_eq!(call(tools![uses_runtime], "uses_runtime", json!({})).await.for_model, "7");
}
