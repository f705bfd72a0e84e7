//! The vocabulary of a loaded model.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, OnceLock},
};

use llama_cpp_2::{model::LlamaModel, token::LlamaToken, token_type::LlamaTokenAttr, vocab::LlamaVocab as RawVocab};

use super::load;
use crate::sentencepiece::merges::SpmMerges;
use crate::{ModelError, Vocab};

/// The longest text handed to llama.cpp at once, in bytes. Its lengths are 32-bit.
const LONGEST: usize = 64 << 20;
/// The longest run of letters, digits, blanks or other characters that is handed over unbroken. Vocabularies whose
/// splitting rule llama.cpp has no code of its own for go through `std::regex`, which recurses once a character.
const LONGEST_RUN: usize = 2000;

/// The vocabulary of a loaded model. Cheap to share; usable from any thread.
pub struct LlamaVocab {
    model: Arc<LlamaModel>,
    kinds: Vec<Kind>,
    specials: HashMap<String, u32>,
    /// Texts of control tokens.
    controls: Vec<String>,
    marks: Vec<String>,
    ends: Vec<u32>,
    bos: Option<u32>,
    spm: bool,
    space_prefix: bool,
    spelling: OnceLock<HashMap<Vec<u8>, u32>>,
    merges: OnceLock<SpmMerges>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of ordinary text.
    Text,
    /// Stands for no text, and never comes from text.
    Control,
    /// Stands for the text of a mark such as `<tool_call>`, and never comes from text either: see [`is_mark`].
    Mark,
    /// Stands for a text that was added to the vocabulary, such as a run of blanks.
    Added,
    /// Anything else: unknown, unused.
    Other,
}

