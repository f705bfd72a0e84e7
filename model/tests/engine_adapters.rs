//! LoRA adapters that generations choose: each is computed as if it were alone, and none sees what another left.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod engine;
mod support;

use std::path::{Path, PathBuf};

use engine::{Reply, collect, next, request};
use futures::StreamExt;
use futures::future::join_all;
use glassbox_model::{
    AdapterChoice, ChatModel, Delta, Message, Model, ModelError, Request,
    engine::{Engine, EngineOptions, GenerateRequest, LoraAdapter, NamedAdapter},
};
use support::{chatglm3_model, gguf_writer};

/// An adapter of rank 4 for the layer of the random ChatGLM3, another for each `seed`.
fn write_adapter(path: &Path, seed: usize) {
    const RANK: usize = 4;
    let mut writer = gguf_writer::Writer::default();
    writer.set("general.type", "adapter");
    writer.set("general.architecture", "chatglm");
    writer.set("adapter.type", "lora");
    writer.set("adapter.lora.alpha", gguf_writer::Value::F32(RANK as f32));
    for (name, input, output) in
        [("attn_qkv", 64, 128), ("attn_output", 64, 64), ("ffn_up", 64, 192), ("ffn_down", 96, 64)]
    {
        let values = |count: usize, salt: usize| {
            let value = |n: usize| ((n * 7919 + seed * 104_729 + salt) % 13) as f32 - 6.0;
            gguf_writer::Data::F32((0..count).map(|n| 0.05 * value(n)).collect())
        };
        let tensor = |part: &str| format!("blk.0.{name}.weight.lora_{part}");
        writer.tensor(&tensor("a"), &[input, RANK], values(input * RANK, 1));
        writer.tensor(&tensor("b"), &[RANK, output], values(RANK * output, 5));
    }
    writer.write(path).unwrap();
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (seed, name) in ["a", "b"].into_iter().enumerate() {
            write_adapter(&folder.path().join(format!("{name}.gguf")), seed);
        }
        Self { folder }
    }

    fn adapter(&self, name: &str, scale: f32) -> LoraAdapter {
        LoraAdapter { path: self.folder.path().join(format!("{name}.gguf")), scale }
    }

    fn named(&self, names: &[&str]) -> Vec<NamedAdapter> {
        names.iter().map(|name| NamedAdapter { name: (*name).to_owned(), adapter: self.adapter(name, 1.0) }).collect()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("saved.kv")
    }
}

async fn load(options: EngineOptions) -> Engine {
    let options = EngineOptions { context: Some(4096), threads: Some(1), ..options };
    tokio::task::spawn_blocking(move || Engine::load(chatglm3_model::path(), &options, |_| {})).await.unwrap().unwrap()
}

fn named(name: &str) -> AdapterChoice {
    AdapterChoice::Named { name: name.to_owned(), scale: None }
}

fn scaled(name: &str, scale: f32) -> AdapterChoice {
    AdapterChoice::Named { name: name.to_owned(), scale: Some(scale) }
}

fn prompt(engine: &Engine) -> Vec<u32> {
    use glassbox_model::Vocab;
    [&[64_790, 64_792, 64_795][..], &engine.vocab().tokenize("What is the weather like in Beijing today?"), &[64_796]]
        .concat()
}

async fn reply(engine: &Engine, adapter: AdapterChoice, tokens: u32) -> Reply {
    let asked = GenerateRequest { adapter, ..request(prompt(engine), tokens) };
    collect(engine.generate(asked)).await.unwrap()
}

