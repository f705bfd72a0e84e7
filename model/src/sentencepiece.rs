//! The vocabulary in a SentencePiece model file (`tokenizer.model`), without the engine.
//!
//! Fine-tune files are rendered with it where no GGUF file is at hand. The merges are our own; specials that the
//! file does not hold are numbered after its pieces, as the models that use it have them.

pub(crate) mod merges;
mod proto;

use std::path::{Path, PathBuf};

use crate::Vocab;
use merges::SpmMerges;
use proto::{Kind, Piece};

/// Why a file is no vocabulary that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{} is no SentencePiece model that can be used: {problem}", path.display())]
pub struct SentencePieceError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl SentencePieceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "name the `tokenizer.model` of ChatGLM3-6B, or a GGUF file of the model"
    }
}

/// The vocabulary of a SentencePiece model of the BPE kind.
#[derive(Debug)]
pub struct SentencePieceVocab {
    pieces: Vec<Piece>,
    merges: SpmMerges,
    specials: Vec<String>,
}

impl SentencePieceVocab {
    /// Reads the file at `path`. `specials` get the ids after its last piece, in this order.
    ///
    /// # Errors
    /// [`SentencePieceError`] where it cannot be read, or is of a kind whose tokens would be others: no BPE, text that is
    /// normalised, no tokens for single bytes.
    pub fn read(path: &Path, specials: &[&str]) -> Result<Self, SentencePieceError> {
        let failed = |problem: String| SentencePieceError { path: path.to_owned(), problem };
        let bytes = std::fs::read(path).map_err(|error| failed(format!("reading it failed: {error}")))?;
        let model = proto::read(&bytes).map_err(failed)?;
        model.check().map_err(failed)?;
        let mut merges = SpmMerges::new(model.blank_first);
        for (id, piece) in (0u32..).zip(&model.pieces) {
            match piece.kind {
                Kind::Normal => merges.add_piece(&piece.text, id, piece.score),
                Kind::Byte => merges.add_byte(&piece.text, id),
                Kind::UserDefined => merges.add_added(&piece.text, id),
                Kind::Unknown | Kind::Control | Kind::Unused => {}
            }
        }
        Ok(Self { pieces: model.pieces, merges, specials: specials.iter().map(|text| (*text).to_owned()).collect() })
    }

    fn of(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)
    }

    /// The name of one of the specials after the pieces.
    fn added(&self, id: u32) -> Option<&str> {
        let place = (id as usize).checked_sub(self.pieces.len())?;
        self.specials.get(place).map(String::as_str)
    }

    fn find(&self, wanted: impl Fn(&Piece) -> bool) -> Option<u32> {
        self.pieces.iter().position(wanted).and_then(|place| u32::try_from(place).ok())
    }
}

impl Vocab for SentencePieceVocab {
    fn len(&self) -> u32 {
        u32::try_from(self.pieces.len().saturating_add(self.specials.len())).unwrap_or(u32::MAX)
    }

    fn tokenize(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.merges.tokenize(text, true, &mut ids);
        ids
    }

    fn piece(&self, id: u32) -> Vec<u8> {
        let Some(piece) = self.of(id) else { return Vec::new() };
        match piece.kind {
            Kind::Byte => merges::byte(&piece.text).into_iter().collect(),
            Kind::Normal | Kind::UserDefined => piece.text.replace(merges::BLANK, " ").into_bytes(),
            Kind::Unknown | Kind::Control | Kind::Unused => Vec::new(),
        }
    }

    fn is_special(&self, id: u32) -> bool {
        self.special_text(id).is_some()
    }

    fn special_text(&self, id: u32) -> Option<String> {
        match self.of(id) {
            Some(piece) => matches!(piece.kind, Kind::Unknown | Kind::Control).then(|| piece.text.clone()),
            None => self.added(id).map(str::to_owned),
        }
    }

    fn special(&self, text: &str) -> Option<u32> {
        if let Some(place) = self.specials.iter().position(|special| special == text) {
            return u32::try_from(self.pieces.len().saturating_add(place)).ok();
        }
        self.find(|piece| piece.text == text && piece.kind != Kind::Normal && piece.kind != Kind::Byte)
    }

    fn end_of_generation(&self) -> Vec<u32> {
        self.find(|piece| piece.kind == Kind::Control && piece.text == "</s>").into_iter().collect()
    }

    fn bos(&self) -> Option<u32> {
        None
    }
}
