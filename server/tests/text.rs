//! Plain text, tokens, limits and counters over real HTTP, on a real model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod real;

use std::time::Duration;

use glassbox_model::engine::EngineOptions;
use glassbox_model::{ChatModel, Vocab};
use real::{Real, options};
use reqwest::StatusCode;
use serde_json::{Value, json};

const TEXT: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";

fn ask(prompt: Value, more: Value) -> Value {
    let mut body = json!({ "model": "test", "prompt": prompt });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn texts(reply: &Value) -> Vec<String> {
    reply["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn prompts_go_on_as_text_as_tokens_and_several_at_once() {
    let server = Real::small().await;
    let capital = "The capital of France is";
    let one = server.ask(TEXT, &ask(json!(capital), json!({ "max_tokens": 8 }))).await;
    assert_eq!((&one["object"], &one["model"]), (&json!("text_completion"), &json!("test")));
    assert!(one["id"].as_str().unwrap().starts_with("cmpl-"));
    assert!(texts(&one)[0].contains("Paris"), "{one}");
    assert_eq!(one["choices"][0]["finish_reason"], "length");
    assert_eq!(one["usage"]["completion_tokens"], 8);
    // OpenAI's own default.
    let short = server.ask(TEXT, &ask(json!(capital), json!({}))).await;
    assert_eq!(short["usage"]["completion_tokens"], 16);

    let vocab = server.model.engine().vocab();
    let tokens = vocab.tokenize(capital);
    let same = server.ask(TEXT, &ask(json!(tokens), json!({ "max_tokens": 8, "echo": true }))).await;
    assert_eq!(same["usage"]["prompt_tokens"], tokens.len());
    assert_eq!(texts(&same)[0], format!("{capital}{}", texts(&one)[0]));

    let colours = "Red, green,";
    let both = server.ask(TEXT, &ask(json!([capital, colours]), json!({ "max_tokens": 8, "n": 2, "seed": 1 }))).await;
    let found = texts(&both);
    assert_eq!((found.len(), &found[0], &found[1]), (4, &found[1], &found[0]));
    assert!(found[0].contains("Paris") && found[2].contains("blue") && found[3].contains("blue"), "{found:?}");
    let indices: Vec<u64> = both["choices"].as_array().unwrap().iter().map(|c| c["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    // Each prompt counts once.
    assert_eq!(both["usage"]["prompt_tokens"], tokens.len() + vocab.tokenize(colours).len());
    assert_eq!(both["usage"]["completion_tokens"], 32);
}

#[tokio::test]
async fn a_stream_adds_up_and_a_stop_text_ends_it() {
    let server = Real::small().await;
    let body = |more: Value| ask(json!(["One, two, three,", "Monday, Tuesday,"]), more);
    let whole = server.ask(TEXT, &body(json!({ "max_tokens": 12, "logprobs": 3 }))).await;
    let streamed =
        json!({ "max_tokens": 12, "logprobs": 3, "stream": true, "stream_options": { "include_usage": true } });
    let mut chunks = server.chunks(TEXT, &body(streamed)).await;
    let usage = chunks.pop().unwrap()["usage"].clone();
    assert_eq!(usage["total_tokens"], whole["usage"]["total_tokens"]);
    let (mut found, mut tokens, mut ends) = (vec![String::new(); 2], vec![Vec::<Value>::new(); 2], 0);
    for chunk in &chunks {
        let choice = &chunk["choices"][0];
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        found[index].push_str(choice["text"].as_str().unwrap());
        tokens[index].extend(choice["logprobs"]["tokens"].as_array().into_iter().flatten().cloned());
        ends += usize::from(choice["finish_reason"] == "length");
    }
    assert_eq!((&found, ends), (&texts(&whole), 2));
    for (index, tokens) in tokens.iter().enumerate() {
        let logprobs = &whole["choices"][index]["logprobs"];
        assert_eq!(&json!(tokens), &logprobs["tokens"]);
        assert_eq!(logprobs["text_offset"][1], tokens[0].as_str().unwrap().chars().count());
        // The likeliest was taken, so it is among the three.
        assert_eq!(logprobs["top_logprobs"][0][tokens[0].as_str().unwrap()], logprobs["token_logprobs"][0]);
        assert_eq!(logprobs["top_logprobs"][0].as_object().unwrap().len(), 3);
    }
    let stopped = server.ask(TEXT, &ask(json!("One, two, three,"), json!({ "stop": ", six", "max_tokens": 40 }))).await;
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert!(texts(&stopped)[0].ends_with("five"), "{stopped}");
}

#[tokio::test]
async fn what_text_cannot_do_is_refused_by_name() {
    let server = Real::small().await;
    for (more, param) in [
        (json!({ "suffix": "end" }), "suffix"),
        (json!({ "best_of": 3 }), "best_of"),
        (json!({ "echo": true, "logprobs": 1 }), "echo"),
        (json!({ "logprobs": 99 }), "logprobs"),
        (json!({ "n": 65 }), "n"),
        (json!({ "prompt": [] }), "prompt"),
        (json!({ "prompt": [[9_999_999]] }), "prompt"),
        (json!({ "prompt": "x ".repeat(4000) }), "prompt"),
        (json!({ "presence_penalty": 3 }), "presence_penalty"),
    ] {
        let response = server.post(TEXT, &ask(json!("x"), more.clone())).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!((status, body["error"]["param"].as_str()), (StatusCode::BAD_REQUEST, Some(param)), "{more}: {body}");
    }
}

#[tokio::test]
async fn texts_become_tokens_and_tokens_texts() {
    let server = Real::small().await;
    let text = "<|im_start|>user\n北京 🚀 naïve<|im_end|>\n";
    let tokens = server.ask("/tokenize", &json!({ "content": text })).await["tokens"].clone();
    let vocab = server.model.engine().vocab();
    assert_eq!(tokens[0], vocab.special("<|im_start|>").unwrap());
    let back = server.ask("/detokenize", &json!({ "tokens": tokens })).await;
    assert_eq!(back, json!({ "content": text }));
    let plain = server.ask("/tokenize", &json!({ "content": text, "parse_special": false })).await["tokens"].clone();
    let ids: Vec<u32> = serde_json::from_value(plain).unwrap();
    assert_eq!(ids, vocab.tokenize(text));
    let pieces = server.ask("/tokenize", &json!({ "content": text, "with_pieces": true })).await["tokens"].clone();
    let mut bytes = Vec::new();
    for (piece, id) in pieces.as_array().unwrap().iter().zip(tokens.as_array().unwrap()) {
        assert_eq!(&piece["id"], id);
        match &piece["piece"] {
            Value::String(text) => bytes.extend(text.as_bytes()),
            part => bytes.extend(part.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8)),
        }
    }
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    let lost = server.post("/detokenize", &json!({ "tokens": [9_999_999] })).await;
    assert_eq!(lost.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_second_turn_says_what_was_cached_and_counters_count() {
    let server = Real::small().await;
    let user = |text: &str| json!({ "role": "user", "content": text });
    let mut messages = vec![user("Say one short sentence about rain, please.")];
    let body = |messages: &[Value]| json!({ "model": "test", "messages": messages, "max_tokens": 20 });
    let first = server.ask(CHAT, &body(&messages)).await;
    let prompt = first["usage"]["prompt_tokens"].as_u64().unwrap();
    messages.push(first["choices"][0]["message"].clone());
    messages.push(user("And about snow."));
    let second = server.ask(CHAT, &body(&messages)).await;
    assert!(second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() >= prompt, "{first} {second}");
    let text = server.client.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    };
    for (name, wanted) in [
        ("glassbox_engine_running", 0.0),
        ("glassbox_engine_waiting", 0.0),
        ("glassbox_engine_sequences", 4.0),
        ("glassbox_engine_kv_capacity", 2048.0),
        ("glassbox_first_token_seconds_count", 2.0),
        ("glassbox_token_seconds_count", 2.0),
        ("glassbox_queued_seconds_count", 2.0),
        ("glassbox_reply_seconds_count", 2.0),
    ] {
        assert_eq!(value(name), wanted, "{name}");
    }
    let written = value("glassbox_completion_tokens_total");
    let cached = value("glassbox_prompt_tokens_cached_total");
    assert!(cached >= prompt as f64 && value("glassbox_prompt_tokens_total") > cached, "{text}");
    // Each batch holds one generation here; all but the last token of a reply go through one.
    let batches = value("glassbox_engine_batches_total");
    assert!(batches >= written - 2.0 && value("glassbox_engine_batch_generations_total") == batches, "{text}");
    assert!(
        value("glassbox_engine_batch_tokens_total") > batches && value("glassbox_engine_kv_tokens") > 0.0,
        "{text}"
    );
}

/// Waits until the engine has no generation, within a bound.
async fn freed(server: &Real) {
    let free = async {
        loop {
            let load = server.model.load_now().unwrap();
            if load.running == 0 && load.waiting == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.unwrap();
}

/// A request whose reply ends with the context alone: what would end it is banned.
fn endless(server: &Real, more: Value) -> Value {
    let ends = server.model.engine().vocab().end_of_generation();
    let bias: serde_json::Map<String, Value> = ends.iter().map(|id| (id.to_string(), json!(-100))).collect();
    let mut body =
        json!({ "model": "test", "messages": [{ "role": "user", "content": "Count." }], "logit_bias": bias });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_sequence() {
    let one = EngineOptions { sequences: 1, queue: 1, context: Some(8192), ..options() };
    let server = Real::start("smollm2-135m", one, |builder| builder).await;
    let begun = async || {
        let mut response = server.post(CHAT, &endless(&server, json!({ "stream": true }))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut seen = Vec::new();
        // The first two events are there as soon as it writes.
        while String::from_utf8_lossy(&seen).matches("data: ").count() < 3 {
            seen.extend(response.chunk().await.unwrap().unwrap());
        }
        response
    };
    // While it writes.
    let response = begun().await;
    assert_eq!(server.model.load_now().unwrap().running, 1);
    drop(response);
    freed(&server).await;
    // While it waits for another, streamed or not; the other goes on.
    let writing = begun().await;
    for stream in [true, false] {
        let waiting = tokio::spawn({
            let request = server
                .client
                .post(format!("{}{CHAT}", server.base))
                .json(&endless(&server, json!({ "stream": stream })));
            async move { request.send().await }
        });
        let queued = async {
            while server.model.load_now().unwrap().waiting == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), queued).await.unwrap();
        // The queue holds one.
        let full = server.post(CHAT, &endless(&server, json!({}))).await;
        assert_eq!(
            (full.status(), &full.headers()["retry-after"]),
            (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
        );
        let error: Value = full.json().await.unwrap();
        assert_eq!(
            (&error["error"]["type"], &error["error"]["code"]),
            (&json!("rate_limit_error"), &json!("queue_full"))
        );
        waiting.abort();
        let gone = async {
            while server.model.load_now().unwrap().waiting > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
        assert_eq!(server.model.load_now().unwrap().running, 1);
    }
    drop(writing);
    freed(&server).await;
}

#[tokio::test]
async fn a_reply_has_its_time() {
    let roomy = EngineOptions { context: Some(8192), ..options() };
    let server = Real::start("smollm2-135m", roomy, |builder| builder.time_limit(Duration::from_secs(2))).await;
    let response = server.post(CHAT, &endless(&server, json!({}))).await;
    assert_eq!(
        (response.status(), &response.headers()["x-should-retry"]),
        (StatusCode::GATEWAY_TIMEOUT, &"false".parse().unwrap())
    );
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "time_limit");
    let chunks = server.chunks(CHAT, &endless(&server, json!({ "stream": true }))).await;
    assert_eq!(chunks.last().unwrap()["error"]["code"], "time_limit");
    // Nobody reads this one; its time is over all the same.
    let unread = server.post(CHAT, &endless(&server, json!({ "stream": true }))).await;
    freed(&server).await;
    drop(unread);
}

#[tokio::test]
async fn a_body_has_its_limit() {
    let server = Real::start("smollm2-135m", options(), |builder| builder.body_limit(1000)).await;
    let body = json!({ "model": "test", "messages": [{ "role": "user", "content": "x".repeat(2000) }] });
    let response = server.post(CHAT, &body).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(response.json::<Value>().await.unwrap()["error"]["message"].is_string());
}