#[tokio::test]
async fn generations_with_different_adapters_at_once_write_what_each_writes_alone() {
    let bench = Bench::new();
    let mut alone = Vec::new();
    // Each in an engine that has this adapter and no other.
    for lora in [None, Some(bench.adapter("a", 1.0)), Some(bench.adapter("b", 1.0)), Some(bench.adapter("a", 0.5))] {
        let engine = load(EngineOptions { lora, sequences: 1, ..EngineOptions::default() }).await;
        alone.push(reply(&engine, AdapterChoice::AsLoaded, 40).await.ids);
    }
    for (n, ids) in alone.iter().enumerate() {
        assert!(!alone[..n].contains(ids), "adapter {n} changes nothing: {ids:?}");
    }
    let engine = load(EngineOptions { adapters: bench.named(&["a", "b"]), ..EngineOptions::default() }).await;
    assert_eq!(engine.adapters(), ["a", "b"]);
    let choices = [
        (AdapterChoice::Base, 0),
        (named("a"), 1),
        (named("b"), 2),
        (scaled("a", 0.5), 3),
        (AdapterChoice::AsLoaded, 0),
        (named("b"), 2),
        (scaled("b", 0.0), 0),
        (named("a"), 1),
    ];
    let together = join_all(choices.iter().map(|(choice, _)| reply(&engine, choice.clone(), 40))).await;
    for ((choice, expected), reply) in choices.iter().zip(&together) {
        assert_eq!(reply.ids, alone[*expected], "{choice:?}");
    }
}

#[tokio::test]
async fn one_that_acts_unasked_can_be_left_out_and_another_be_chosen() {
    let bench = Bench::new();
    let engine = load(EngineOptions { lora: Some(bench.adapter("a", 1.0)), ..EngineOptions::default() }).await;
    let (unasked, base) =
        (reply(&engine, AdapterChoice::AsLoaded, 30).await, reply(&engine, AdapterChoice::Base, 30).await);
    drop(engine);
    let options = EngineOptions {
        lora: Some(bench.adapter("b", 1.0)),
        adapters: bench.named(&["a"]),
        ..EngineOptions::default()
    };
    let engine = load(options).await;
    assert_eq!(reply(&engine, named("a"), 30).await.ids, unasked.ids);
    assert_eq!(reply(&engine, AdapterChoice::Base, 30).await.ids, base.ids);
    assert_ne!(reply(&engine, AdapterChoice::AsLoaded, 30).await.ids, unasked.ids);
}

#[tokio::test]
async fn a_prefix_is_used_again_by_its_own_adapter_alone() {
    let bench = Bench::new();
    let engine = load(EngineOptions { adapters: bench.named(&["a", "b"]), ..EngineOptions::default() }).await;
    let whole = u32::try_from(prompt(&engine).len()).unwrap() - 1;
    let mut reused = Vec::new();
    for choice in
        [AdapterChoice::Base, named("a"), named("b"), scaled("a", 0.5), AdapterChoice::Base, named("a"), named("b")]
    {
        reused.push(reply(&engine, choice, 2).await.usage.reused_tokens);
    }
    assert_eq!(reused, [0, 0, 0, 0, whole, whole, whole]);
    // The scale 0 is the model alone, also in the cache.
    assert_eq!(reply(&engine, scaled("b", 0.0), 2).await.usage.reused_tokens, whole);
}

