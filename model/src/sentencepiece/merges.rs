//! SentencePiece's merges, with control tokens left out.
//!
//! llama.cpp looks a merge up among all tokens, and a control token has the score 0, which is the best there is. So in
//! ChatGLM3's vocabulary, where `sop` and `eop` are control tokens, it reads `philosophy` as `▁phil` + `o` + `sop` +
//! `hy` and not as the one token that it is, even where it is told that no special stands in the text. A text in
//! which such letters stand is read here: the same merges in the same order, and only tokens that text is made of.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
};

/// What stands for a blank in the pieces.
pub(crate) const BLANK: char = '▁';

/// The pieces of a SentencePiece vocabulary of the BPE kind.
#[derive(Debug, Default)]
pub(crate) struct SpmMerges {
    pieces: HashMap<Box<str>, Piece>,
    /// Tokens of single bytes, for what no piece holds.
    bytes: HashMap<u8, u32>,
    /// Texts that were added to the vocabulary, the longest first: they are found before anything is merged.
    added: Vec<(Box<str>, u32)>,
    /// A blank is put before a text, and before what follows an added one.
    blank_first: bool,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    id: u32,
    /// The higher, the sooner it is merged.
    score: f32,
}

impl SpmMerges {
    /// No pieces. `blank_first`: a blank is put before a text, and before what follows an added one.
    pub(crate) fn new(blank_first: bool) -> Self {
        Self { blank_first, ..Self::default() }
    }

    /// Adds a piece of text, as it is written in the vocabulary.
    pub(crate) fn add_piece(&mut self, text: &str, id: u32, score: f32) {
        self.pieces.insert(text.into(), Piece { id, score });
    }

    /// Adds the token of a byte, which is written `<0x0A>` in the vocabulary.
    pub(crate) fn add_byte(&mut self, text: &str, id: u32) {
        if let Some(byte) = byte(text) {
            self.bytes.insert(byte, id);
        }
    }

    /// Adds a text that is a token wherever it stands.
    pub(crate) fn add_added(&mut self, text: &str, id: u32) {
        if !text.is_empty() {
            let place = self.added.partition_point(|(other, _)| other.len() >= text.len());
            self.added.insert(place, (text.into(), id));
        }
    }

    /// Appends the tokens of `text`. `first`: nothing stands before it.
    pub(crate) fn tokenize(&self, text: &str, first: bool, out: &mut Vec<u32>) {
        // What is left to do, the next one last. A text of a million added ones must not take a million stack frames.
        let mut left = vec![Fragment::Text(text, first && self.blank_first)];
        while let Some(fragment) = left.pop() {
            match fragment {
                Fragment::Added(id) => out.push(id),
                Fragment::Text("", _) => {}
                Fragment::Text(text, blank) => match self.split(text) {
                    Some((before, id, after)) => {
                        left.push(Fragment::Text(after, self.blank_first));
                        left.push(Fragment::Added(id));
                        left.push(Fragment::Text(before, blank));
                    }
                    None => self.merge(text, blank, out),
                },
            }
        }
    }

    fn split<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        self.added.iter().find_map(|(added, id)| {
            let (before, after) = text.split_once(&**added)?;
            Some((before, *id, after))
        })
    }

    fn merge(&self, text: &str, blank: bool, out: &mut Vec<u32>) {
        let mut written = String::with_capacity(text.len().saturating_add(BLANK.len_utf8()));
        if blank {
            written.push(BLANK);
        }
        written.extend(text.chars().map(|c| if c == ' ' { BLANK } else { c }));
        Merging::new(self, &written).run(out);
    }
}

/// The byte that a token named `<0x0A>` stands for.
pub(crate) fn byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

/// A part of a text.
enum Fragment<'a> {
    /// To be read; with a blank before it.
    Text(&'a str, bool),
    /// An added token.
    Added(u32),
}

/// A run of characters that became one. Neighbours are places in the list of all.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    /// Bytes; 0 once it was merged into the one before it.
    len: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that may be merged.
#[derive(Debug, Clone, Copy)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both when the pair was found: if they have changed since, it is no pair any more.
    len: usize,
}

impl Ord for Pair {
    /// The best score first, then the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pair {}

struct Merging<'a> {
    merges: &'a SpmMerges,
    text: &'a str,
    symbols: Vec<Symbol>,
    pairs: BinaryHeap<Pair>,
}

impl<'a> Merging<'a> {
    fn new(merges: &'a SpmMerges, text: &'a str) -> Self {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        for (start, character) in text.char_indices() {
            let place = symbols.len();
            if let Some(last) = symbols.last_mut() {
                last.after = Some(place);
            }
            symbols.push(Symbol { start, len: character.len_utf8(), before: place.checked_sub(1), after: None });
        }
        let mut merging = Self { merges, text, symbols, pairs: BinaryHeap::new() };
        for right in 1..merging.symbols.len() {
            merging.consider(right.checked_sub(1), Some(right));
        }
        merging
    }