impl LlamaVocab {
    /// The vocabulary of the GGUF file at `path`. Its weights are not read.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], [`ModelError::BadFile`], or [`ModelError::Engine`] where llama.cpp does not know it.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        load::load_vocabulary(path)
    }

    /// Reads the vocabulary of `model`. `spm`: a SentencePiece vocabulary (`tokenizer.ggml.model` is `llama`);
    /// `space_prefix`: it puts a blank before a text.
    pub(crate) fn new(model: Arc<LlamaModel>, spm: bool, space_prefix: bool) -> Self {
        let vocab = model.vocab();
        let mut kinds = Vec::new();
        let mut specials = HashMap::new();
        let mut controls = Vec::new();
        let mut marks = Vec::new();
        let mut ends = Vec::new();
        for (id, token) in (0u32..).zip(vocab.tokens()) {
            if vocab.is_eog(token) {
                ends.push(id);
            }
            let attributes = vocab.attr(token);
            let control = attributes.intersects(LlamaTokenAttr::Control | LlamaTokenAttr::Unknown);
            let added = attributes.contains(LlamaTokenAttr::UserDefined);
            let kind = if control || added {
                let text = String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned();
                let kind = match (control, is_mark(&text)) {
                    (true, _) => Kind::Control,
                    (false, true) => Kind::Mark,
                    (false, false) => Kind::Added,
                };
                match kind {
                    Kind::Mark => marks.push(text.clone()),
                    Kind::Control if !text.is_empty() => controls.push(text.clone()),
                    _ => {}
                }
                if !text.is_empty() {
                    specials.entry(text).or_insert(id);
                }
                kind
            } else if attributes.intersects(LlamaTokenAttr::Normal | LlamaTokenAttr::Byte) {
                Kind::Text
            } else {
                Kind::Other
            };
            kinds.push(kind);
        }
        let bos = vocab.should_add_bos().then(|| u32::try_from(vocab.bos().0).ok()).flatten();
        Self {
            kinds,
            specials,
            controls,
            marks,
            ends,
            bos,
            spm,
            space_prefix,
            spelling: OnceLock::new(),
            merges: OnceLock::new(),
            model,
        }
    }

    /// True for a SentencePiece vocabulary, whose tokens of a text depend on what stands before it.
    pub(crate) fn is_spm(&self) -> bool {
        self.spm
    }

    fn raw(&self) -> RawVocab<'_> {
        self.model.vocab()
    }

    fn token(&self, id: u32) -> Option<LlamaToken> {
        self.kinds.get(id as usize)?;
        i32::try_from(id).ok().map(LlamaToken)
    }

    fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// True for tokens that text never becomes.
    fn is_barred(&self, id: u32) -> bool {
        matches!(self.kind(id), Some(Kind::Control | Kind::Mark))
    }

    /// What llama.cpp makes of `text`: control tokens stay text, marks become tokens.
    pub(crate) fn tokenize_raw(&self, text: &str) -> Vec<u32> {
        // No text has more tokens than bytes, but for a blank that is put before it.
        let mut tokens = Vec::with_capacity(text.len().saturating_add(2));
        self.raw().tokenize_into(text.as_bytes(), &mut tokens, false, false);
        tokens.into_iter().filter_map(|token| u32::try_from(token.0).ok()).collect()
    }

    /// The bytes that a token stands for; specials are named by their texts.
    pub(crate) fn named_piece(&self, id: u32) -> Vec<u8> {
        self.special_text(id).map_or_else(|| self.piece(id), String::into_bytes)
    }

    /// Tokenises a prompt that was written out: the texts of specials and marks become those tokens, the longest where
    /// several begin at one place. The rest is as [`Vocab::tokenize`] has it.
    pub(crate) fn tokenize_with_specials(&self, text: &str) -> Vec<u32> {
        let mut found: Vec<(usize, std::cmp::Reverse<usize>, u32)> = Vec::new();
        for (special, &id) in self.specials.iter().filter(|(_, id)| self.is_barred(**id)) {
            found
                .extend(text.match_indices(special.as_str()).map(|(at, _)| (at, std::cmp::Reverse(special.len()), id)));
        }
        found.sort_unstable();
        let (mut ids, mut from) = (Vec::new(), 0);
        for (at, std::cmp::Reverse(length), id) in found {
            // One that overlaps is part of the one before.
            let Some(before) = text.get(from..at) else { continue };
            ids.extend(self.tokenize(before));
            ids.push(id);
            from = at.saturating_add(length);
        }
        ids.extend(self.tokenize(text.get(from..).unwrap_or_default()));
        ids
    }

    /// Appends the tokens of `text`, in which no mark stands. `first`: nothing stands before it.
    fn tokenize_part(&self, text: &str, first: bool, out: &mut Vec<u32>) {
        // A control token can come from merges: `sop` is one of ChatGLM's, and a syllable too. It need not be among the
        // tokens that come out: what was merged to it may be merged on, and other tokens come out than without it.
        if self.spm && self.controls.iter().any(|control| text.contains(control.as_str())) {
            self.merges().tokenize(text, first, out);
            return;
        }
        let ids = self.tokenize_raw(text);
        let mut ids = ids.as_slice();
        if !first && self.spm && self.space_prefix {
            // A part of a text gets no blank of its own: take back the one that was put before it.
            if let Some((head, rest)) = ids.split_first()
                && let Some(spelled) = self.piece(*head).strip_prefix(b" ")
            {
                self.spell(spelled, out);
                ids = rest;
            }
        }
        for &id in ids {
            if self.is_barred(id) {
                match self.token(id) {
                    Some(token) => self.spell(&self.raw().token_to_piece(token, true, None), out),
                    None => continue,
                }
            } else {
                out.push(id);
            }
        }
    }

    /// The merges of a SentencePiece vocabulary. Read on first use: most texts never need them.
    fn merges(&self) -> &SpmMerges {
        self.merges.get_or_init(|| {
            let vocab = self.raw();
            let mut merges = SpmMerges::new(self.space_prefix);
            for (id, token) in (0u32..).zip(vocab.tokens()) {
                let Some(text) = vocab.text(token).and_then(|text| text.to_str().ok()) else { continue };
                match self.kind(id) {
                    Some(Kind::Text) if vocab.attr(token).contains(LlamaTokenAttr::Byte) => merges.add_byte(text, id),
                    Some(Kind::Text) => merges.add_piece(text, id, vocab.score(token)),
                    Some(Kind::Added) => merges.add_added(text, id),
                    _ => {}
                }
            }
            merges
        })
    }

    /// Appends ordinary tokens that together stand for `bytes`, the longest first.
    fn spell(&self, mut bytes: &[u8], out: &mut Vec<u32>) {
        let spelling = self.spelling.get_or_init(|| {
            let vocab = self.raw();
            let mut map = HashMap::new();
            for (id, token) in (0u32..).zip(vocab.tokens()) {
                if self.kind(id) == Some(Kind::Text) {
                    map.entry(vocab.token_to_piece(token, false, None)).or_insert(id);
                }
            }
            map
        });
        while !bytes.is_empty() {
            let found = (1..=bytes.len()).rev().find_map(|length| {
                let (head, rest) = bytes.split_at_checked(length)?;
                spelling.get(head).map(|id| (*id, rest))
            });
            match found {
                Some((id, rest)) => {
                    out.push(id);
                    bytes = rest;
                }
                // A vocabulary without tokens for single bytes cannot spell everything.
                None => bytes = bytes.split_first().map_or(&[], |(_, rest)| rest),
            }
        }
    }

    /// Byte positions at which `text` is cut so that no mark, no overlong run and no overlong part is left.
    fn cuts(&self, text: &str) -> Vec<usize> {
        let mut cuts = BTreeSet::new();
        for mark in &self.marks {
            // One character before the mark's end: inside it, whatever else overlaps.
            let inside = mark.char_indices().next_back().map_or(0, |(at, _)| at);
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(mark.as_str())) {
                let start = from.saturating_add(at);
                cuts.insert(start.saturating_add(inside));
                from = start.saturating_add(text.get(start..).and_then(|r| r.chars().next()).map_or(1, char::len_utf8));
            }
        }
        let mut part_start = 0;
        let mut run = (Run::Other, 0usize);
        if text.len() > LONGEST_RUN {
            for (at, character) in text.char_indices() {
                let class = Run::of(character);
                run = if class == run.0 { (class, run.1.saturating_add(1)) } else { (class, 1) };
                // SentencePiece has no splitting rule, and cutting it costs a blank.
                if (!self.spm && run.1 > LONGEST_RUN) || at.saturating_sub(part_start) >= LONGEST {
                    cuts.insert(at);
                    part_start = at;
                    run.1 = 1;
                }
            }
        }
        cuts.remove(&0);
        cuts.into_iter().collect()
    }
}

