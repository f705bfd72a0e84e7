//! ChatGLM3's prompts on its real vocabulary, id for id.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, OnceLock};

use glassbox_model::{
    AssistantMessage, AssistantPart, Delta, Message, Observation, Request, Vocab,
    dialect::{self, Chunk, Dialect},
    engine::{Engine, EngineOptions, LlamaVocab},
};
use glassbox_tools::ToolSpec;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

/// A conversation and the ids that ChatGLM3's own tokenizer gives for it.
#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Turn>,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    metadata: String,
    content: String,
}

fn vectors() -> Vec<Case> {
    let cases = serde_json::from_str::<Vectors>(include_str!("fixtures/chatglm3/token_vectors.json")).unwrap().cases;
    assert_eq!(cases.len(), 11);
    cases
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions { context: Some(1024), ..EngineOptions::default() };
        Engine::load(support::chatglm3_model::path(), &options, |_| {}).unwrap()
    })
}

fn vocab() -> Arc<LlamaVocab> {
    engine().vocab()
}

fn chatglm3() -> Arc<dyn Dialect> {
    let choice = dialect::detect(&*vocab(), engine().metadata()).unwrap();
    assert_eq!(choice.dialect.name(), "chatglm3", "it is known by its file");
    choice.dialect
}

/// What the dialect reads in a turn of the assistant: its own parser, so that what it reads is what it writes.
fn parts(turn: &Turn) -> Vec<AssistantPart> {
    if turn.metadata.is_empty() {
        return vec![AssistantPart::Text { text: turn.content.clone() }];
    }
    let mut deltas = Vec::new();
    let mut parser = chatglm3().parser(&Request::default());
    parser.push(Chunk::Text(&format!("{}\n{}", turn.metadata, turn.content)), &mut deltas);
    parser.finish(&mut deltas);
    let part = |delta| match delta {
        Delta::CallReady { call } => Some(AssistantPart::Call { call }),
        Delta::CodeReady { id, source } => Some(AssistantPart::Code { id, source }),
        _ => None,
    };
    deltas.into_iter().filter_map(part).collect()
}

fn conversation(turns: &[Turn]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for turn in turns {
        let content = turn.content.clone();
        match (turn.role.as_str(), messages.last_mut()) {
            ("system", _) => messages.push(Message::system(content)),
            ("user", _) => messages.push(Message::user(content)),
            ("observation", _) => {
                messages.push(Message::Observation(Observation { call_id: None, name: None, content }));
            }
            // Prose and the call that follows it are one message.
            ("assistant", Some(Message::Assistant(before))) => before.parts.extend(parts(turn)),
            ("assistant", _) => {
                messages.push(Message::Assistant(AssistantMessage { parts: parts(turn), raw: None }));
            }
            (other, _) => panic!("no role {other}"),
        }
    }
    messages
}

fn ids(request: &Request) -> Vec<u32> {
    dialect::tokenize(&chatglm3().render(request, "none").unwrap(), &*vocab())
}

#[test]
fn every_vector_comes_out_id_for_id() {
    for case in vectors() {
        let request = Request { messages: conversation(&case.messages), ..Request::default() };
        assert_eq!(ids(&request), case.ids, "{}", case.name);
    }
}

#[test]
fn the_tools_of_a_request_become_the_system_message_of_the_vectors() {
    let mut seen = 0;
    for mut case in vectors() {
        let Some((_, list)) = case.messages[0].content.split_once("following tools:\n") else { continue };
        let tools: Vec<ToolSpec> = serde_json::from_str(list).unwrap();
        case.messages.remove(0);
        let request = Request { messages: conversation(&case.messages), tools, ..Request::default() };
        assert_eq!(ids(&request), case.ids, "{}", case.name);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_word_that_holds_a_special_is_read_as_a_word() {
    // `sop` and `eop` are control tokens. llama.cpp's own merges find them here even where specials are off.
    for (text, expected) in [
        ("philosophy", &[8827][..]),
        ("people", &[705]),
        ("geopolitics", &[3094, 404, 6408, 823]),
        ("sop", &[268, 404]),
        ("eop", &[315, 404]),
        // Here llama.cpp's merges go through `sop` to other tokens, none of them special.
        (">soppeople", &[2046, 571, 17438, 677]),
    ] {
        assert_eq!(vocab().tokenize(text), expected, "{text}");
    }
}

#[test]
fn only_eos_is_declared_and_the_dialect_adds_the_role_tokens() {
    assert_eq!(vocab().len(), 65_024);
    assert_eq!(vocab().end_of_generation(), [2]);
    assert_eq!(vocab().bos(), None);
    assert_eq!(vocab().special("<|observation|>"), Some(64_797));
    let mut stops = chatglm3().stop_tokens();
    stops.sort_unstable();
    assert_eq!(stops, [2, 64_795, 64_797]);
}

proptest! {
    #[test]
    fn text_never_becomes_a_special_and_is_not_changed(
        fragments in prop::collection::vec(
            prop_oneof![
                Just("sop"), Just("eop"), Just("so"), Just("p"), Just("eo"), Just("o"), Just(" "), Just("  "), Just("\n"),
                Just("\0"), Just("[gMASK]"), Just("[MASK]"), Just("<|user|>"), Just("<|observation|>"), Just("<bos>"),
                Just("<eos>"), Just("<unk>"), Just("<0x41>"), Just("[PAD65000]"), Just("▁"), Just("👋"), Just("你好"),
                Just("philosophy"), Just("\u{fffd}"), Just("\u{10ffff}"),
            ],
            1..40,
        ),
    ) {
        let (vocab, text) = (vocab(), fragments.concat());
        let ids = vocab.tokenize(&text);
        prop_assert!(ids.iter().all(|id| !vocab.is_special(*id)), "{ids:?}");
        let bytes: Vec<u8> = ids.iter().flat_map(|id| vocab.piece(*id)).collect();
        // The mark for a blank means a blank, wherever it comes from; that is how SentencePiece has it.
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), format!(" {text}").replace('▁', " "));
    }
}
