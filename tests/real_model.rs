//! A real model through the public face: the catalog's default, decoded greedily.
//!
//! The model is fetched where it is not in the cache.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox::model::AssistantPart;
use glassbox::prelude::Model;
use glassbox::tools::builtin::track;
use glassbox::{Agent, CancellationToken, Event, Message, Sampling, StopReason, ToolChoice, TurnOptions, tool, tools};

const QUESTION: &str = "帮我查询股票10111的价格";

/// 查询城市的天气
#[tool(read_only)]
fn get_weather(
    /// 城市名称
    city_name: String,
) -> String {
    format!("{city_name}: 晴，8 摄氏度")
}

fn greedy() -> Sampling {
    Sampling { temperature: 0.0, seed: Some(1), ..Sampling::default() }
}

/// Loaded once: three tests would otherwise read the file three times, beside each other.
async fn agent() -> Agent {
    static MODEL: tokio::sync::OnceCell<Model> = tokio::sync::OnceCell::const_new();
    let model = MODEL.get_or_init(|| async { Model::load("qwen2.5-coder-0.5b").await.unwrap() }).await;
    Agent::builder(model.clone()).tools(tools![track, get_weather]).sampling(greedy()).max_tokens(200).build().unwrap()
}

#[test]
fn a_real_model_calls_reads_answers_and_reuses_its_prompt() {
    // One runtime for all, because the model outlives a test.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        tracks().await;
        resumes().await;
        calls_only_where_a_tool_fits().await;
        forced_calls_fit_their_schema().await;
        cancelling_is_quick().await;
    });
}

/// ChatGLM3's own tool example.
async fn tracks() {
    let mut session = agent().await.session();
    let generations = Mutex::new(Vec::new());
    let mut last = None;
    let mut events = session.stream(QUESTION);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            Event::GenerationStarted { number, .. } => generations.lock().unwrap().push((number, 0, 0)),
            Event::Prefill { total, reused, .. } => {
                let mut generations = generations.lock().unwrap();
                let last = generations.last_mut().unwrap();
                (last.1, last.2) = (total, reused);
            }
            Event::Finished { stop, .. } => last = Some(stop),
            _ => {}
        }
    }
    let reply = events.reply().await.unwrap();
    assert_eq!(last, Some(StopReason::Done));
    let call = reply.calls().first().expect("it calls the tool");
    assert_eq!((call.name.as_str(), &call.arguments["symbol"]), ("track", &serde_json::json!("10111")), "{call:?}");
    assert!(call.observation.contains("12412"), "{call:?}");
    assert!(reply.text().contains("12412"), "{:?}", reply.messages());

    // The second prompt begins with the first and the reply to it: only the observation and what stands around it is
    // read anew.
    let generations = generations.into_inner().unwrap();
    let [(_, first, _), (_, second, reused), ..] = generations[..] else {
        panic!("two generations at least: {generations:?}")
    };
    assert!(reused >= first, "{reused} of {second} tokens are reused, {first} had been read");

    // And so in the next message.
    let read = generations.last().unwrap().1;
    let next = session.send("谢谢，请只回答“不客气”。").await.unwrap();
    assert!(next.usage().reused_tokens >= read, "{:?} after {read}", next.usage());

    // The transcript keeps the tokens that the model wrote.
    for message in session.messages() {
        assert!(!matches!(message, Message::Assistant(reply) if reply.raw.is_none()), "{message:?}");
    }
}

/// A conversation that was saved goes on in another process, here another load of the model, without being read again.
async fn resumes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let mut session = agent().await.session();
    session.send(QUESTION).await.unwrap();
    let saved = session.save(&file).await.unwrap();
    // In words, from what stands above. Not compared letter by letter: how a prompt is split into batches depends on time, and
    // with it the last digits of the logits.
    let next = TurnOptions::new().max_tokens(40).tool_choice(ToolChoice::Answer);
    let again = "刚才查到的股票10111的价格是多少？";
    let here = session.send_with(again, next.clone()).await.unwrap();
    assert_eq!(saved, here.usage().reused_tokens);
    assert!(here.text().contains("12412"), "{:?}", here.text());

    let model = Model::load("qwen2.5-coder-0.5b").await.unwrap();
    let fresh = Agent::builder(model).tools(tools![track, get_weather]).sampling(greedy()).build().unwrap();
    let resumed = fresh.resume(&file).await.unwrap();
    assert_eq!(resumed.reused_tokens.unwrap(), saved);
    let mut session = resumed.session;
    let there = session.send_with(again, next).await.unwrap();
    assert_eq!(there.usage().reused_tokens, saved);
    assert!(there.text().contains("12412"), "{:?}", there.text());

    // Another model says so, and reads all of it.
    let other = Agent::builder(Model::load("smollm2-135m").await.unwrap()).build().unwrap();
    let resumed = other.resume(&file).await.unwrap();
    let problem = resumed.reused_tokens.unwrap_err().to_string();
    assert!(problem.contains("another model"), "{problem}");
    assert_eq!(resumed.session.messages().len(), session.messages().len() - 2);
}

/// What no tool is for is answered in words.
async fn calls_only_where_a_tool_fits() {
    let reply = agent().await.session().send("Write one sentence about the sea.").await.unwrap();
    assert!(reply.calls().is_empty() && reply.text().to_lowercase().contains("sea"), "{:?}", reply.messages());
}

async fn forced_calls_fit_their_schema() {
    for seed in 0..3 {
        let mut session = agent().await.session();
        let sampling = Sampling { temperature: 1.5, seed: Some(seed), ..Sampling::default() };
        let options = TurnOptions::new()
            .tool_choice(ToolChoice::Named("get_weather".into()))
            .sampling(sampling)
            .max_turns(1)
            .max_tokens(500);
        let reply = session.send_with("你好", options).await.unwrap();
        let parts = &reply.message().unwrap().parts;
        let call =
            parts.iter().find_map(|part| if let AssistantPart::Call { call } = part { Some(call) } else { None });
        let call = call.unwrap_or_else(|| panic!("a call is forced: {parts:?}"));
        assert_eq!(call.name, "get_weather");
        assert!(call.arguments["city_name"].is_string(), "{call:?}");
    }
}

async fn cancelling_is_quick() {
    let mut session = agent().await.session();
    let cancellation = CancellationToken::new();
    let mut events = session.stream_with(
        "从一数到一千。",
        TurnOptions::new().cancellation(cancellation.clone()).max_tokens(2000).tool_choice(ToolChoice::None),
    );
    while !matches!(events.next().await.unwrap().unwrap(), Event::Text { .. }) {}
    cancellation.cancel();
    let cancelled = Instant::now();
    let reply = events.reply().await.unwrap();
    assert!(cancelled.elapsed() < Duration::from_millis(200), "{:?}", cancelled.elapsed());
    assert_eq!(reply.stop(), StopReason::Cancelled);
    assert!(
        !session
            .send_with("你好", TurnOptions::new().tool_choice(ToolChoice::None).max_tokens(10))
            .await
            .unwrap()
            .text()
            .is_empty()
    );
}
