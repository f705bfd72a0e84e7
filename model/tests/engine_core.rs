//! The engine on a real model: what runs, what is reused, what stops.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod engine;

use std::time::{Duration, Instant};

use engine::{chat, collect, model_file, next, next_turn, options, request};
use glassbox_model::{
    FinishReason, ModelError, Sampling, Vocab,
    dialect::Grammar,
    engine::{Engine, EngineEvent, EngineOptions, GenerateRequest},
};
use tokio_util::sync::CancellationToken;

const SYSTEM: &str = "You are a helpful assistant. You answer in short sentences, and you never make things up. When \
                      you do not know something, you say so.";

#[tokio::test]
async fn answers_a_question() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "What is the capital of France?");
    let length = prompt.len() as u32;
    let reply = collect(engine.generate(request(prompt, 60))).await.unwrap();
    assert_eq!(reply.reason, FinishReason::Stop);
    assert!(reply.text(&*vocab).contains("Paris"), "{}", reply.text(&*vocab));
    assert_eq!(reply.usage.prompt_tokens, length);
    assert_eq!(reply.usage.reused_tokens, 0);
    assert_eq!(reply.prefills.last(), Some(&(length, length, 0)));
    assert!(reply.timings.first_token >= reply.timings.prefill);
}

#[tokio::test]
async fn the_second_turn_computes_only_what_is_new() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let first = chat(&*vocab, SYSTEM, "What is the capital of France?");
    let reply = collect(engine.generate(request(first.clone(), 60))).await.unwrap();
    assert_eq!(reply.reason, FinishReason::Stop);

    let second = next_turn(&*vocab, &first, &reply.ids, "And of Italy?");
    let before = (first.len() + reply.ids.len()) as u32;
    let second_reply = collect(engine.generate(request(second.clone(), 60))).await.unwrap();
    assert_eq!(second_reply.usage.reused_tokens, before);
    assert_eq!(second_reply.prefills.first().map(|(_, _, reused)| *reused), Some(before));

    // The same answer as without the cache.
    let fresh = engine::engine(options()).await;
    let same = collect(fresh.generate(request(second, 60))).await.unwrap();
    assert_eq!(same.usage.reused_tokens, 0);
    assert_eq!(same.text(&*vocab), second_reply.text(&*vocab));
}

#[tokio::test]
async fn a_second_session_does_not_pay_for_the_system_prompt() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let one = chat(&*vocab, SYSTEM, "What is the capital of France?");
    let two = chat(&*vocab, SYSTEM, "How many legs has a spider?");
    let common = one.iter().zip(&two).take_while(|(a, b)| a == b).count() as u32;
    assert!(common > 30);
    let first = collect(engine.generate(request(one.clone(), 20))).await.unwrap();
    let second = collect(engine.generate(request(two, 20))).await.unwrap();
    assert_eq!(second.usage.reused_tokens, common);
    // And the first session still has its own.
    let turn = next_turn(&*vocab, &one, &first.ids, "Thanks!");
    let third = collect(engine.generate(request(turn, 5))).await.unwrap();
    assert!(third.usage.reused_tokens as usize >= one.len() + first.ids.len() - 1);
}

#[tokio::test]
async fn sessions_run_side_by_side_and_answer_as_if_alone() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let questions = ["What is the capital of France?", "Count from one to ten.", "Say hello in Spanish."];
    let prompts: Vec<_> = questions.iter().map(|q| chat(&*vocab, SYSTEM, q)).collect();

    let mut alone = Vec::new();
    for prompt in &prompts {
        let fresh = engine::engine(options()).await;
        alone.push(collect(fresh.generate(request(prompt.clone(), 24))).await.unwrap().text(&*vocab));
    }

    let mut streams: Vec<_> = prompts.iter().map(|p| engine.generate(request(p.clone(), 24))).collect();
    // Each writes its first token before any is done.
    let mut heads = Vec::new();
    for stream in &mut streams {
        loop {
            match next(stream).await.unwrap().unwrap() {
                EngineEvent::Token { id } => break heads.push(id),
                EngineEvent::Finished { .. } => panic!("done before the others began"),
                _ => {}
            }
        }
    }
    let mut order = Vec::new();
    for (at, (stream, head)) in streams.into_iter().zip(heads).enumerate() {
        let mut ids = vec![head];
        let mut stream = stream;
        loop {
            match next(&mut stream).await.unwrap().unwrap() {
                EngineEvent::Token { id } => ids.push(id),
                EngineEvent::Finished { .. } => break,
                _ => {}
            }
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| vocab.piece(*id)).collect();
        order.push((at, String::from_utf8_lossy(&bytes).into_owned()));
    }
    for ((at, together), alone) in order.into_iter().zip(alone) {
        assert_eq!(together, alone, "{}", questions[at]);
    }
}

