//! What the tests of the dialects share: small vocabularies, grammars run byte by byte, and replies in pieces.
#![allow(dead_code)] // each test file uses a part

pub(crate) mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;

use glassbox_model::dialect::{Chunk, Dialect, Grammar, OutputParser, Piece};
use glassbox_model::{Delta, Metadata, Request, Vocab};
use glassbox_tools::ToolSpec;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;

/// A vocabulary of single bytes and some specials.
#[derive(Debug, Clone)]
pub(crate) struct ByteVocab {
    first_byte: u32,
    len: u32,
    control: BTreeMap<u32, String>,
    /// Known by their text, but text.
    user_defined: BTreeMap<u32, String>,
    eos: u32,
    bos: Option<u32>,
}

impl ByteVocab {
    /// As Qwen 2.5: ChatML tokens are control tokens, `<tool_call>` is text with an id.
    pub(crate) fn chatml() -> Self {
        Self {
            first_byte: 0,
            len: 261,
            control: [(256, "<|endoftext|>"), (257, "<|im_start|>"), (258, "<|im_end|>")]
                .map(|(id, t)| (id, t.to_owned()))
                .into(),
            user_defined: [(259, "<tool_call>"), (260, "</tool_call>")].map(|(id, t)| (id, t.to_owned())).into(),
            eos: 258,
            bos: None,
        }
    }

    /// As Qwen 3, but with all marks as control tokens.
    pub(crate) fn chatml_with_control_marks() -> Self {
        let mut vocab = Self::chatml();
        let marks = ["<tool_call>", "</tool_call>", "<think>", "</think>"];
        vocab.control.extend((259..).zip(marks.map(str::to_owned)));
        vocab.user_defined.clear();
        vocab.len = 263;
        vocab
    }

    /// With the ids of ChatGLM3.
    pub(crate) fn chatglm3() -> Self {
        let control = [
            "[MASK]",
            "[gMASK]",
            "[sMASK]",
            "sop",
            "eop",
            "<|system|>",
            "<|user|>",
            "<|assistant|>",
            "<|observation|>",
        ];
        let mut control: BTreeMap<u32, String> = (64789..).zip(control.map(str::to_owned)).collect();
        control.insert(2, "</s>".to_owned());
        Self { first_byte: 3, len: 65_024, control, user_defined: BTreeMap::new(), eos: 2, bos: None }
    }

    /// With GLM-4's specials.
    pub(crate) fn glm4() -> Self {
        let control = [
            "<|endoftext|>",
            "[MASK]",
            "[gMASK]",
            "[sMASK]",
            "<sop>",
            "<eop>",
            "<|system|>",
            "<|user|>",
            "<|assistant|>",
            "<|observation|>",
        ];
        Self {
            first_byte: 0,
            len: 266,
            control: (256..).zip(control.map(str::to_owned)).collect(),
            user_defined: BTreeMap::new(),
            eos: 256,
            bos: None,
        }
    }

    /// Without any chat tokens.
    pub(crate) fn plain() -> Self {
        Self {
            first_byte: 0,
            len: 258,
            control: [(256, "<s>"), (257, "</s>")].map(|(id, t)| (id, t.to_owned())).into(),
            user_defined: BTreeMap::new(),
            eos: 257,
            bos: Some(256),
        }
    }

    pub(crate) fn tok_env(&self) -> TokEnv {
        let words: Vec<Vec<u8>> = (0..self.len)
            .map(|id| match self.control.get(&id) {
                Some(text) => [&[TokTrie::SPECIAL_TOKEN_MARKER], text.as_bytes()].concat(),
                None => self.piece(id),
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(self.len, self.eos), &words);
        Arc::new(ApproximateTokEnv::new(trie))
    }
}

impl Vocab for ByteVocab {
    fn len(&self) -> u32 {
        self.len
    }

    fn tokenize(&self, text: &str) -> Vec<u32> {
        text.bytes().map(|byte| self.first_byte + u32::from(byte)).collect()
    }

    fn piece(&self, id: u32) -> Vec<u8> {
        if let Some(text) = self.user_defined.get(&id) {
            return text.clone().into_bytes();
        }
        id.checked_sub(self.first_byte)
            .and_then(|byte| u8::try_from(byte).ok())
            .map(|byte| vec![byte])
            .unwrap_or_default()
    }

    fn is_special(&self, id: u32) -> bool {
        self.control.contains_key(&id)
    }

    fn special_text(&self, id: u32) -> Option<String> {
        self.control.get(&id).or(self.user_defined.get(&id)).cloned()
    }

    fn special(&self, text: &str) -> Option<u32> {
        self.control.iter().chain(&self.user_defined).find(|(_, known)| *known == text).map(|(id, _)| *id)
    }

