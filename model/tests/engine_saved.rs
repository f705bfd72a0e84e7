//! KV in files: what comes back is what was there, and nothing else is taken for it.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod engine;

use engine::{chat, collect, next_turn, options, request};
use glassbox_model::{
    AdapterChoice, ModelError,
    engine::{Engine, EngineOptions, KvCacheType},
};

/// A conversation of two turns, the second not yet asked.
struct Talk {
    engine: Engine,
    /// Prompt and reply of the first turn.
    held: Vec<u32>,
    second: Vec<u32>,
    folder: tempfile::TempDir,
}

impl Talk {
    async fn new() -> Self {
        let engine = engine::engine(options()).await;
        let vocab = engine.vocab();
        let prompt = chat(&*vocab, "You are a helpful assistant.", "What is the capital of France?");
        let first = collect(engine.generate(request(prompt.clone(), 12))).await.unwrap();
        let second = next_turn(&*vocab, &prompt, &first.ids, "And of Italy?");
        Self { engine, held: [prompt, first.ids].concat(), second, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("talk.kv")
    }

    async fn save(&self) -> u32 {
        self.engine.save_kv(self.second.clone(), &AdapterChoice::AsLoaded, self.file()).await.unwrap().unwrap().tokens
    }
}

fn problem(result: Result<impl std::fmt::Debug, ModelError>) -> String {
    match result.unwrap_err() {
        ModelError::KvFile { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_resumed_conversation_pays_no_prefill_and_goes_on_the_same() {
    let talk = Talk::new().await;
    let saved = talk.save().await;
    // The reply ended with a stop token, so its last token was read.
    assert_eq!(saved as usize, talk.held.len());
    let here = collect(talk.engine.generate(request(talk.second.clone(), 12))).await.unwrap();

    let fresh = engine::engine(options()).await;
    let restored = fresh.restore_kv(talk.file()).await.unwrap();
    assert_eq!(restored.tokens, saved);
    assert_eq!(restored.bytes, std::fs::metadata(talk.file()).unwrap().len());
    let there = collect(fresh.generate(request(talk.second.clone(), 12))).await.unwrap();
    assert_eq!(there.usage.reused_tokens, saved);
    assert_eq!(there.ids, here.ids);
    // Only what is new was read.
    assert_eq!(there.prefills.last().unwrap().1 as usize, talk.second.len());
}

#[tokio::test]
async fn a_file_holds_only_its_own_conversation() {
    let talk = Talk::new().await;
    let vocab = talk.engine.vocab();
    let other = chat(&*vocab, "You are a helpful assistant.", "My secret is 4711. Repeat it.");
    let common = other.iter().zip(&talk.held).take_while(|(a, b)| a == b).count();
    assert!(common > 5);
    let saved = talk.engine.save_kv(other, &AdapterChoice::AsLoaded, talk.file()).await.unwrap().unwrap();
    // The other conversation has the system prompt in common, and gets no more than that.
    assert_eq!(saved.tokens as usize, common);
    // And the one that lent it still has its own.
    assert_eq!(talk.save().await as usize, talk.held.len());
}

#[tokio::test]
async fn what_is_not_held_gives_no_file() {
    let engine = engine::engine(options()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.kv");
    let prompt = chat(&*engine.vocab(), "You are a helpful assistant.", "Hello");
    assert!(engine.save_kv(prompt, &AdapterChoice::AsLoaded, &file).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused_and_the_engine_goes_on() {
    let talk = Talk::new().await;
    talk.save().await;
    let whole = std::fs::read(talk.file()).unwrap();
    let bad = talk.folder.path().join("bad.kv");
    let fresh = engine::engine(options()).await;

    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut other_token = whole.clone();
    let at = whole.windows(9).position(|bytes| bytes == b"\"tokens\":").unwrap();
    other_token[at + 10] = if whole[at + 10] == b'1' { b'2' } else { b'1' };
    let mut long_head = whole.clone();
    long_head[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bytes, wanted) in [
        (&flipped[..], "checksum"),
        (&other_token, "checksum"),
        (&long_head, "head is longer"),
        (&whole[..whole.len() - 1], "bytes of"),
        (&whole[..20], "head is longer"),
        (b"GGUF", "no saved KV cache"),
        (b"", "no saved KV cache"),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let problem = problem(fresh.restore_kv(&bad).await);
        assert!(problem.contains(wanted), "{problem}");
    }
    assert!(problem(fresh.restore_kv(talk.folder.path().join("absent")).await).contains("reading it failed"));

    let other_type = engine::engine(EngineOptions { kv_cache: KvCacheType::F32, ..options() }).await;
    assert!(problem(other_type.restore_kv(talk.file()).await).contains("another model or with other settings"));
    let narrow = engine::engine(EngineOptions { context: Some(24), ..options() }).await;
    assert!(matches!(narrow.restore_kv(talk.file()).await, Err(ModelError::ContextOverflow { .. })));

    // All of it is read again, to the same reply.
    let there = collect(fresh.generate(request(talk.second.clone(), 12))).await.unwrap();
    assert_eq!(there.usage.reused_tokens, 0);
    let here = collect(talk.engine.generate(request(talk.second.clone(), 12))).await.unwrap();
    assert_eq!(there.ids, here.ids);
}

#[tokio::test]
async fn restored_files_take_the_place_of_the_oldest() {
    let talk = Talk::new().await;
    talk.save().await;
    // Room for one such conversation and a little more, in two sequences.
    let context = (talk.second.len() + 40) as u32;
    let engine = engine::engine(EngineOptions { context: Some(context), sequences: 2, ..options() }).await;
    let other = chat(&*engine.vocab(), "Be brief.", "Say no.");
    collect(engine.generate(request(other, 4))).await.unwrap();
    for _ in 0..5 {
        engine.restore_kv(talk.file()).await.unwrap();
    }
    let reply = collect(engine.generate(request(talk.second.clone(), 4))).await.unwrap();
    assert_eq!(reply.usage.reused_tokens as usize, talk.held.len());
}