/// Classes of characters that splitting rules match runs of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Letter,
    Digit,
    Blank,
    Other,
}

impl Run {
    fn of(character: char) -> Self {
        if character.is_alphabetic() {
            Self::Letter
        } else if character.is_numeric() {
            Self::Digit
        } else if character.is_whitespace() {
            Self::Blank
        } else {
            Self::Other
        }
    }
}

/// True for an added token that has the shape of a mark: `<tool_call>`, `[/INST]`, `<|fim_prefix|>`.
///
/// llama.cpp turns the text of every added token into that token, asked or not. For a run of blanks that is as it
/// should be; for a mark it would let the text of a person or a tool open a call.
fn is_mark(text: &str) -> bool {
    text.chars().nth(2).is_some()
        && ((text.starts_with('<') && text.ends_with('>')) || (text.starts_with('[') && text.ends_with(']')))
}

impl Vocab for LlamaVocab {
    fn len(&self) -> u32 {
        u32::try_from(self.kinds.len()).unwrap_or(u32::MAX)
    }

    fn tokenize(&self, text: &str) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(text.len() / 3);
        let mut from = 0;
        for end in self.cuts(text).into_iter().chain([text.len()]) {
            if let Some(part) = text.get(from..end) {
                self.tokenize_part(part, from == 0, &mut out);
            }
            from = end;
        }
        out
    }

    fn piece(&self, id: u32) -> Vec<u8> {
        self.token(id).map(|token| self.raw().token_to_piece(token, false, None)).unwrap_or_default()
    }

    fn is_special(&self, id: u32) -> bool {
        self.kind(id) == Some(Kind::Control)
    }

    fn is_mark(&self, id: u32) -> bool {
        self.kind(id) == Some(Kind::Mark)
    }

    fn special_text(&self, id: u32) -> Option<String> {
        let token = self.token(id).filter(|_| self.is_barred(id))?;
        Some(String::from_utf8_lossy(&self.raw().token_to_piece(token, true, None)).into_owned())
    }

    fn special(&self, text: &str) -> Option<u32> {
        self.specials.get(text).copied()
    }

    fn end_of_generation(&self) -> Vec<u32> {
        self.ends.clone()
    }

    fn bos(&self) -> Option<u32> {
        self.bos
    }
}

impl std::fmt::Debug for LlamaVocab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaVocab").field("len", &self.kinds.len()).field("spm", &self.spm).finish_non_exhaustive()
    }
}