    fn end_of_generation(&self) -> Vec<u32> {
        vec![self.eos]
    }

    fn bos(&self) -> Option<u32> {
        self.bos
    }
}

pub(crate) fn metadata(architecture: &str, template: Option<&str>) -> Metadata {
    Metadata {
        architecture: architecture.to_owned(),
        chat_template: template.map(str::to_owned),
        context_length: 8192,
        ..Metadata::default()
    }
}

pub(crate) fn tool(name: &str, parameters: Value) -> ToolSpec {
    ToolSpec::new(name, format!("does {name}")).with_parameters(parameters)
}

/// A reply that follows a grammar so far.
pub(crate) struct Walk {
    pub(crate) matcher: Matcher,
    pub(crate) trie: TokEnv,
}

/// Runs grammars over one vocabulary.
pub(crate) struct Grammars {
    factory: ParserFactory,
    env: TokEnv,
}

impl Grammars {
    pub(crate) fn new(vocab: &ByteVocab) -> Self {
        let env = vocab.tok_env();
        let mut factory = ParserFactory::new_simple(&env).unwrap();
        factory.quiet();
        Self { factory, env }
    }

    pub(crate) fn start(&self, grammar: &Grammar) -> Walk {
        let parser = self.factory.create_parser(TopLevelGrammar::from_lark(grammar.lark.clone()));
        let matcher = Matcher::new(parser);
        assert!(!matcher.is_error(), "{}\n{}", matcher.get_error().unwrap_or_default(), grammar.lark);
        Walk { matcher, trie: self.env.clone() }
    }

    /// Whether the grammar takes this reply as a whole. `None` parts are text, `Some` are tokens.
    pub(crate) fn takes(&self, grammar: &Grammar, vocab: &ByteVocab, pieces: &[Piece]) -> bool {
        let mut walk = self.start(grammar);
        let ids = glassbox_model::dialect::tokenize(pieces, vocab);
        let taken = walk.matcher.try_consume_tokens(&ids).unwrap();
        taken == ids.len() && (walk.matcher.is_stopped() || walk.matcher.is_accepting().unwrap())
    }