#[tokio::test]
async fn more_sessions_than_fit_in_the_context_all_end() {
    // Three replies of up to 200 tokens share 256 cells: they must give way to each other, and lose nothing.
    let engine = engine::engine(EngineOptions { context: Some(256), ..options() }).await;
    let vocab = engine.vocab();
    let story = |name: &str| chat(&*vocab, "You tell stories.", &format!("Tell me a long story about {name}."));
    let prompts = [story("a fox"), story("two ships"), story("the moon")];
    let room = |prompt: &Vec<u32>| 250 - prompt.len() as u32;
    let streams: Vec<_> = prompts.iter().map(|p| engine.generate(request(p.clone(), room(p)))).collect();
    for (stream, prompt) in streams.into_iter().zip(&prompts) {
        let reply = collect(stream).await.unwrap();
        assert!(matches!(reply.reason, FinishReason::Stop | FinishReason::Length), "{:?}", reply.reason);
        if reply.reason == FinishReason::Length {
            assert_eq!(reply.ids.len() as u32, room(prompt));
        }
    }
}

#[tokio::test]
async fn cancelling_stops_the_prefill() {
    let engine = engine::engine(EngineOptions { context: Some(8192), ..options() }).await;
    let vocab = engine.vocab();
    let long = vocab.tokenize(&"The quick brown fox jumps over the lazy dog. ".repeat(700));
    let cancellation = CancellationToken::new();
    let total = long.len() as u32;
    let mut stream = engine.generate(GenerateRequest { cancellation: cancellation.clone(), ..request(long, 10) });
    let Some(Ok(EngineEvent::Prefill { done, .. })) = next(&mut stream).await else { panic!() };
    assert!(done < total / 2, "the first chunk took {done} of {total} tokens");
    let cancelled = Instant::now();
    cancellation.cancel();
    let reply = collect(stream).await.unwrap();
    let took = cancelled.elapsed();
    assert_eq!(reply.reason, FinishReason::Cancelled);
    assert_eq!(reply.usage.completion_tokens, 0);
    assert!(reply.prefills.last().is_none_or(|(done, ..)| *done < total));
    assert!(took < Duration::from_secs(1), "{took:?}");
    works(&engine).await;
}

#[tokio::test]
async fn cancelling_stops_decoding_and_keeps_what_was_written() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let cancellation = CancellationToken::new();
    let prompt = chat(&*vocab, SYSTEM, "Tell me a very long story about the sea.");
    let mut stream = engine.generate(GenerateRequest { cancellation: cancellation.clone(), ..request(prompt, 1500) });
    let mut seen = 0;
    while seen < 5 {
        if let EngineEvent::Token { .. } = next(&mut stream).await.unwrap().unwrap() {
            seen += 1;
        }
    }
    let cancelled = Instant::now();
    cancellation.cancel();
    loop {
        match next(&mut stream).await.unwrap().unwrap() {
            EngineEvent::Token { .. } => seen += 1,
            EngineEvent::Finished { reason, usage, .. } => {
                assert_eq!(reason, FinishReason::Cancelled);
                assert_eq!(usage.completion_tokens, seen);
                break;
            }
            _ => {}
        }
    }
    assert!(cancelled.elapsed() < Duration::from_secs(1), "{:?}", cancelled.elapsed());
    works(&engine).await;
}

