//! Samples give the tokens and targets that ChatGLM3's fine-tuning gives, id for id. `scripts/finetune_vectors.py` makes the
//! vectors with Google's own SentencePiece and the published rules.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::OnceLock;

use glassbox_model::{
    SentencePieceVocab, Vocab,
    dialect::{chatglm3::SPECIALS, literal},
    engine::LlamaVocab,
    finetune::{self, Format, PairKeys, Rendered, Renderer, Sample, sanity_table},
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// As it stands in the file: a number must be read from its own digits.
    sample: Box<RawValue>,
    ids: Vec<u32>,
    labels: Vec<i64>,
    #[serde(default)]
    table: Option<Vec<String>>,
}

fn vectors() -> Vec<Case> {
    let text = include_str!("fixtures/chatglm3/finetune_vectors.json");
    serde_json::from_str::<Vectors>(text).unwrap().cases
}

/// ChatGLM3's vocabulary from its SentencePiece model, and from a GGUF file.
fn vocabularies() -> &'static [(&'static str, Box<dyn Vocab>); 2] {
    static BOTH: OnceLock<[(&str, Box<dyn Vocab>); 2]> = OnceLock::new();
    BOTH.get_or_init(|| {
        let file = support::chatglm3_model::tokenizer_file();
        let model = support::chatglm3_model::path();
        [
            ("tokenizer.model", Box::new(SentencePieceVocab::read(&file, &SPECIALS).unwrap())),
            ("GGUF", Box::new(LlamaVocab::read(model).unwrap())),
        ]
    })
}

fn read(case: &Case) -> Sample {
    let reading = finetune::read(case.sample.get(), Format::ChatGlm3, &PairKeys::default());
    assert_eq!((reading.faulty, reading.samples.len()), (0, 1), "{}: {:?}", case.name, reading.findings);
    reading.samples[0].value.clone()
}

#[test]
fn every_vector_comes_out_id_for_id_and_target_for_target() {
    let cases = vectors();
    assert_eq!(cases.len(), 85);
    for (source, vocab) in vocabularies() {
        let renderer = Renderer::new(&**vocab).unwrap();
        for case in &cases {
            let Rendered { ids, targets } = renderer.render(&read(case));
            assert_eq!(ids, case.ids, "{} by {source}", case.name);
            assert_eq!(targets, case.labels, "{} by {source}", case.name);
        }
    }
}

#[test]
fn the_sanity_table_is_the_published_one() {
    let mut seen = 0;
    for (source, vocab) in vocabularies() {
        let renderer = Renderer::new(&**vocab).unwrap();
        for case in vectors() {
            let Some(table) = &case.table else { continue };
            assert_eq!(&sanity_table(&renderer.render(&read(&case)), &**vocab), table, "{} by {source}", case.name);
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

#[test]
fn what_is_written_is_what_was_read() {
    for case in vectors() {
        let sample = read(&case);
        let placed = [finetune::Placed { line: 1, value: sample.clone() }];
        let written = finetune::write(&placed, Format::ChatGlm3);
        assert_eq!((written.samples, written.left_out, written.findings.len()), (1, 0, 0), "{}", case.name);
        let again = finetune::read(&written.text, Format::ChatGlm3, &PairKeys::default());
        assert_eq!(again.samples[0].value, sample, "{}", case.name);
    }
}

#[test]
fn a_call_that_is_learnt_is_one_that_is_read() {
    let mut seen = 0;
    for case in vectors() {
        let Sample::Conversation(conversation) = read(&case) else { continue };
        for entry in &conversation.entries {
            let finetune::Entry::Tool { parameters, .. } = entry else { continue };
            let text = literal::write_call("tool_call", parameters, literal::Quotes::Single);
            assert_eq!(&literal::read_call(&text).unwrap().arguments, parameters, "{text}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_system_entry_can_be_joined_with_the_tools_as_prompts_have_it() {
    let (_, vocab) = &vocabularies()[0];
    let tool = glassbox_tools::ToolSpec::new("f", "");
    let entries = r#"[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]"#;
    let text = format!(r#"{{"tools": [{}], "conversations": {entries}}}"#, tool.for_model());
    let sample = &finetune::read(&text, Format::ChatGlm3, &PairKeys::default()).samples[0].value;
    let rendered = Renderer::new(&**vocab).unwrap().joined_system(true).render(sample);
    let request = glassbox_model::Request {
        messages: vec![glassbox_model::Message::system("Be brief."), glassbox_model::Message::user("Hi")],
        tools: vec![tool],
        ..Default::default()
    };
    let dialect = glassbox_model::dialect::ChatGlm3::new(&**vocab).unwrap();
    let pieces = glassbox_model::dialect::Dialect::render(&dialect, &request, "").unwrap();
    let mut prompt = glassbox_model::dialect::tokenize(&pieces, &**vocab);
    // The prompt ends with the role of the reply, the sample with the end.
    assert_eq!(prompt.pop(), Some(64_796));
    assert_eq!(rendered.ids[..rendered.ids.len() - 1], prompt);
}

#[test]
fn the_two_vocabularies_know_the_same_specials() {
    for (source, vocab) in vocabularies() {
        for (id, special) in (64_789..).zip(SPECIALS) {
            assert_eq!((vocab.special(special), vocab.is_special(id)), (Some(id), true), "{source}");
            assert_eq!((vocab.special_text(id).as_deref(), vocab.piece(id).len()), (Some(special), 0), "{source}");
        }
        assert_eq!((vocab.end_of_generation(), vocab.bos()), (vec![2], None), "{source}");
        assert!(vocab.is_special(0) && !vocab.is_special(13) && vocab.piece(13) == b"\n", "{source}");
    }
}

#[test]
fn another_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.model");
    for bytes in [&b""[..], b"GGUF", b"\x0a\x03\x0a\x01a", &[0xff; 64]] {
        std::fs::write(&file, bytes).unwrap();
        let error = SentencePieceVocab::read(&file, &SPECIALS).unwrap_err();
        assert!(error.to_string().contains("is no SentencePiece model that can be used: "), "{error}");
    }
    assert!(SentencePieceVocab::read(&folder.path().join("none"), &[]).is_err());
    let few = SentencePieceVocab::read(&support::chatglm3_model::tokenizer_file(), &[]).unwrap();
    assert!(Renderer::new(&few).unwrap_err().to_string().contains("<|observation|>"));
}

proptest! {
    #[test]
    fn both_vocabularies_read_any_text_alike(
        fragments in prop::collection::vec(
            prop_oneof![
                Just("sop".to_owned()), Just("eop".to_owned()), Just("so".to_owned()), Just("p".to_owned()),
                Just(" ".to_owned()), Just("\n".to_owned()), Just("\0".to_owned()), Just("▁".to_owned()),
                Just("<|user|>".to_owned()), Just("<0x41>".to_owned()), Just("philosophy".to_owned()), ".{0,8}", "[a-z0-9 ]{0,20}",
            ],
            0..20,
        ),
    ) {
        let [(_, ours), (_, theirs)] = vocabularies();
        let text = fragments.concat();
        prop_assert_eq!(ours.tokenize(&text), theirs.tokenize(&text), "{:?}", text);
    }
}
