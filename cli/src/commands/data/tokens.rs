//! The vocabulary that samples are rendered with.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use glassbox::model::catalog::{self, Cache, Fetcher};
use glassbox::model::dialect::chatglm3::SPECIALS;
use glassbox::model::engine::LlamaVocab;
use glassbox::model::{SentencePieceVocab, Vocab};

use crate::args::TokenArgs;
use crate::error::CliError;
use crate::ui::{FetchProgress, Ui};

/// ChatGLM3's SentencePiece model in the catalog.
const TOKENIZER: &str = "chatglm3-tokenizer";

/// The vocabulary that was asked for, or ChatGLM3's own, which is fetched where it is not there yet.
pub(super) async fn vocabulary(args: &TokenArgs, ui: &mut Ui) -> Result<Box<dyn Vocab>, CliError> {
    let Some(path) = &args.tokenizer else {
        let entry = catalog::asset(TOKENIZER).ok_or_else(|| CliError::Absent { name: TOKENIZER.to_owned() })?;
        let fetcher = Fetcher::new(Cache::from_env()?);
        let pulled = fetcher.pull(entry, &FetchProgress::new(ui)).await;
        let path = pulled.map_err(|error| CliError::TokenizerNotFetched { error })?;
        return sentencepiece(&path);
    };
    let mut magic = [0_u8; 4];
    let read = File::open(path).and_then(|file| file.take(4).read(&mut magic));
    read.map_err(|error| CliError::reading(path, error))?;
    if &magic == b"GGUF" { Ok(Box::new(LlamaVocab::read(path)?)) } else { sentencepiece(path) }
}

fn sentencepiece(path: &Path) -> Result<Box<dyn Vocab>, CliError> {
    match SentencePieceVocab::read(path, &SPECIALS) {
        Ok(vocab) => Ok(Box::new(vocab)),
        Err(error) => Err(CliError::Content {
            path: path.to_owned(),
            problem: error.problem.clone(),
            hint: error.hint().to_owned(),
        }),
    }
}
