//! A model that knows nothing still makes calls that can be run: the grammar sees to it.
//!
//! The weights are random, so whatever the grammar allows comes up sooner or later.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use glassbox_model::{
    AssistantMessage, ChatModel as _, Delta, FinishReason, Message, Model, Request, Sampling, ToolChoice, Usage,
    engine::EngineOptions,
};
use glassbox_tools::ToolSpec;
use serde_json::{Value, json};

const SEEDS: u32 = 200;

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, description: &str, properties, required: &[&str]| {
        let schema = json!({"type": "object", "properties": properties, "required": required});
        ToolSpec::new(name, description).with_parameters(schema)
    };
    vec![
        // As in ChatGLM3's own demo: the type is left open.
        tool("track", "追踪指定股票的实时价格", json!({"symbol": {"description": "需要追踪的股票代码"}}), &["symbol"]),
        tool(
            "get_weather",
            "Get the weather",
            json!({"city_name": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}),
            &["city_name"],
        ),
        tool(
            "random_number_generator",
            "Generates a random number x, s.t. range[0] <= x < range[1]",
            json!({
                "seed": {"type": "integer", "minimum": -5, "maximum": 1000},
                "range": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 2},
            }),
            &["seed", "range"],
        ),
        tool(
            "text-to-speech",
            "Says a text",
            json!({
                "text": {"type": "string", "minLength": 1, "maxLength": 30},
                "voice": {"enum": ["alto", "\"bass\"", "女声", "it's"]},
                "loud": {"type": "boolean"},
                "language": {"type": ["string", "null"], "maxLength": 5},
            }),
            &["text", "voice"],
        ),
        tool(
            "/plan_route",
            "Plans a route",
            json!({
                "stops": {
                    "type": "array", "minItems": 1, "maxItems": 3,
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string", "maxLength": 8},
                            "kind": {"type": "string", "enum": ["town", "peak"]},
                            "nights": {"type": "integer", "minimum": 0, "maximum": 30},
                        },
                        "required": ["name", "kind"],
                        "additionalProperties": false,
                    },
                },
                "by": {"type": "object", "properties": {"vehicle": {"const": "bus"}}, "required": ["vehicle"], "additionalProperties": false},
            }),
            &["stops"],
        ),
        ToolSpec::new("now", "The time"),
    ]
}

async fn model() -> Model {
    // One thread: a model so small gains nothing from two, and threads that wait for each other wait long on a machine
    // that is busy with other tests.
    let options = EngineOptions { context: Some(8192), threads: Some(1), ..EngineOptions::default() };
    let path = support::chatglm3_model::path().display().to_string();
    let model = Model::builder(path).options(options).load().await.unwrap();
    assert_eq!(model.info().dialect, "chatglm3");
    model
}

async fn generate(model: &Model, request: Request) -> (AssistantMessage, FinishReason, Usage) {
    let mut stream = model.stream(request);
    while let Some(delta) = stream.next().await {
        if let Delta::Finished { message, reason, usage, .. } = delta.unwrap() {
            return (message, reason, usage);
        }
    }
    panic!("the stream ended without an end");
}

fn request(seed: u32) -> Request {
    Request {
        messages: vec![Message::user("帮我查询股票10111的价格")],
        tools: tools(),
        tool_choice: ToolChoice::Required,
        sampling: Sampling { temperature: 1.0, seed: Some(seed), ..Sampling::default() },
        max_tokens: Some(4096),
        ..Request::default()
    }
}

/// The calls of a reply, each checked against its schema.
fn check(seed: u32, message: &AssistantMessage, reason: FinishReason) -> Vec<String> {
    let whole = format!("seed {seed}: {message:?}");
    assert_eq!(reason, FinishReason::Calls, "{whole}");
    let calls: Vec<_> = message.calls().collect();
    assert_eq!(calls.len(), message.parts.len(), "nothing but calls: {whole}");
    assert!(!calls.is_empty(), "{whole}");
    for call in &calls {
        let tool =
            tools().into_iter().find(|tool| tool.name == call.name).unwrap_or_else(|| panic!("no tool: {whole}"));
        if let Err(error) = jsonschema::validator_for(&tool.parameters).unwrap().validate(&call.arguments) {
            panic!("{error} in {whole}");
        }
    }
    calls.into_iter().map(|call| call.name.clone()).collect()
}

#[tokio::test]
async fn required_calls_parse_and_satisfy_their_schema_whatever_the_weights_say() {
    let model = model().await;
    let mut called: BTreeMap<String, u32> = BTreeMap::new();
    let mut tokens = Vec::new();
    let mut free = BTreeSet::new();
    for seed in 0..SEEDS {
        let (message, reason, usage) = generate(&model, request(seed)).await;
        let names = check(seed, &message, reason);
        assert_eq!(names.len(), 1, "one call was allowed");
        let symbol = message.calls().find_map(|call| call.arguments.get("symbol"));
        free.extend(symbol.map(|value| match value {
            Value::Null | Value::Bool(_) => "constant",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) | Value::Object(_) => "nested",
        }));
        *called.entry(names.into_iter().next().unwrap()).or_default() += 1;
        tokens.push(usage.completion_tokens);
    }
    tokens.sort_unstable();
    let (median, most) = (tokens[tokens.len() / 2], tokens[tokens.len() - 1]);
    println!("{SEEDS} calls: {called:?}; a value of any type was {free:?}; tokens: median {median}, most {most}");
    assert_eq!(called.len(), tools().len(), "every tool came up: {called:?}");
    assert!(free.len() > 1, "a value of any type was only ever {free:?}");
}

#[tokio::test]
async fn a_named_tool_is_the_one_that_is_called() {
    let model = model().await;
    for (seed, tool) in (0..).zip(tools()) {
        let choice = ToolChoice::Named(tool.name.clone());
        let (message, reason, _) = generate(&model, Request { tool_choice: choice, ..request(seed) }).await;
        assert_eq!(check(seed, &message, reason), [tool.name]);
    }
}

#[tokio::test]
async fn several_calls_in_a_reply_are_each_sound() {
    let model = model().await;
    let mut most = 0;
    for seed in 0..20 {
        let (message, reason, _) = generate(&model, Request { parallel_calls: true, ..request(seed) }).await;
        most = most.max(check(seed, &message, reason).len());
    }
    assert!(most > 1, "no reply had two calls");
}
