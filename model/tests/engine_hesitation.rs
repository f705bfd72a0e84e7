//! Replies that begin with a call only where the model means it, on a real model.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod engine;

use engine::{always, chat, collect, holds_nothing_else, never, next, options, request};
use glassbox_model::{
    Vocab,
    dialect::{Grammar, Hesitation, Judge, Maker, Steering},
    engine::{Engine, EngineEvent, GenerateRequest},
};

/// A reply whose own first token stands for the beginning of a call.
struct Asked {
    engine: Engine,
    prompt: Vec<u32>,
    /// What comes without hesitation.
    plain: Vec<u32>,
    opener: String,
}

impl Asked {
    async fn new() -> Self {
        let engine = engine::engine(options()).await;
        let vocab = engine.vocab();
        let prompt = chat(&*vocab, "You are a helpful assistant.", "What is the capital of France?");
        let plain = collect(engine.generate(request(prompt.clone(), 12))).await.unwrap().ids;
        let opener = String::from_utf8(vocab.piece(plain[0])).unwrap();
        Self { engine, prompt, plain, opener }
    }

    fn request(&self, least: f32, judge: Option<fn() -> Box<dyn Judge>>) -> GenerateRequest {
        let judge = judge.map(Maker::new);
        let hesitation = Hesitation { openers: vec![self.opener.clone()], least, judge, instead: None };
        GenerateRequest {
            steering: Steering { hesitation: Some(hesitation), ..Steering::default() },
            ..request(self.prompt.clone(), 12)
        }
    }
}

#[tokio::test]
async fn a_call_that_is_not_meant_was_never_written() {
    let asked = Asked::new().await;
    let words = collect(asked.engine.generate(asked.request(1.1, None))).await.unwrap();
    assert_ne!(words.ids[0], asked.plain[0]);
    let taken_back = collect(asked.engine.generate(asked.request(0.0, Some(never)))).await.unwrap();
    assert_eq!(taken_back.ids, words.ids);
    assert_eq!(taken_back.usage.completion_tokens as usize, words.ids.len());

    holds_nothing_else(&asked.engine, &asked.prompt, &taken_back.ids, "And of Italy?").await;
}

#[tokio::test]
async fn a_call_that_is_meant_is_told_whole() {
    let asked = Asked::new().await;
    let meant = collect(asked.engine.generate(asked.request(0.0, Some(always)))).await.unwrap();
    assert_eq!(meant.ids, asked.plain);
    // A reply that ends before it was judged is judged then.
    for (judge, begins) in [(always as fn() -> Box<dyn Judge>, true), (never, false)] {
        let short = GenerateRequest { max_tokens: Some(2), ..asked.request(0.0, Some(judge)) };
        let short = collect(asked.engine.generate(short)).await.unwrap();
        assert_eq!((short.ids.len(), short.ids[0] == asked.plain[0]), (2, begins));
    }
}

/// What a generation says of how sure the model is, each with the number of tokens before it, and how many tokens come.
async fn told_sure(engine: &Engine, request: GenerateRequest) -> (Vec<(usize, f32)>, usize) {
    let mut stream = engine.generate(GenerateRequest { how_sure: true, ..request });
    let (mut tokens, mut sure) = (0, Vec::new());
    while let Some(event) = next(&mut stream).await {
        match event.unwrap() {
            EngineEvent::Sure { probability } => sure.push((tokens, probability)),
            EngineEvent::Token { .. } => tokens += 1,
            _ => {}
        }
    }
    (sure, tokens)
}

#[tokio::test]
async fn it_is_told_how_sure_a_choice_is_and_not_what_is_forced() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, "You are a helpful assistant.", "Is Paris in France?");
    let grammar = Grammar { lark: r#"start: ("Yes" | "No") ", that is what I think of it.""#.to_owned() };
    let asked = GenerateRequest { constraint: Some(grammar.clone()), ..request(prompt, 40) };
    let (sure, tokens) = told_sure(&engine, asked.clone()).await;
    let [(0, first), ..] = sure[..] else { panic!("{sure:?}") };
    assert!(first > 0.5 && first <= 1.0, "{sure:?}");
    assert!(tokens > 5 && sure.len() < tokens, "{sure:?} of {tokens}");

    // Nobody needs to know it of words, whether the first token or the judge had the reply begin with them.
    for (least, judge) in [(1.1, None), (0.0, Some(never as fn() -> Box<dyn Judge>))] {
        let instead =
            Some(Grammar { lark: r#"start: ("Perhaps" | "Maybe") ", that is what I think of it.""#.to_owned() });
        let judge = judge.map(Maker::new);
        let hesitation = Hesitation { openers: vec!["Yes".into(), "No".into()], least, judge, instead };
        let (sure, tokens) = told_sure(
            &engine,
            GenerateRequest {
                steering: Steering { hesitation: Some(hesitation), ..Steering::default() },
                ..asked.clone()
            },
        )
        .await;
        assert!(sure.is_empty() && tokens > 5, "{sure:?} of {tokens}");
    }
}
