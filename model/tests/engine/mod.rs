//! What the engine's tests share.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{path::PathBuf, time::Duration};

use futures::StreamExt;
use glassbox_model::{
    FinishReason, ModelError, Timings, Usage, Vocab,
    catalog::{Silent, resolve},
    dialect::Judge,
    engine::{Engine, EngineEvent, EngineOptions, EngineStream, GenerateRequest},
};

/// No single event takes longer on the slowest machine that the tests should pass on.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The file of a model of the catalog, fetched where it is not in the cache.
pub(crate) async fn model_file(name: &str) -> PathBuf {
    resolve(name, &Silent).await.unwrap_or_else(|error| panic!("{error}\n{}", error.hint().unwrap_or_default()))
}

/// A small context, and one thread: tests run beside each other, and llama.cpp's threads wait for each other.
pub(crate) fn options() -> EngineOptions {
    EngineOptions { context: Some(2048), threads: Some(1), ..EngineOptions::default() }
}

/// An engine of its own: what one test leaves in the KV cache must not be seen by another.
pub(crate) async fn engine(options: EngineOptions) -> Engine {
    let file = model_file("smollm2-135m").await;
    tokio::task::spawn_blocking(move || Engine::load(file, &options, |_| {})).await.unwrap().unwrap()
}

/// A ChatML prompt, its marks as tokens.
pub(crate) fn chat(vocab: &dyn Vocab, system: &str, user: &str) -> Vec<u32> {
    let start = vocab.special("<|im_start|>").unwrap();
    let end = vocab.special("<|im_end|>").unwrap();
    let mut ids = Vec::new();
    for (role, text) in [("system", system), ("user", user)] {
        ids.push(start);
        ids.extend(vocab.tokenize(&format!("{role}\n{text}")));
        ids.push(end);
        ids.extend(vocab.tokenize("\n"));
    }
    ids.push(start);
    ids.extend(vocab.tokenize("assistant\n"));
    ids
}

/// The next turn after `before` and the reply to it.
pub(crate) fn next_turn(vocab: &dyn Vocab, before: &[u32], reply: &[u32], user: &str) -> Vec<u32> {
    let start = vocab.special("<|im_start|>").unwrap();
    let end = vocab.special("<|im_end|>").unwrap();
    let mut ids = [before, reply, &[end]].concat();
    ids.extend(vocab.tokenize("\n"));
    ids.push(start);
    ids.extend(vocab.tokenize(&format!("user\n{user}")));
    ids.push(end);
    ids.extend(vocab.tokenize("\n"));
    ids.push(start);
    ids.extend(vocab.tokenize("assistant\n"));
    ids
}

pub(crate) fn request(prompt: Vec<u32>, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { prompt, max_tokens: Some(max_tokens), ..GenerateRequest::default() }
}

/// The next event, within a bound.
pub(crate) async fn next(stream: &mut EngineStream) -> Option<Result<EngineEvent, ModelError>> {
    tokio::time::timeout(SOON, stream.next()).await.expect("no event in time")
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) ids: Vec<u32>,
    pub(crate) prefills: Vec<(u32, u32, u32)>,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
    pub(crate) timings: Timings,
}

impl Reply {
    pub(crate) fn text(&self, vocab: &dyn Vocab) -> String {
        let bytes: Vec<u8> = self.ids.iter().flat_map(|id| vocab.piece(*id)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub(crate) async fn collect(mut stream: EngineStream) -> Result<Reply, ModelError> {
    let (mut ids, mut prefills) = (Vec::new(), Vec::new());
    loop {
        match next(&mut stream).await.expect("a stream ends with Finished or an error")? {
            EngineEvent::Prefill { done, total, reused } => prefills.push((done, total, reused)),
            EngineEvent::Token { id } => ids.push(id),
            EngineEvent::Finished { reason, usage, timings } => {
                assert!(next(&mut stream).await.is_none());
                assert_eq!(usage.completion_tokens as usize, ids.len());
                return Ok(Reply { ids, prefills, reason, usage, timings });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Says the same of every call, once four tokens of it are there.
struct Fixed {
    sure: bool,
    heard: usize,
}

impl Judge for Fixed {
    fn hear(&mut self, text: &[u8], likely: f32) {
        assert!(!text.is_empty() && (0.0..=1.0).contains(&likely), "{likely}");
        self.heard += 1;
    }

    fn is_sure(&self, over: bool) -> Option<bool> {
        (over || self.heard >= 4).then_some(self.sure)
    }
}

/// Finds the model unsure of every call.
pub(crate) fn never() -> Box<dyn Judge> {
    Box::new(Fixed { sure: false, heard: 0 })
}

/// Finds it sure.
pub(crate) fn always() -> Box<dyn Judge> {
    Box::new(Fixed { sure: true, heard: 0 })
}

/// What was taken back while `reply` was written is not in the KV cache: the next turn, in which the user says `user`, is answered
/// as if it was read anew.
pub(crate) async fn holds_nothing_else(engine: &Engine, prompt: &[u32], reply: &[u32], user: &str) {
    let turn = next_turn(&*engine.vocab(), prompt, reply, user);
    let second = collect(engine.generate(request(turn.clone(), 12))).await.unwrap();
    assert!(second.usage.reused_tokens as usize >= prompt.len() + reply.len() - 1);
    let fresh = self::engine(options()).await;
    assert_eq!(second.ids, collect(fresh.generate(request(turn, 12))).await.unwrap().ids);
}
