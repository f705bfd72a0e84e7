//! The server over real HTTP, with a scripted model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use glassbox_model::scripted::Reply;
use glassbox_model::{
    AdapterChoice, ChatModel, DeltaStream, FinishReason, Message, ModelError, ModelInfo, Request, ScriptedModel,
    ToolChoice,
};
use glassbox_server::{Builder, ServeError, Server};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// A server that runs until it is dropped.
struct Running {
    base: String,
    model: Arc<ScriptedModel>,
    client: Client,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn post(&self, body: &Value) -> Response {
        self.client.post(format!("{}/v1/chat/completions", self.base)).json(body).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    async fn refused(&self, body: &Value) -> (StatusCode, Value) {
        let response = self.post(body).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
        (status, body["error"].clone())
    }

    /// The chunks of a streamed reply, which must end in `[DONE]`.
    async fn chunks(&self, body: &Value) -> Vec<Value> {
        let response = self.post(body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.unwrap();
        let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{text}");
        data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

async fn start_with(replies: Vec<Reply>, set: impl FnOnce(Builder) -> Builder) -> Running {
    let model = Arc::new(ScriptedModel::new(replies));
    let builder = set(Server::builder(model.clone()).alias("gpt-test"));
    let server = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let base = format!("http://{}", server.address());
    let task = tokio::spawn(async move { server.run(std::future::pending()).await.unwrap() });
    Running { base, model, client: Client::new(), task }
}

async fn start(replies: Vec<Reply>) -> Running {
    start_with(replies, |builder| builder).await
}

fn ask(more: Value) -> Value {
    let mut body = json!({ "model": "gpt-test", "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn weather() -> Value {
    json!([{ "type": "function", "function": { "name": "weather", "description": "The weather.",
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] } } }])
}

#[tokio::test]
async fn a_reply_has_openais_shape() {
    let server = start(vec![Reply::text("Hello there.")]).await;
    let reply: Value = server.post(&ask(json!({}))).await.json().await.unwrap();
    assert_eq!(reply["object"], "chat.completion");
    assert_eq!(reply["model"], "gpt-test");
    assert!(reply["id"].as_str().unwrap().starts_with("chatcmpl-"));
    let choice = &reply["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], "Hello there.");
    assert_eq!(choice["finish_reason"], "stop");
    let usage = &reply["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"].as_u64(), Some(sum));
    assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64());
}

#[tokio::test]
async fn calls_go_out_and_their_answers_come_back() {
    let call = Reply::text("One moment.").and_call("weather", json!({ "city": "北京" }));
    let server = start(vec![call, Reply::text("Sunny.")]).await;
    let system = json!({ "role": "system", "content": "Be brief." });
    let user = json!({ "role": "user", "content": [{ "type": "text", "text": "Weather in " }, { "type": "text", "text": "北京?" }] });
    let body = ask(json!({ "messages": [system, user], "tools": weather(), "parallel_tool_calls": false }));
    let reply: Value = server.post(&body).await.json().await.unwrap();
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "One moment.");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["type"], "function");
    assert_eq!(call["function"]["name"], "weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({ "city": "北京" }));

    let answer = json!({ "role": "tool", "tool_call_id": call["id"], "content": "sunny" });
    let body = ask(json!({ "messages": [system, user, choice["message"], answer], "tools": weather() }));
    let reply: Value = server.post(&body).await.json().await.unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "Sunny.");

    let [first, second] = &server.model.requests()[..] else { panic!("two requests") };
    assert!(!first.parallel_calls && second.parallel_calls);
    assert_eq!(first.messages, [Message::system("Be brief."), Message::user("Weather in 北京?")]);
    let [.., Message::Assistant(written), Message::Observation(seen)] = &second.messages[..] else { panic!("roles") };
    assert_eq!(written.text(), "One moment.");
    assert_eq!(written.calls().next().unwrap().arguments, json!({ "city": "北京" }));
    assert_eq!((seen.name.as_deref(), seen.content.as_str()), (Some("weather"), "sunny"));
}

#[tokio::test]
async fn a_stream_adds_up_to_the_reply() {
    let script = || {
        Reply::text("One two three.")
            .and_call("weather", json!({ "city": "Rome" }))
            .and_call("weather", json!({ "city": "Oslo" }))
    };
    let server = start(vec![script(), script()]).await;
    let body = ask(json!({ "tools": weather(), "stream": true, "stream_options": { "include_usage": true } }));
    let mut chunks = server.chunks(&body).await;
    let whole: Value = server.post(&ask(json!({ "tools": weather() }))).await.json().await.unwrap();

    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let ids: std::collections::BTreeSet<_> = chunks.iter().map(|chunk| chunk["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    let (mut content, mut calls, mut reasons) = (String::new(), Vec::<Value>::new(), Vec::new());
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let choice = &chunk["choices"][0];
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        reasons.extend(choice["finish_reason"].as_str().map(str::to_owned));
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                assert!(call["id"].is_string() && call["type"] == "function", "{call}");
                calls.push(call["function"].clone());
            } else {
                let more = call["function"]["arguments"].as_str().unwrap();
                let known = calls[index]["arguments"].as_str().unwrap().to_owned();
                calls[index]["arguments"] = json!(known + more);
            }
        }
    }
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], content.as_str());
    assert_eq!(reasons, ["tool_calls"]);
    let wanted: Vec<&Value> = message["tool_calls"].as_array().unwrap().iter().map(|call| &call["function"]).collect();
    assert_eq!(calls.iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn every_end_has_its_reason() {
    for (reason, told) in
        [(FinishReason::Stop, "stop"), (FinishReason::Length, "length"), (FinishReason::ContextFull, "length")]
    {
        let server = start(vec![Reply::text("x").ending(reason)]).await;
        let reply: Value = server.post(&ask(json!({}))).await.json().await.unwrap();
        assert_eq!(reply["choices"][0]["finish_reason"], told);
    }
}

#[tokio::test]
async fn a_call_that_cannot_be_read_is_text_and_not_lost() {
    let server = start(vec![Reply::malformed(Some("weather"), "{\"name\": \"weather\", ", "it is cut short")]).await;
    let reply: Value = server.post(&ask(json!({ "tools": weather() }))).await.json().await.unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "{\"name\": \"weather\", ");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_call_of_a_tool_that_is_not_offered_is_text_and_not_lost() {
    let script = || Reply::text("So:").and_call("forecast", json!({ "city": "Rome" }));
    let server = start(vec![script(), script().and_call("weather", json!({ "city": "Oslo" }))]).await;
    for (count, reason) in [(0, "stop"), (1, "tool_calls")] {
        let reply: Value = server.post(&ask(json!({ "tools": weather() }))).await.json().await.unwrap();
        let choice = &reply["choices"][0];
        let content = choice["message"]["content"].as_str().unwrap();
        let call: Value = serde_json::from_str(content.strip_prefix("So:").unwrap()).unwrap();
        assert_eq!(call, json!({ "name": "forecast", "arguments": { "city": "Rome" } }));
        assert_eq!(choice["message"]["tool_calls"].as_array().map_or(0, Vec::len), count);
        assert_eq!(choice["finish_reason"], reason);
    }
}

#[tokio::test]
async fn settings_reach_the_model() {
    let server = start(vec![Reply::text("x")]).await;
    let settings = json!({ "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "seed": 42, "stop": "END",
        "frequency_penalty": 0.5, "presence_penalty": -1.5, "repetition_penalty": 1.5, "logit_bias": { "7": -100 }, "logprobs": true, "max_tokens": 9,
        "max_completion_tokens": 5, "tools": weather(), "tool_choice": { "type": "function", "function": { "name": "weather" } },
        "unknown_member": { "a": 1 }, "user": "someone" });
    assert_eq!(server.post(&ask(settings)).await.status(), StatusCode::OK);
    let request = server.model.requests().remove(0);
    let sampling = &request.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p), (0.5, 0.9, 7, 0.1));
    assert_eq!((sampling.frequency_penalty, sampling.presence_penalty), (0.5, -1.5));
    assert_eq!(
        (sampling.repetition_penalty, &sampling.logit_bias[..], request.logprobs),
        (1.5, &[(7, -100.0)][..], Some(0))
    );
    assert_eq!((sampling.seed, request.max_tokens), (Some(42), Some(5)));
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.tool_choice, ToolChoice::Named("weather".to_owned()));
}