    /// How much of `text` the grammar takes, in bytes.
    pub(crate) fn taken(&self, grammar: &Grammar, vocab: &ByteVocab, text: &str) -> usize {
        let mut walk = self.start(grammar);
        walk.matcher.try_consume_tokens(&vocab.tokenize(text)).unwrap()
    }
}

/// Numbers that are the same every time (SplitMix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A random reply that the grammar takes, as token ids. Panics where it does not end.
pub(crate) fn random_reply(grammars: &Grammars, grammar: &Grammar, vocab: &ByteVocab, random: &mut Seeded) -> Vec<u32> {
    let mut walk = grammars.start(grammar);
    let mut ids = Vec::new();
    for step in 0..6000 {
        if walk.matcher.is_stopped() {
            return ids;
        }
        let mask = walk
            .matcher
            .compute_mask()
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", text_of(vocab, &ids), grammar.lark));
        if mask.is_allowed(vocab.eos) && (random.below(3) == 0 || step > 3000) {
            return ids;
        }
        let allowed: Vec<u32> = (0..vocab.len).filter(|id| *id != vocab.eos && mask.is_allowed(*id)).collect();
        assert!(!allowed.is_empty(), "a dead end after {:?}\n{}", text_of(vocab, &ids), grammar.lark);
        // Whole words only where nothing else will do.
        let bytes: Vec<u32> = allowed.iter().copied().filter(|id| vocab.piece(*id).len() < 2).collect();
        let allowed = if bytes.is_empty() { allowed } else { bytes };
        // Closers often, so that it ends; letters rather than odd bytes.
        let byte = |id: &u32| vocab.piece(*id).first().copied().unwrap_or(0);
        let closers: Vec<u32> = allowed.iter().copied().filter(|id| b"'\"]})`\n".contains(&byte(id))).collect();
        let letters: Vec<u32> = allowed.iter().copied().filter(|id| byte(id).is_ascii_graphic()).collect();
        let fence = b"\n```".get(step % 50).filter(|_| step > 1500); // Chance does not write what ends a program.
        let fence = allowed.iter().find(|id| Some(&byte(id)) == fence);
        let eager = if step > 1000 { 2 } else { 5 };
        let among = if !closers.is_empty() && random.below(eager) == 0 {
            &closers
        } else if !letters.is_empty() && random.below(3) > 0 {
            &letters
        } else {
            &allowed
        };
        let id = *fence.unwrap_or_else(|| random.pick(among));
        walk.matcher.consume_token(id).unwrap();
        ids.push(id);
    }
    panic!("does not end: {:?}", text_of(vocab, &ids));
}

pub(crate) fn text_of(vocab: &ByteVocab, ids: &[u32]) -> String {
    let mut bytes = Vec::new();
    for id in ids {
        match vocab.control.get(id) {
            Some(text) => bytes.extend(text.as_bytes()),
            None => bytes.extend(vocab.piece(*id)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a model sends: text, or a special.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Special(u32, String),
}

/// Reads `<|assistant|>` and the like in `text` as specials.
pub(crate) fn parts(text: &str, specials: &[(u32, &str)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut plain = String::new();
    while let Some(c) = rest.chars().next() {
        if let Some((id, special)) = specials.iter().find(|(_, special)| rest.starts_with(special)) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Special(*id, (*special).to_owned()));
            rest = &rest[special.len()..];
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// Ids to parts, as the engine would make them.
pub(crate) fn decode(vocab: &ByteVocab, ids: &[u32]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut bytes = Vec::new();
    let flush = |bytes: &mut Vec<u8>, parts: &mut Vec<Part>| {
        if !bytes.is_empty() {
            parts.push(Part::Text(String::from_utf8(std::mem::take(bytes)).expect("whole characters")));
        }
    };
    for id in ids {
        match vocab.control.get(id) {
            Some(text) => {
                flush(&mut bytes, &mut parts);
                parts.push(Part::Special(*id, text.clone()));
            }
            None => bytes.extend(vocab.piece(*id)),
        }
    }
    flush(&mut bytes, &mut parts);
    parts
}

/// Parses a reply, cut into pieces of `cut` characters (0: not cut).
pub(crate) fn parse(dialect: &dyn Dialect, request: &Request, parts: &[Part], cut: usize) -> Vec<Delta> {
    let mut parser = dialect.parser(request);
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Special(id, text) => parser.push(Chunk::Special(*id, text), &mut out),
            Part::Text(text) if cut == 0 => parser.push(Chunk::Text(text), &mut out),
            Part::Text(text) => {
                let chars: Vec<char> = text.chars().collect();
                for piece in chars.chunks(cut) {
                    parser.push(Chunk::Text(&piece.iter().collect::<String>()), &mut out);
                }
            }
        }
    }
    parser.finish(&mut out);
    joined(out)
}

/// Parses a reply that is cut in two at one character.
pub(crate) fn parse_split(parser: &mut dyn OutputParser, parts: &[Part], at: usize) -> Vec<Delta> {
    let mut out = Vec::new();
    let mut seen = 0;
    for part in parts {
        match part {
            Part::Special(id, text) => parser.push(Chunk::Special(*id, text), &mut out),
            Part::Text(text) => {
                let length = text.chars().count();
                if at > seen && at < seen + length {
                    let head: String = text.chars().take(at - seen).collect();
                    parser.push(Chunk::Text(&head), &mut out);
                    parser.push(Chunk::Text(&text[head.len()..]), &mut out);
                } else {
                    parser.push(Chunk::Text(text), &mut out);
                }
                seen += length;
            }
        }
    }
    parser.finish(&mut out);
    joined(out)
}

/// Puts neighbouring deltas of one kind together.
pub(crate) fn joined(deltas: Vec<Delta>) -> Vec<Delta> {
    let mut out: Vec<Delta> = Vec::new();
    for delta in deltas {
        match (out.last_mut(), delta) {
            (Some(Delta::Text { text }), Delta::Text { text: more })
            | (Some(Delta::Reasoning { text }), Delta::Reasoning { text: more }) => text.push_str(&more),
            (Some(Delta::CallArguments { id, text }), Delta::CallArguments { id: other, text: more })
                if *id == other =>
            {
                text.push_str(&more);
            }
            (Some(Delta::CodeText { id, text }), Delta::CodeText { id: other, text: more }) if *id == other => {
                text.push_str(&more);
            }
            (_, delta) => out.push(delta),
        }
    }
    out
}

/// One line a delta, for reading.
pub(crate) fn summary(deltas: &[Delta]) -> Vec<String> {
    deltas
        .iter()
        .map(|delta| match delta {
            Delta::Text { text } => format!("text {text:?}"),
            Delta::Reasoning { text } => format!("reasoning {text:?}"),
            Delta::CallStarted { id, name } => format!("{id} started {name}"),
            Delta::CallArguments { id, text } => format!("{id} arguments {text:?}"),
            Delta::CallReady { call } => format!("{} call {}({})", call.id, call.name, call.arguments),
            Delta::CodeStarted { id } => format!("{id} code started"),
            Delta::CodeText { id, text } => format!("{id} code text {text:?}"),
            Delta::CodeReady { id, source } => format!("{id} code {source:?}"),
            Delta::Malformed { id, name, problem, .. } => {
                format!("{id} malformed {}: {problem}", name.as_deref().unwrap_or("?"))
            }
            other => format!("{other:?}"),
        })
        .collect()
}