#[tokio::test]
async fn saved_kv_is_of_its_adapter() {
    let bench = Bench::new();
    let engine = load(EngineOptions { adapters: bench.named(&["b", "a"]), ..EngineOptions::default() }).await;
    let written = reply(&engine, named("a"), 8).await;
    let saved = engine.save_kv(prompt(&engine), &named("a"), bench.file()).await.unwrap().unwrap();
    let none = bench.folder.path().join("none.kv");
    assert_eq!(engine.save_kv(prompt(&engine), &AdapterChoice::Base, &none).await.unwrap(), None);
    assert!(matches!(engine.save_kv(prompt(&engine), &named("c"), &none).await, Err(ModelError::Adapter { .. })));
    drop(engine);
    // In another order, and under another name: the file is the same.
    let other = NamedAdapter { name: "other".to_owned(), adapter: bench.adapter("a", 1.0) };
    let adapters = [bench.named(&["b"]), vec![other]].concat();
    let engine = load(EngineOptions { adapters, ..EngineOptions::default() }).await;
    assert_eq!(engine.restore_kv(bench.file()).await.unwrap(), saved);
    assert_eq!(reply(&engine, AdapterChoice::Base, 2).await.usage.reused_tokens, 0);
    let again = reply(&engine, named("other"), 8).await;
    assert_eq!((again.usage.reused_tokens, again.ids), (saved.tokens, written.ids));
    drop(engine);
    let engine = load(EngineOptions { adapters: bench.named(&["b"]), ..EngineOptions::default() }).await;
    match engine.restore_kv(bench.file()).await {
        Err(ModelError::KvFile { problem, .. }) => {
            assert!(problem.contains("an adapter that is not loaded"), "{problem}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_short_generation_does_not_wait_for_a_long_one_with_another_adapter() {
    let bench = Bench::new();
    let engine = load(EngineOptions { adapters: bench.named(&["a", "b"]), ..EngineOptions::default() }).await;
    let endless = GenerateRequest { adapter: named("a"), max_tokens: None, ..request(prompt(&engine), 0) };
    let mut endless = engine.generate(endless);
    while !matches!(next(&mut endless).await.unwrap().unwrap(), glassbox_model::engine::EngineEvent::Token { .. }) {}
    let short = reply(&engine, named("b"), 8).await;
    assert_eq!(short.ids.len(), 8);
    assert_eq!(engine.load_now().running, 1, "the long one is still at it");
    drop(endless);
}

#[tokio::test]
async fn names_that_were_not_loaded_are_errors_that_say_which_were() {
    let bench = Bench::new();
    let engine = load(EngineOptions { adapters: bench.named(&["a", "b"]), ..EngineOptions::default() }).await;
    let failed = async |adapter| {
        let asked = GenerateRequest { adapter, ..request(prompt(&engine), 2) };
        collect(engine.generate(asked)).await.unwrap_err()
    };
    let error = failed(named("c")).await;
    assert_eq!(error.to_string(), "the adapter `c` cannot be used: loaded are `a`, `b`");
    assert_eq!(error.hint().as_deref(), Some("load each with the model, under a name of its own: `--lora NAME=PATH`"));
    assert!(matches!(failed(scaled("a", f32::NAN)).await, ModelError::Sampling { .. }));
    assert_eq!(reply(&engine, named("a"), 2).await.ids.len(), 2, "the engine goes on");
    let twice = [bench.named(&["a"]), bench.named(&["a"])].concat();
    let options = EngineOptions { adapters: twice, ..EngineOptions::default() };
    assert!(matches!(Engine::load(chatglm3_model::path(), &options, |_| {}), Err(ModelError::Adapter { .. })));
}

#[tokio::test]
async fn a_request_chooses_and_the_model_says_what_there_is() {
    let bench = Bench::new();
    let options = EngineOptions {
        context: Some(2048),
        threads: Some(1),
        adapters: bench.named(&["a"]),
        ..EngineOptions::default()
    };
    let model = Model::builder(chatglm3_model::path().to_str().unwrap()).options(options).load().await.unwrap();
    assert_eq!(model.info().adapters, ["a"]);
    let ask = async |adapter| {
        let request =
            Request { messages: vec![Message::user("Hi")], adapter, max_tokens: Some(20), ..Request::default() };
        let deltas: Vec<Result<Delta, ModelError>> = model.stream(request).collect().await;
        let text = |delta: &Result<Delta, ModelError>| match delta {
            Ok(Delta::Finished { message, .. }) => Some(message.raw.clone().unwrap().ids),
            _ => None,
        };
        deltas.iter().find_map(text)
    };
    let (base, adapted) = (ask(AdapterChoice::Base).await.unwrap(), ask(named("a")).await.unwrap());
    assert_ne!(base, adapted);
    assert_eq!(ask(AdapterChoice::AsLoaded).await, Some(base));
    assert_eq!(ask(named("none")).await, None);
}
