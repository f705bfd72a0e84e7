//! Many clients at once: some go away, some read slowly. Nothing is lost or out of order, every sequence comes back,
//! and memory stays.
//!
//! `GLASSBOX_LOAD_SECONDS` sets how long it goes on; by default it is 20 s.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod real;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use glassbox_model::ChatModel;
use glassbox_model::engine::EngineOptions;
use real::{Real, options};
use serde_json::{Value, json};

const CONNECTIONS: u64 = 32;
/// Waiting for a place is part of it; for ever is not.
const BOUND: Duration = Duration::from_secs(240);
/// What buffers, allocator and connections may take besides.
const SLACK_KIB: u64 = 64 << 10;

#[derive(Default)]
struct Counts {
    whole: AtomicU64,
    streamed: AtomicU64,
    left: AtomicU64,
    tokens: AtomicU64,
}

/// The next of a sequence of numbers without any order: SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 27)
}

/// A request that only one text answers, another each time.
fn question(number: u64, stream: bool) -> (Value, Value) {
    let words: Vec<String> = (0..6).map(|at| format!("{}-{at}", number % 100_000)).collect();
    let wanted = json!({ "said": words.join(" ") });
    let schema =
        json!({ "type": "object", "properties": { "said": { "enum": [wanted["said"]] } }, "required": ["said"] });
    let body = json!({
        "model": "test", "messages": [{ "role": "user", "content": format!("Number {number}") }], "stream": stream,
        "stream_options": { "include_usage": true }, "logprobs": true,
        "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": schema } },
    });
    (body, wanted)
}

/// The bytes and the number of the tokens in a choice.
fn tokens(choice: &Value, bytes: &mut Vec<u8>) -> u64 {
    let tokens = choice["logprobs"]["content"].as_array().into_iter().flatten();
    tokens
        .map(|token| bytes.extend(token["bytes"].as_array().unwrap().iter().map(|b| b.as_u64().unwrap() as u8)))
        .count() as u64
}

async fn whole(server: &Real, number: u64, counts: &Counts) {
    let (body, wanted) = question(number, false);
    let reply = server.ask("/v1/chat/completions", &body).await;
    let choice = &reply["choices"][0];
    let content = choice["message"]["content"].as_str().unwrap();
    assert_eq!((serde_json::from_str::<Value>(content).unwrap(), &choice["finish_reason"]), (wanted, &json!("stop")));
    let mut bytes = Vec::new();
    assert_eq!(reply["usage"]["completion_tokens"], tokens(choice, &mut bytes));
    assert_eq!(String::from_utf8(bytes).unwrap(), content);
    counts.whole.fetch_add(1, Ordering::Relaxed);
}

/// Reads a stream, with a pause after each piece that comes; `leave` goes after so many.
async fn streamed(server: &Real, number: u64, pause: Duration, leave: Option<u64>, counts: &Counts) {
    let (body, wanted) = question(number, true);
    let mut response = server.post("/v1/chat/completions", &body).await;
    assert!(response.status().is_success());
    let (mut text, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = response.chunk().await.unwrap() {
        text.extend_from_slice(&piece);
        pieces += 1;
        if leave.is_some_and(|leave| pieces >= leave) {
            counts.left.fetch_add(1, Ordering::Relaxed);
            return;
        }
        tokio::time::sleep(pause).await;
    }
    let text = String::from_utf8(text).unwrap();
    let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.pop(), Some("[DONE]"), "{text}");
    let (mut content, mut bytes, mut written, mut usage) = (String::new(), Vec::new(), 0, Value::Null);
    for chunk in data.into_iter().map(|data| serde_json::from_str::<Value>(data).unwrap()) {
        let choice = &chunk["choices"][0];
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        written += tokens(choice, &mut bytes);
        usage = chunk["usage"].clone();
    }
    assert_eq!(serde_json::from_str::<Value>(&content).unwrap(), wanted);
    assert_eq!((usage["completion_tokens"].as_u64(), String::from_utf8(bytes).unwrap()), (Some(written), content));
    counts.streamed.fetch_add(1, Ordering::Relaxed);
    counts.tokens.fetch_add(written, Ordering::Relaxed);
}

/// KiB of this process in memory; `None` where that cannot be had.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_lose_nothing_and_leave_nothing() {
    let seconds = std::env::var("GLASSBOX_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let four = EngineOptions { context: Some(4096), sequences: 4, queue: 64, ..options() };
    let server = Arc::new(Real::start("smollm2-135m", four, |builder| builder).await);
    let counts = Arc::new(Counts::default());
    let begun = Instant::now();
    // What is built up once is built up by then: a third of the time.
    let (warm, end) = (begun + Duration::from_secs(seconds / 3), begun + Duration::from_secs(seconds));
    let clients = (0..CONNECTIONS).map(|client| {
        let (server, counts) = (Arc::clone(&server), Arc::clone(&counts));
        tokio::spawn(async move {
            let (mut state, mut number) = (client, client * 1_000_003);
            while Instant::now() < end {
                number += 1;
                let dice = random(&mut state);
                let work = async {
                    match dice % 4 {
                        0 => whole(&server, number, &counts).await,
                        1 => streamed(&server, number, Duration::ZERO, None, &counts).await,
                        2 => streamed(&server, number, Duration::from_millis(dice % 50), None, &counts).await,
                        _ => streamed(&server, number, Duration::ZERO, Some(1 + (dice >> 8) % 20), &counts).await,
                    }
                };
                tokio::time::timeout(BOUND, work).await.expect("an answer in time");
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    tokio::time::sleep_until(warm.into()).await;
    let (before, mut most) = (resident(), 0);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        most = most.max(resident().unwrap_or(0));
    }
    for client in clients {
        client.await.unwrap();
    }
    let free = async {
        while server.model.load_now().is_some_and(|load| load.running + load.waiting > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.expect("all sequences come back");
    let metrics = server.client.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line == "glassbox_replies_running 0"), "{metrics}");
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let load = server.model.load_now().unwrap();
    println!(
        "{seconds} s: {} whole, {} streamed, {} left; {:.2} generations a batch; {before:?} KiB after {} s, then at most {most} KiB",
        read(&counts.whole),
        read(&counts.streamed),
        read(&counts.left),
        load.batch_generations as f64 / load.batches as f64,
        seconds / 3,
    );
    assert!(read(&counts.whole) > 0 && read(&counts.streamed) > 0 && read(&counts.left) > 0);
    if let Some(before) = before {
        assert!(most < before + SLACK_KIB, "{before} KiB grew to {most} KiB");
    }
}
