//! The vocabulary as llguidance sees it.

use std::sync::Arc;

use toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::vocab::LlamaVocab;
use crate::Vocab;

/// Builds the token environment: a trie of all tokens, and a way to tokenise what a grammar forces.
///
/// llguidance forces tokens only where tokenising is canonical: the tokens of a text do not depend on what stands
/// before it. That holds for byte-level BPE. A SentencePiece vocabulary puts a blank before a text, so there nothing
/// is forced and every token is sampled under the mask.
pub(crate) fn environment(vocab: &Arc<LlamaVocab>) -> TokEnv {
    let ends = vocab.end_of_generation();
    let words: Vec<Vec<u8>> = (0..vocab.len()).map(|id| word(vocab, id)).collect();
    let info = TokRxInfo::new(vocab.len(), ends.first().copied().unwrap_or(toktrie::INVALID_TOKEN));
    let mut trie = TokTrie::from(&info, &words);
    if !ends.is_empty() {
        trie = trie.with_eos_tokens(&ends);
    }
    if vocab.is_spm() {
        Arc::new(ApproximateTokEnv::new(trie))
    } else {
        Arc::new(Canonical { trie, vocab: Arc::clone(vocab) })
    }
}

/// The bytes of a token. A special is marked by 0xFF and named by its number, as llguidance itself writes one:
/// names need not be unique, and grammars here refer to numbers alone.
fn word(vocab: &LlamaVocab, id: u32) -> Vec<u8> {
    if vocab.is_special(id) {
        let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
        word.extend(format!("[{id}]").into_bytes());
        word
    } else {
        vocab.piece(id)
    }
}

struct Canonical {
    trie: TokTrie,
    vocab: Arc<LlamaVocab>,
}

impl TokenizerEnv for Canonical {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let mut ids = Vec::new();
        for chunk in bytes.utf8_chunks() {
            if !chunk.valid().is_empty() {
                // The grammar is ours: here a mark becomes its token, as the model was trained to write it.
                ids.extend(self.vocab.tokenize_raw(chunk.valid()));
            }
            if !chunk.invalid().is_empty() {
                ids.extend(self.trie.greedy_tokenize(chunk.invalid()));
            }
        }
        // A tokeniser that normalises gives other bytes back; llguidance counts on the same.
        if self.trie.decode_raw(&ids) == bytes { ids } else { self.trie.greedy_tokenize(bytes) }
    }
}
