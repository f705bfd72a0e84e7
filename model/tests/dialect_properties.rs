//! Any reply at all: nothing panics, the cut into chunks does not matter, nothing is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use dialects::{ByteVocab, joined, metadata, tool};
use glassbox_model::dialect::{ChatGlm3, Chunk, Dialect, Generic, Hermes, literal};
use glassbox_model::{Delta, Request};
use proptest::prelude::*;
use serde_json::json;

const QWEN: &str = include_str!("fixtures/templates/qwen2.5.jinja");

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Special(u32, &'static str),
}

fn words() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "\"",
        "'",
        ",",
        ":",
        "\n",
        " ",
        "\\",
        "```",
        "```json\n",
        "```python\n",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{\"name\": \"track\"",
        "\"arguments\": {",
        "\"parameters\": ",
        "name",
        "track",
        "track\n",
        "interpreter",
        "interpreter\n",
        "tool_call(",
        "symbol='1'",
        "[[训练时间]]",
        "[[训",
        "\0",
        "👋",
        "中文",
        "a",
        "1",
        "true",
        "{\"name\": \"track\", \"arguments\": {\"symbol\": \"1\"}}",
        "<|assistant|>",
        "{'name': 'other', 'args': {}}",
        "{\"a\": 1}",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>(), 1 => "[a-z \n]{0,9}"]
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let special = prop::sample::select(vec![
        (64796, "<|assistant|>"),
        (64797, "<|observation|>"),
        (64789, "[MASK]"),
        (2, "</s>"),
        (259, "<tool_call>"),
        (260, "</tool_call>"),
        (261, "<think>"),
        (262, "</think>"),
        (256, "<|endoftext|>"),
    ]);
    let piece = prop_oneof![
        9 => prop::collection::vec(words(), 1..8).prop_map(|words| Piece::Text(words.concat())),
        1 => special.prop_map(|(id, text)| Piece::Special(id, text)),
    ];
    prop::collection::vec(piece, 0..8)
}

fn dialects() -> Vec<Box<dyn Dialect>> {
    let vocab = ByteVocab::chatml();
    vec![
        Box::new(ChatGlm3::default()),
        Box::new(Hermes::new(&vocab, &metadata("qwen2", Some(QWEN))).unwrap()),
        Box::new(Generic::new(&vocab, &metadata("qwen2", None)).unwrap()),
    ]
}

fn request(tools: bool) -> Request {
    Request {
        tools: if tools {
            ["track", "get_weather"].map(|name| tool(name, json!({"type": "object"}))).to_vec()
        } else {
            vec![]
        },
        interpreter: tools,
        ..Request::default()
    }
}

fn read(dialect: &dyn Dialect, request: &Request, pieces: &[Piece], cuts: &[usize]) -> Vec<Delta> {
    let mut parser = dialect.parser(request);
    let mut out = Vec::new();
    let mut cuts = cuts.iter().cycle();
    for piece in pieces {
        match piece {
            Piece::Special(id, text) => parser.push(Chunk::Special(*id, text), &mut out),
            Piece::Text(text) => {
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    let length = cuts.next().copied().unwrap_or(usize::MAX);
                    let end = rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at);
                    let (head, tail) = rest.split_at(end);
                    parser.push(Chunk::Text(head), &mut out);
                    rest = tail;
                }
            }
        }
    }
    parser.finish(&mut out);
    joined(out)
}