#[tokio::test]
async fn dropping_the_stream_frees_its_place() {
    let engine = engine::engine(EngineOptions { sequences: 1, queue: 0, ..options() }).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Tell me a very long story about the sea.");
    let mut stream = engine.generate(request(prompt, 1500));
    while !matches!(next(&mut stream).await, Some(Ok(EngineEvent::Token { .. }))) {}
    drop(stream);
    // The only place: it is free again as soon as the engine has seen it.
    let deadline = Instant::now() + engine::SOON;
    loop {
        match collect(engine.generate(request(chat(&*vocab, "", "Hi"), 3))).await {
            Ok(_) => break,
            Err(ModelError::QueueFull { .. }) => assert!(Instant::now() < deadline),
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_queue_is_said() {
    let engine = engine::engine(EngineOptions { sequences: 1, queue: 1, ..options() }).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Tell me a very long story about the sea.");
    let running = engine.generate(request(prompt.clone(), 1000));
    let waiting = engine.generate(request(prompt.clone(), 5));
    match collect(engine.generate(request(prompt.clone(), 5))).await {
        Err(error @ ModelError::QueueFull { waiting: 1 }) => assert!(error.hint().is_some()),
        other => panic!("{other:?}"),
    }
    drop(running);
    let reply = collect(waiting).await.unwrap();
    assert_eq!(reply.ids.len(), 5);
    assert!(reply.timings.queued > Duration::ZERO);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused() {
    let engine = engine::engine(EngineOptions { context: Some(100), ..options() }).await;
    let vocab = engine.vocab();
    let word = vocab.tokenize("word").first().copied().unwrap();
    match collect(engine.generate(request(vec![word; 100], 5))).await {
        Err(ModelError::ContextOverflow { needed: 101, limit: 100 }) => {}
        other => panic!("{other:?}"),
    }
    for prompt in [vec![], vec![u32::MAX], vec![vocab.len()]] {
        assert!(matches!(collect(engine.generate(request(prompt, 5))).await, Err(ModelError::Prompt { .. })));
    }
    works(&engine).await;
}

#[tokio::test]
async fn a_full_context_ends_the_reply() {
    let engine = engine::engine(EngineOptions { context: Some(100), ..options() }).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, "You tell stories.", "Tell me a very long story about the sea and the wind.");
    let reply =
        collect(engine.generate(GenerateRequest { max_tokens: None, ..request(prompt.clone(), 0) })).await.unwrap();
    assert_eq!(reply.reason, FinishReason::ContextFull);
    assert_eq!(prompt.len() + reply.ids.len(), 100);
    works(&engine).await;
}

#[tokio::test]
async fn no_tokens_and_one_token() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Hello");
    for most in [0, 1] {
        let reply = collect(engine.generate(request(prompt.clone(), most))).await.unwrap();
        assert_eq!((reply.reason, reply.ids.len() as u32), (FinishReason::Length, most));
    }
}

#[tokio::test]
async fn a_seed_repeats_a_reply() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Invent a name for a cat.");
    let run = async |seed| {
        let sampling = Sampling { temperature: 1.2, seed, ..Sampling::default() };
        collect(engine.generate(GenerateRequest { sampling, ..request(prompt.clone(), 20) })).await.unwrap()
    };
    // Once, so that all find the same prefix in the cache.
    run(None).await;
    let one = run(Some(42)).await;
    let two = run(Some(42)).await;
    assert_eq!(one.usage.seed, 42);
    assert_eq!(one.ids, two.ids);
    let free = run(None).await;
    let again = run(Some(free.usage.seed)).await;
    assert_eq!(free.ids, again.ids);
    let texts: std::collections::HashSet<_> =
        [one.ids, free.ids, run(Some(1)).await.ids, run(Some(2)).await.ids].into();
    assert!(texts.len() > 1);
}

#[tokio::test]
async fn sampling_out_of_range_is_refused() {
    let engine = engine::engine(options()).await;
    let prompt = chat(&*engine.vocab(), "", "Hi");
    let sampling = Sampling { top_p: 2.0, ..Sampling::default() };
    match collect(engine.generate(GenerateRequest { sampling, ..request(prompt, 5) })).await {
        Err(error @ ModelError::Sampling { name: "top_p", .. }) => {
            assert_eq!(error.to_string(), "top_p is 2; it must be more than 0 and at most 1");
        }
        other => panic!("{other:?}"),
    }
}

fn lark(text: &str) -> Option<Grammar> {
    Some(Grammar { lark: text.to_owned() })
}

#[tokio::test]
async fn a_grammar_is_followed() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "What is the capital of France?");
    let grammar = "start: \"{\\\"city\\\": \" NAME \", \\\"people\\\": \" NUMBER \"}\"\nNAME: /\"[A-Z][a-z]{2,10}\"/\nNUMBER: /[1-9][0-9]{3,7}/";
    for temperature in [0.0, 1.0, 1.5] {
        for top_p in [1.0, 0.9] {
            let sampling = Sampling { temperature, top_p, seed: Some(3), ..Sampling::default() };
            let constraint = lark(grammar);
            let reply =
                collect(engine.generate(GenerateRequest { sampling, constraint, ..request(prompt.clone(), 100) }))
                    .await
                    .unwrap();
            let text = reply.text(&*vocab);
            assert_eq!(reply.reason, FinishReason::Stop, "{text}");
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
            assert!(json["city"].is_string() && json["people"].is_u64(), "{text}");
        }
    }
}

