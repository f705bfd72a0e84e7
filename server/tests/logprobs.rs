//! How likely tokens were, over real HTTP, against llama.cpp's own logits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod real;

use std::mem::ManuallyDrop;
use std::num::NonZeroU32;

use glassbox_model::{ChatModel, Message, Request, Vocab, dialect};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::{LlamaModel, params::LlamaModelParams};
use llama_cpp_2::token::LlamaToken;
use real::{Real, model_file};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
/// The same batches on the same number of threads: what is left is the rounding of the logarithms.
const NEAR: f64 = 1e-4;

fn question(more: Value) -> Value {
    let mut body = json!({ "model": "test", "messages": [{ "role": "user", "content": "Write one line about 北京 🚀." }],
        "max_tokens": 24, "logprobs": true, "top_logprobs": 5 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The logarithms of all tokens' probabilities after `prompt` and after each of `reply` but the last, straight from
/// llama.cpp, in the batches that the engine makes of them.
fn raw(file: &std::path::Path, prompt: &[u32], reply: &[u32]) -> Vec<Vec<f64>> {
    // The backend is set up by the engine, and llama-cpp-2 lets only one exist: this one stands for it.
    let backend = ManuallyDrop::new(LlamaBackend {});
    let model = LlamaModel::load_from_file(&backend, file, &LlamaModelParams::default()).unwrap();
    let params =
        LlamaContextParams::default().with_n_ctx(NonZeroU32::new(2048)).with_n_threads(1).with_n_threads_batch(1);
    let mut context = model.new_context(&backend, params).unwrap();
    let mut batch = LlamaBatch::new(prompt.len(), 1);
    for (at, &token) in prompt.iter().enumerate() {
        batch.add(LlamaToken(token as i32), at as i32, &[0], at + 1 == prompt.len()).unwrap();
    }
    let mut all = Vec::new();
    for (at, &token) in (prompt.len()..).zip(reply) {
        context.decode(&mut batch).unwrap();
        let logits = context.get_logits_ith(batch.n_tokens() - 1);
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - top).exp()).sum();
        all.push(logits.iter().map(|logit| f64::from(logit - top) - sum.ln()).collect());
        batch.clear();
        batch.add(LlamaToken(token as i32), at as i32, &[0], true).unwrap();
    }
    all
}

fn tokens_of(reply: &Value) -> Vec<Value> {
    reply["choices"][0]["logprobs"]["content"].as_array().unwrap().clone()
}

fn bytes(token: &Value) -> Vec<u8> {
    token["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
}

#[tokio::test]
async fn they_are_those_of_llama_cpps_logits_and_their_bytes_make_the_reply() {
    let server = Real::small().await;
    let reply = server.ask(CHAT, &question(json!({}))).await;
    let tokens = tokens_of(&reply);
    assert_eq!(reply["usage"]["completion_tokens"], tokens.len(), "{reply}");
    let all: Vec<u8> = tokens.iter().flat_map(bytes).collect();
    assert_eq!(reply["choices"][0]["message"]["content"], String::from_utf8_lossy(&all).as_ref());

    // The same prompt and reply, through llama.cpp alone.
    let vocab = server.model.engine().vocab();
    let asked = Request { messages: vec![Message::user("Write one line about 北京 🚀.")], ..Request::default() };
    let pieces = server.model.dialect().render(&asked, &server.model.info().fingerprint).unwrap();
    let prompt = dialect::tokenize(&pieces, &*vocab);
    let by_bytes = |wanted: &[u8]| (0..vocab.len()).filter(|id| vocab.piece(*id) == wanted).collect::<Vec<_>>();
    let ids: Vec<u32> = tokens.iter().map(|token| by_bytes(&bytes(token))[0]).collect();
    let wanted = raw(&model_file("smollm2-135m").await, &prompt, &ids);
    for (at, token) in tokens.iter().enumerate() {
        let logprob = token["logprob"].as_f64().unwrap();
        assert!(
            (logprob - wanted[at][ids[at] as usize]).abs() < NEAR,
            "{at}: {token}, not {}",
            wanted[at][ids[at] as usize]
        );
        let top = token["top_logprobs"].as_array().unwrap();
        // The likeliest token is taken each time.
        assert_eq!((top.len(), &top[0]["bytes"], &top[0]["logprob"]), (5, &token["bytes"], &token["logprob"]));
        let mut likeliest = wanted[at].clone();
        likeliest.sort_by(|a, b| b.total_cmp(a));
        for (one, wanted) in top.iter().zip(likeliest) {
            assert!((one["logprob"].as_f64().unwrap() - wanted).abs() < NEAR, "{at}: {one}, not {wanted}");
        }
    }
}

#[tokio::test]
async fn a_stream_has_those_of_the_whole_reply() {
    let server = Real::small().await;
    let whole = server.ask(CHAT, &question(json!({}))).await;
    let chunks = server.chunks(CHAT, &question(json!({ "stream": true }))).await;
    let (mut text, mut tokens) = (String::new(), Vec::new());
    for chunk in &chunks {
        let choice = &chunk["choices"][0];
        let more = choice["delta"]["content"].as_str().unwrap_or_default();
        assert_eq!(more.is_empty(), choice["logprobs"].is_null(), "{chunk}");
        text.push_str(more);
        if let Some(more) = choice["logprobs"]["content"].as_array() {
            tokens.extend(more.clone());
        }
    }
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    let strings = |tokens: &[Value]| tokens.iter().map(|token| token["token"].clone()).collect::<Vec<_>>();
    assert_eq!(strings(&tokens), strings(&tokens_of(&whole)));
}

#[tokio::test]
async fn a_grammar_does_not_change_them() {
    let server = Real::small().await;
    let schema =
        json!({ "type": "object", "properties": { "zebra": { "enum": ["xylophone 17"] } }, "required": ["zebra"] });
    let form = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
    let reply = server.ask(CHAT, &question(json!({ "response_format": form, "max_tokens": 60 }))).await;
    let tokens = tokens_of(&reply);
    let all: Vec<u8> = tokens.iter().flat_map(bytes).collect();
    let value: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!(value, json!({ "zebra": "xylophone 17" }));
    // Of itself the model would have written something else, and says so.
    assert!(tokens.iter().any(|token| token["logprob"].as_f64().unwrap() < -2.0), "{reply}");
    assert!(tokens.iter().any(|token| token["top_logprobs"][0]["token"] != token["token"]), "{reply}");
}

#[tokio::test]
async fn penalties_and_bias_change_the_reply() {
    let server = Real::small().await;
    let ask = |more: Value| {
        let mut body = question(json!({ "logprobs": false, "top_logprobs": 0, "max_tokens": 40 }));
        body["messages"][0]["content"] = json!("Say the word banana again and again: banana banana banana");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let text = |reply: Value| reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let plain = text(server.ask(CHAT, &ask(json!({}))).await);
    let penalised = text(server.ask(CHAT, &ask(json!({ "frequency_penalty": 2, "presence_penalty": 2 }))).await);
    let most = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.iter().map(|word| words.iter().filter(|other| other == &word).count()).max().unwrap()
    };
    assert!(most(&penalised) < most(&plain), "{plain:?} {penalised:?}");
    let first = server.ask(CHAT, &ask(json!({ "logprobs": true, "max_tokens": 1 }))).await;
    let first = bytes(&tokens_of(&first)[0]);
    let vocab = server.model.engine().vocab();
    let id = (0..vocab.len()).find(|id| vocab.piece(*id) == first).unwrap();
    let banned = ask(json!({ "logprobs": true, "max_tokens": 1, "logit_bias": { id.to_string(): -100 } }));
    let other = server.ask(CHAT, &banned).await;
    assert_ne!(bytes(&tokens_of(&other)[0]), first);
}