    fn run(mut self, out: &mut Vec<u32>) {
        while let Some(pair) = self.pairs.pop() {
            self.merge(pair);
        }
        let mut place = self.symbols.first().map(|_| 0);
        while let Some(symbol) = place.and_then(|place| self.symbols.get(place)) {
            let text = self.text.get(symbol.start..symbol.start.saturating_add(symbol.len)).unwrap_or_default();
            match self.merges.pieces.get(text) {
                Some(piece) => out.push(piece.id),
                None => out.extend(text.bytes().filter_map(|byte| self.merges.bytes.get(&byte))),
            }
            place = symbol.after;
        }
    }

    /// Notes the pair, if it is a piece.
    fn consider(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else { return };
        let (Some(a), Some(b)) = (self.symbols.get(left), self.symbols.get(right)) else { return };
        let len = a.len.saturating_add(b.len);
        let text = self.text.get(a.start..a.start.saturating_add(len));
        if let Some(piece) = text.and_then(|text| self.merges.pieces.get(text)) {
            self.pairs.push(Pair { score: piece.score, left, right, len });
        }
    }

    fn merge(&mut self, pair: Pair) {
        let (Some(&left), Some(&right)) = (self.symbols.get(pair.left), self.symbols.get(pair.right)) else { return };
        if left.len == 0 || right.len == 0 || left.len.saturating_add(right.len) != pair.len {
            return;
        }
        if let Some(left) = self.symbols.get_mut(pair.left) {
            left.len = pair.len;
            left.after = right.after;
        }
        if let Some(right) = self.symbols.get_mut(pair.right) {
            right.len = 0;
        }
        if let Some(after) = right.after.and_then(|after| self.symbols.get_mut(after)) {
            after.before = Some(pair.left);
        }
        self.consider(left.before, Some(pair.left));
        self.consider(Some(pair.left), right.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters, a blank, some bytes, and pieces with the scores 0, -1, … in this order.
    fn tokenize(pieces: &[&str], text: &str, blank: bool) -> Vec<String> {
        let mut merges = SpmMerges::new(blank);
        let mut names = Vec::new();
        let mut name = |text: &str| {
            names.push(text.to_owned());
            u32::try_from(names.len() - 1).unwrap()
        };
        for (i, piece) in pieces.iter().enumerate() {
            merges.add_piece(piece, name(piece), -(i as f32));
        }
        for letter in ('a'..='z').chain([BLANK]) {
            let letter = letter.to_string();
            merges.add_piece(&letter, name(&letter), -1e6);
        }
        for byte in ["<0xC3>", "<0xA9>", "<0x0A>"] {
            merges.add_byte(byte, name(byte));
        }
        let mut ids = Vec::new();
        merges.add_added("--", name("--"));
        merges.add_added("---", name("---"));
        merges.tokenize(text, true, &mut ids);
        ids.into_iter().map(|id| names[id as usize].clone()).collect()
    }

    #[test]
    fn the_best_pair_is_merged_first_and_the_leftmost_of_equals() {
        assert_eq!(tokenize(&["bc", "ab"], "abc", false), ["a", "bc"]);
        assert_eq!(tokenize(&["ab", "bc"], "abc", false), ["ab", "c"]);
        assert_eq!(tokenize(&["aa"], "aaa", false), ["aa", "a"]);
        assert_eq!(tokenize(&["aa", "aaaa"], "aaaaa", false), ["aaaa", "a"]);
    }

    #[test]
    fn a_piece_is_only_reached_through_pieces() {
        assert_eq!(tokenize(&["abc"], "abc", false), ["a", "b", "c"]);
        assert_eq!(tokenize(&["abc", "bc"], "abc", false), ["abc"]);
    }

    #[test]
    fn blanks_are_pieces_too() {
        assert_eq!(tokenize(&["▁a"], "a a", true), ["▁a", "▁a"]);
        assert_eq!(tokenize(&["▁a"], "a a", false), ["a", "▁a"]);
        assert_eq!(tokenize(&[], "", false), [""; 0]);
        assert_eq!(tokenize(&[], "", true), [""; 0]);
    }

    #[test]
    fn what_no_piece_holds_is_spelled_in_bytes() {
        assert_eq!(tokenize(&[], "aé\n", false), ["a", "<0xC3>", "<0xA9>", "<0x0A>"]);
    }

    #[test]
    fn added_texts_are_found_first_and_a_blank_follows_them() {
        assert_eq!(tokenize(&["ab"], "a-----b", true), ["▁", "a", "---", "--", "▁", "b"]);
        assert_eq!(tokenize(&["ab"], "--ab", false), ["--", "ab"]);
    }

    #[test]
    fn a_long_text_takes_no_square_of_its_length() {
        let text = "ab".repeat(200_000);
        assert_eq!(tokenize(&["ab", "abab"], &text, false).len(), 100_000);
        assert_eq!(tokenize(&[], &"--".repeat(3000), false).len(), 2000);
    }
}