/// Their masks are computed while one batch decodes for all of them.
#[tokio::test]
async fn generations_at_once_follow_their_own_grammars() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let kinds: [fn(char) -> bool; 3] = [|c| c.is_ascii_digit(), |c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase()];
    let replies = ["[0-9]{40}", "[a-z]{40}", "[A-Z]{40}"].map(|class| {
        let sampling = Sampling { temperature: 1.0, top_p: 0.9, seed: Some(5), ..Sampling::default() };
        let constraint = lark(&format!("start: /{class}/"));
        let prompt = chat(&*vocab, SYSTEM, "Write what you like.");
        collect(engine.generate(GenerateRequest { sampling, constraint, ..request(prompt, 100) }))
    });
    for (reply, kind) in futures::future::join_all(replies).await.into_iter().zip(kinds) {
        let reply = reply.unwrap();
        let text = reply.text(&*vocab);
        assert!(text.len() == 40 && text.chars().all(kind), "{text}");
        assert_eq!(reply.reason, FinishReason::Stop, "{text}");
    }
}

#[tokio::test]
async fn a_grammar_may_leave_text_free() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "What is the capital of France?");
    let free = collect(engine.generate(request(prompt.clone(), 60))).await.unwrap();
    let constraint = lark("start: TEXT\nTEXT: /(.|\\n)*/");
    let held = collect(engine.generate(GenerateRequest { constraint, ..request(prompt, 60) })).await.unwrap();
    assert_eq!(held.ids, free.ids);
    assert_eq!(held.reason, FinishReason::Stop);
}

#[tokio::test]
async fn a_reply_stops_only_where_the_grammar_accepts() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Say yes.");
    // The model would stop long before.
    let constraint = lark("start: /(yes ){40}/");
    let reply = collect(engine.generate(GenerateRequest { constraint, ..request(prompt, 200) })).await.unwrap();
    assert_eq!(reply.text(&*vocab), "yes ".repeat(40));
    assert_eq!(reply.reason, FinishReason::Stop);
}

#[tokio::test]
async fn specials_stand_in_a_grammar_by_number() {
    let engine = engine::engine(options()).await;
    let vocab = engine.vocab();
    let prompt = chat(&*vocab, SYSTEM, "Say yes.");
    let special = vocab.special("<|im_start|>").unwrap();
    let end = vocab.special("<|im_end|>").unwrap();
    for body in ["\"yes\"", "/[a-z]{1,8} ?[a-z]{1,8}/"] {
        let constraint = lark(&format!("start: {body} <[{special}]> \"tool\\n\" /[0-9]{{3}}/"));
        let reply =
            collect(engine.generate(GenerateRequest { constraint, ..request(prompt.clone(), 60) })).await.unwrap();
        let text = reply.text(&*vocab);
        assert_eq!(reply.ids.iter().filter(|id| **id == special).count(), 1, "{text}");
        assert!(!reply.ids.contains(&end), "{text}");
        let (_, after) = text.split_once("tool\n").unwrap();
        assert!(after.len() == 3 && after.parse::<u32>().is_ok(), "{text}");
        assert_eq!(reply.reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn a_bad_grammar_is_an_error_and_not_ignored() {
    let engine = engine::engine(options()).await;
    let prompt = chat(&*engine.vocab(), SYSTEM, "Hi");
    for grammar in ["start: missing", "start: <[99999999]>", "start: \"a\" (", "", "start: /(?=look)ahead/"] {
        let constraint = lark(grammar);
        match collect(engine.generate(GenerateRequest { constraint, ..request(prompt.clone(), 5) })).await {
            Err(ModelError::Grammar { problem }) => assert!(!problem.is_empty(), "{grammar}"),
            other => panic!("{grammar}: {other:?}"),
        }
    }
    works(&engine).await;
}

#[tokio::test]
async fn a_dropped_engine_gives_its_place_to_another() {
    for _ in 0..3 {
        let engine = engine::engine(options()).await;
        works(&engine).await;
    }
    // A stream keeps its engine.
    let engine = engine::engine(options()).await;
    let stream = engine.generate(request(chat(&*engine.vocab(), "", "Hi"), 5));
    drop(engine);
    assert!(collect(stream).await.is_ok());
}

#[tokio::test]
async fn the_fingerprint_tells_files_apart() {
    let file = model_file("smollm2-135m").await;
    let engine = engine::engine(options()).await;
    let other = engine::engine(EngineOptions { context: Some(64), ..options() }).await;
    assert_eq!(engine.fingerprint(), other.fingerprint());
    assert_eq!(engine.fingerprint().len(), 32);
    // A tenth of the tensors changed.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.gguf");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - end / 10..].iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&copy, bytes).unwrap();
    let changed = Engine::load(&copy, &options(), |_| {}).unwrap();
    assert_ne!(changed.fingerprint(), engine.fingerprint());
}

async fn works(engine: &Engine) {
    let prompt = chat(&*engine.vocab(), "", "Hi");
    let reply = collect(engine.generate(request(prompt, 3))).await.unwrap();
    assert!(!reply.ids.is_empty());
}