#[tokio::test]
async fn several_replies_to_one_question_have_their_numbers_and_one_prompt() {
    let script = || vec![Reply::text("red"), Reply::call("weather", json!({ "city": "北京" })), Reply::text("blue")];
    let server = start(script()).await;
    let asked = json!({ "n": 3, "seed": 7, "tools": weather() });
    let whole: Value = server.post(&ask(asked)).await.json().await.unwrap();
    let choices = whole["choices"].as_array().unwrap();
    let read: Vec<_> =
        choices.iter().map(|c| (c["index"].as_u64().unwrap(), c["finish_reason"].as_str().unwrap())).collect();
    assert_eq!(read, [(0, "stop"), (1, "tool_calls"), (2, "stop")], "{whole}");
    assert_eq!((&choices[0]["message"]["content"], &choices[2]["message"]["content"]), (&json!("red"), &json!("blue")));
    let seeds: Vec<_> = server.model.requests().iter().map(|request| request.sampling.seed).collect();
    assert_eq!(seeds, [Some(7), Some(8), Some(9)]);

    let server = start(script()).await;
    let options = json!({ "include_usage": true });
    let streamed = ask(json!({ "n": 3, "seed": 7, "tools": weather(), "stream": true, "stream_options": options }));
    let chunks = server.chunks(&streamed).await;
    let of = |index: u64| {
        let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        choices.filter(move |choice| choice["index"] == index).collect::<Vec<_>>()
    };
    for (index, content, reason) in [(0, "red", "stop"), (1, "", "tool_calls"), (2, "blue", "stop")] {
        let texts = of(index).iter().filter_map(|c| c["delta"]["content"].as_str()).collect::<String>();
        assert_eq!(
            (texts.as_str(), &of(index).last().unwrap()["finish_reason"]),
            (content, &json!(reason)),
            "{chunks:?}"
        );
    }
    assert_eq!(of(1)[1]["delta"]["tool_calls"][0]["index"], 0);
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    assert_eq!(chunks.iter().filter(|chunk| !chunk["usage"].is_null()).count(), 1);
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_member_that_is_wrong() {
    let server = start(Vec::new()).await;
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] }]);
    let orphan = json!([{ "role": "tool", "tool_call_id": "call_9", "content": "x" }]);
    let cases = [
        (json!({ "model": "other" }), StatusCode::NOT_FOUND, json!("model"), json!("model_not_found")),
        (json!({ "messages": [] }), StatusCode::BAD_REQUEST, json!("messages"), Value::Null),
        (json!({ "messages": image }), StatusCode::BAD_REQUEST, json!("messages[0]"), Value::Null),
        (json!({ "messages": orphan }), StatusCode::BAD_REQUEST, json!("messages[0]"), Value::Null),
        (
            json!({ "messages": [{ "role": "nobody", "content": "x" }] }),
            StatusCode::BAD_REQUEST,
            Value::Null,
            Value::Null,
        ),
        (json!({ "tool_choice": "required" }), StatusCode::BAD_REQUEST, json!("tool_choice"), Value::Null),
        (json!({ "tool_choice": "sometimes" }), StatusCode::BAD_REQUEST, json!("tool_choice"), Value::Null),
        (
            json!({ "tools": [{ "type": "function", "function": { "name": "x", "parameters": { "type": "array" } } }] }),
            StatusCode::BAD_REQUEST,
            json!("tools[0]"),
            Value::Null,
        ),
        (json!({ "n": 0 }), StatusCode::BAD_REQUEST, json!("n"), Value::Null),
        (json!({ "n": 17 }), StatusCode::BAD_REQUEST, json!("n"), Value::Null),
        (json!({ "top_logprobs": 2 }), StatusCode::BAD_REQUEST, json!("top_logprobs"), Value::Null),
        (json!({ "logprobs": true, "top_logprobs": 21 }), StatusCode::BAD_REQUEST, json!("top_logprobs"), Value::Null),
        (json!({ "logit_bias": { "x": 1 } }), StatusCode::BAD_REQUEST, json!("logit_bias"), Value::Null),
        (
            json!({ "response_format": { "type": "json_schema" } }),
            StatusCode::BAD_REQUEST,
            json!("response_format"),
            Value::Null,
        ),
        (json!({ "stop": ["", "x"] }), StatusCode::BAD_REQUEST, json!("stop"), Value::Null),
    ];
    for (more, status, param, code) in cases {
        let (refused, error) = server.refused(&ask(more.clone())).await;
        assert_eq!((refused, &error["param"], &error["code"]), (status, &param, &code), "{more}: {error}");
    }
    assert!(server.model.requests().is_empty());
    let text = server.client.post(format!("{}/v1/chat/completions", server.base)).body("{}").send().await.unwrap();
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let lost = server.get("/v1/nothing").await;
    assert_eq!(lost.status(), StatusCode::NOT_FOUND);
    assert!(lost.json::<Value>().await.unwrap()["error"]["message"].is_string());
    assert_eq!(server.get("/v1/chat/completions").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let huge = ask(json!({ "messages": [{ "role": "user", "content": "x".repeat(17 << 20) }] }));
    assert_eq!(server.refused(&huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn errors_of_the_model_have_openais_status() {
    let full = || Reply::error(ModelError::QueueFull { waiting: 3 });
    let long = Reply::error(ModelError::ContextOverflow { needed: 9000, limit: 8192 });
    let late = Reply::text("begun").and_error(ModelError::Stopped { problem: "gone".to_owned() });
    let server = start(vec![full(), full(), long, late]).await;
    let response = server.post(&ask(json!({}))).await;
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
    );
    // Also where a stream was asked for: nothing of it has gone out yet.
    assert_eq!(server.refused(&ask(json!({ "stream": true }))).await.0, StatusCode::TOO_MANY_REQUESTS);
    let (status, error) = server.refused(&ask(json!({}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("context_length_exceeded")));
    let chunks = server.chunks(&ask(json!({ "stream": true }))).await;
    assert_eq!(chunks.last().unwrap()["error"]["type"], "server_error");
}

/// Tells when its streams are gone.
struct Watched {
    inner: ScriptedModel,
    gone: Arc<tokio::sync::Notify>,
}

struct Guard(Arc<tokio::sync::Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[async_trait::async_trait]
impl ChatModel for Watched {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let guard = Guard(Arc::clone(&self.gone));
        let deltas = self.inner.stream(request);
        Box::pin(deltas.inspect(move |_| {
            let _ = &guard;
        }))
    }

    async fn count_tokens(&self, request: &Request) -> Result<u32, ModelError> {
        self.inner.count_tokens(request).await
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_generation() {
    let gone = Arc::new(tokio::sync::Notify::new());
    let inner = ScriptedModel::new([Reply::endless("again "), Reply::endless("again ")]);
    let model = Arc::new(Watched { inner, gone: Arc::clone(&gone) });
    let server = Server::builder(model).alias("gpt-test").bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/v1/chat/completions", server.address());
    let task = tokio::spawn(server.run(std::future::pending()));
    let soon = Duration::from_secs(10);

    let mut response = Client::new().post(&url).json(&ask(json!({ "stream": true }))).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    tokio::time::timeout(soon, gone.notified()).await.unwrap();

    let waiting = Client::new().post(&url).json(&ask(json!({}))).timeout(Duration::from_millis(300)).send();
    assert!(waiting.await.unwrap_err().is_timeout());
    tokio::time::timeout(soon, gone.notified()).await.unwrap();
    task.abort();
}

#[tokio::test]
async fn keys_are_asked_for_where_there_are_some() {
    let server = start_with(vec![Reply::text("x")], |builder| builder.api_key("secret").api_key("other")).await;
    let (status, error) = server.refused(&ask(json!({}))).await;
    assert_eq!((status, &error["code"]), (StatusCode::UNAUTHORIZED, &json!("invalid_api_key")));
    let with = |key: &str| server.client.get(format!("{}/v1/models", server.base)).bearer_auth(key).send();
    assert_eq!(with("wrong").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(with("other").await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.get("/health").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_answered() {
    let builder = Server::builder(Arc::new(ScriptedModel::new([])));
    let refused = builder.bind("0.0.0.0:0".parse().unwrap()).await;
    assert!(matches!(refused, Err(ServeError::NoKeys { .. })));
    let server = start(vec![Reply::text("x")]).await;
    let request = server.client.get(format!("{}/v1/models", server.base));
    assert_eq!(request.header("host", "rebound.example").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let response =
        server.client.get(format!("{}/v1/models", server.base)).header("origin", "https://example.com").send();
    assert!(!response.await.unwrap().headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn pages_of_a_named_origin_may_ask() {
    let server = start_with(Vec::new(), |builder| builder.cors_origin("https://example.com")).await;
    let asked =
        |origin: &'static str| server.client.get(format!("{}/v1/models", server.base)).header("origin", origin).send();
    let allowed = asked("https://example.com").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://example.com");
    assert!(!asked("https://other.example").await.unwrap().headers().contains_key("access-control-allow-origin"));
    let builder = Server::builder(Arc::new(ScriptedModel::new([]))).cors_origin("example.com/x");
    assert!(matches!(builder.bind("127.0.0.1:0".parse().unwrap()).await, Err(ServeError::BadOrigin { .. })));
}

#[tokio::test]
async fn models_are_listed_under_their_names() {
    let server = start(Vec::new()).await;
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(list["data"][1]["id"], "gpt-test");
    assert_eq!(server.get("/v1/models/gpt-test").await.status(), StatusCode::OK);
    assert_eq!(server.get("/v1/models/other").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_adapter_is_asked_for_by_the_model_s_name_or_by_lora() {
    let replies: Vec<Reply> = (0..6).map(|_| Reply::text("ok")).collect();
    let model = Arc::new(ScriptedModel::new(replies).with_adapters(["weather", "stocks"]));
    let server = Server::builder(Arc::clone(&model) as Arc<dyn ChatModel>)
        .alias("gpt")
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let base = format!("http://{}", server.address());
    let task = tokio::spawn(async move { server.run(std::future::pending()).await.unwrap() });
    let server = Running { base, model, client: Client::new(), task };
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    let names: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["scripted", "gpt", "scripted:weather", "scripted:stocks"]);
    assert_eq!(server.get("/v1/models/gpt:weather").await.status(), StatusCode::OK);
    let named = |name: &str, scale| AdapterChoice::Named { name: name.to_owned(), scale };
    for (more, choice) in [
        (json!({"model": "scripted"}), AdapterChoice::AsLoaded),
        (json!({"model": "gpt:stocks"}), named("stocks", None)),
        (json!({"model": "gpt", "lora": []}), AdapterChoice::Base),
        (
            json!({"model": "gpt", "lora": [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 0.5}]}),
            named("stocks", Some(0.5)),
        ),
        (json!({"model": "gpt", "lora": [{"name": "weather"}]}), named("weather", None)),
        (json!({"model": "gpt", "lora": [{"id": 0, "scale": 0.0}]}), AdapterChoice::Base),
    ] {
        assert_eq!(server.post(&ask(more.clone())).await.status(), StatusCode::OK, "{more}");
        assert_eq!(server.model.requests().pop().unwrap().adapter, choice, "{more}");
    }
    for (more, status, param) in [
        (json!({"model": "gpt:news"}), StatusCode::NOT_FOUND, "model"),
        (json!({"model": "other:stocks"}), StatusCode::NOT_FOUND, "model"),
        (json!({"model": "gpt:stocks", "lora": []}), StatusCode::BAD_REQUEST, "lora"),
        (json!({"model": "gpt", "lora": [{"id": 2}]}), StatusCode::BAD_REQUEST, "lora"),
        (json!({"model": "gpt", "lora": [{"scale": 1.0}]}), StatusCode::BAD_REQUEST, "lora"),
        (json!({"model": "gpt", "lora": [{"id": 0}, {"id": 1}]}), StatusCode::BAD_REQUEST, "lora"),
    ] {
        let (refused, error) = server.refused(&ask(more.clone())).await;
        assert_eq!((refused, &error["param"]), (status, &json!(param)), "{more}: {error}");
    }
}

#[tokio::test]
async fn replies_under_way_are_finished_before_the_end() {
    let model = Arc::new(ScriptedModel::new([Reply::slow("a b c d e f", Duration::from_millis(20))]));
    let server = Server::builder(model).alias("gpt-test").bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/v1/chat/completions", server.address());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async { drop(ended.await) }));
    let mut response = Client::new().post(url).json(&ask(json!({ "stream": true }))).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    end.send(()).unwrap();
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_happened_is_counted() {
    let call = Reply::call("weather", json!({ "city": "Rome" }));
    let server = start(vec![Reply::text("x"), call, Reply::error(ModelError::QueueFull { waiting: 1 })]).await;
    for more in [json!({}), json!({ "tools": weather() }), json!({})] {
        server.post(&ask(more)).await;
    }
    let text = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "glassbox_replies_total{end=\"stop\"} 1",
        "glassbox_replies_total{end=\"tool_calls\"} 1",
        "glassbox_replies_total{end=\"error\"} 1",
        "glassbox_replies_running 0",
        "glassbox_reply_seconds_count 3",
        "glassbox_first_token_seconds_count 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let written = text.lines().find_map(|line| line.strip_prefix("glassbox_completion_tokens_total ")).unwrap();
    assert!(written.parse::<u64>().unwrap() >= 2, "{text}");
}