/// What a person would see, and what went into calls, without white space.
fn kept(deltas: &[Delta]) -> String {
    let all: String = deltas
        .iter()
        .map(|delta| match delta {
            Delta::Text { text } | Delta::Reasoning { text } => text.clone(),
            _ => String::new(),
        })
        .collect();
    all.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_reply_is_read_the_same_however_it_is_cut(pieces in pieces(), cuts in prop::collection::vec(1usize..9, 1..6)) {
        for dialect in dialects() {
            for tools in [true, false] {
                let request = request(tools);
                let whole = read(dialect.as_ref(), &request, &pieces, &[usize::MAX]);
                prop_assert_eq!(&read(dialect.as_ref(), &request, &pieces, &cuts), &whole, "{}", dialect.name());
                prop_assert_eq!(&read(dialect.as_ref(), &request, &pieces, &[1]), &whole, "{}", dialect.name());
            }
        }
    }

    /// Calls that were announced become ready or malformed, each once, under numbers that count up.
    #[test]
    fn every_call_has_an_end(pieces in pieces()) {
        for dialect in dialects() {
            let mut started: Vec<String> = Vec::new();
            let mut ended: Vec<String> = Vec::new();
            for delta in read(dialect.as_ref(), &request(true), &pieces, &[3]) {
                match delta {
                    Delta::CallStarted { id, .. } | Delta::CodeStarted { id } => started.push(id.0),
                    Delta::CallReady { call } => ended.push(call.id.0),
                    Delta::CodeReady { id, .. } => ended.push(id.0),
                    Delta::Malformed { id, .. } => {
                        if !started.contains(&id.0) {
                            started.push(id.0.clone());
                        }
                        ended.push(id.0);
                    }
                    _ => {}
                }
            }
            let expected: Vec<String> = (0..started.len()).map(|n| format!("call-{n}")).collect();
            prop_assert_eq!(&started, &expected);
            ended.sort_by_key(|id| id.strip_prefix("call-").and_then(|n| n.parse::<u64>().ok()));
            prop_assert_eq!(&ended, &expected);
        }
    }

    /// Where nothing is called, all that was written is shown.
    #[test]
    fn text_is_not_lost(pieces in pieces()) {
        for dialect in dialects() {
            // A mark that opens nothing is text.
            let marks = dialect.name() != "chatglm3";
            let written: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.as_str(),
                    Piece::Special(259..=262, text) if marks => text,
                    Piece::Special(..) => "",
                })
                .collect();
            for tools in [true, false] {
                let deltas = read(dialect.as_ref(), &request(tools), &pieces, &[5]);
                let only_text = deltas.iter().all(|delta| matches!(delta, Delta::Text { .. }));
                if !only_text || written.contains("think>") || written.contains("训练时间") {
                    continue;
                }
                let expected: String = written.chars().filter(|c| !c.is_whitespace()).collect();
                prop_assert_eq!(kept(&deltas), expected, "{}", dialect.name());
            }
        }
    }

    #[test]
    fn every_beginning_of_a_call_is_read(at in 0usize..200, form in 0usize..6) {
        let reply = [
            "get_weather\n ```python\ntool_call(city='北京', days=[1, {'a': None}])\n```",
            "interpreter\n ```python\nprint('hi')\n```",
            "Sure.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"北京\", \"days\": [1, {\"a\": null}]}}\n</tool_call>",
            "```json\n[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"北京\"}}, {\"name\": \"track\", \"arguments\": {}}]\n```",
            "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"\\u5317\\\"\"}}",
            "<think>hm</think>\n{\"function\": {\"name\": \"track\", \"arguments\": \"{}\"}}",
        ][form];
        let head: String = reply.chars().take(at).collect();
        for dialect in dialects() {
            read(dialect.as_ref(), &request(true), &[Piece::Text(head.clone())], &[4]);
        }
    }

    #[test]
    fn the_literal_reader_takes_any_text(text in prop::collection::vec(words(), 0..12)) {
        let text = text.concat();
        for error in [literal::read(&text).err(), literal::read_relaxed_json(&text).err(), literal::read_call(&text).err()].into_iter().flatten() {
            prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at));
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    /// What is JSON means to the relaxed reader what it means to everyone.
    #[test]
    fn json_is_read_as_json(text in any::<String>(), number in any::<f64>().prop_filter("finite", |n| n.is_finite()), whole in any::<i64>()) {
        let value = json!({text.clone(): [text, number, whole, null, true, {"": []}]});
        for written in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(&literal::read_relaxed_json(&written).unwrap(), &value);
        }
    }
}
