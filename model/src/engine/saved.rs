//! KV that was saved to a file.
//!
//! `GLASSBOX-KV 1\n`, the length of the head (4 bytes, little endian), the head ([`Head`], JSON), and the state of one
//! sequence as llama.cpp writes it (`llama_state_seq_get_data`). A file is for one model, adapter and KV type, and for
//! builds that write that state alike: llama.cpp refuses another's. The checksum finds damage; it does not make a file
//! safe that was made to deceive, so load files only from where you would load a model.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::adapters::Weights;
use crate::{ModelError, hex::hex};

const MAGIC: &[u8] = b"GLASSBOX-KV 1\n";
/// More than the head of the longest context has.
const MOST_HEAD: u32 = 64 << 20;

/// What a file of KV holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedKv {
    /// Tokens of the prompt that need not be computed again.
    pub tokens: u32,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// The state of one sequence.
pub(crate) struct SequenceState {
    pub(crate) tokens: Vec<u32>,
    pub(crate) state: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    /// Model, adapter and KV type: [`key`](crate::engine::Engine).
    key: String,
    tokens: Vec<u32>,
    /// Length of the state in bytes.
    length: u64,
    /// Of the tokens, 4 bytes each in little endian, and the state; hexadecimal.
    sha256: String,
}

impl SequenceState {
    fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for token in &self.tokens {
            hash.update(token.to_le_bytes());
        }
        hash.update(&self.state);
        hex(&hash.finalize())
    }

    /// Writes the file anew; what stood there stays until all is written.
    pub(crate) fn write(&self, path: &Path, key: &str) -> Result<SavedKv, ModelError> {
        let failed = |problem: String| ModelError::KvFile { path: path.to_owned(), problem };
        let io = |error: std::io::Error| failed(format!("writing it failed: {error}"));
        let head = Head {
            key: key.to_owned(),
            tokens: self.tokens.clone(),
            length: self.state.len() as u64,
            sha256: self.sha256(),
        };
        let head = serde_json::to_vec(&head).map_err(|error| failed(error.to_string()))?;
        let length = u32::try_from(head.len()).map_err(|error| failed(error.to_string()))?;
        let part = part(path);
        let written = (|| {
            let mut file = File::create(&part)?;
            for bytes in [MAGIC, &length.to_le_bytes(), &head, &self.state] {
                file.write_all(bytes)?;
            }
            file.sync_all()?;
            std::fs::rename(&part, path)?;
            Ok(MAGIC.len().saturating_add(4).saturating_add(head.len()).saturating_add(self.state.len()))
        })();
        let bytes = written.map_err(|error| {
            // It may never have been there.
            let _ = std::fs::remove_file(&part);
            io(error)
        })?;
        Ok(SavedKv { tokens: super::session::count(self.tokens.len()), bytes: bytes as u64 })
    }

    /// Reads a file, where `known` knows what it was written for.
    pub(crate) fn read(
        path: &Path,
        known: impl Fn(&str) -> Option<Weights>,
    ) -> Result<(Self, Weights, SavedKv), ModelError> {
        let failed = |problem: String| ModelError::KvFile { path: path.to_owned(), problem };
        let io = |error: std::io::Error| failed(format!("reading it failed: {error}"));
        let mut file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut magic = [0; MAGIC.len()];
        let mut length = [0; 4];
        if file.read_exact(&mut magic).is_err() || magic != MAGIC || file.read_exact(&mut length).is_err() {
            return Err(failed("it is no saved KV cache".into()));
        }
        let length = u32::from_le_bytes(length);
        let whole = "it is damaged: ";
        if length > MOST_HEAD || u64::from(length) > bytes {
            return Err(failed(format!("{whole}its head is longer than the file")));
        }
        let mut head = vec![0; length as usize];
        file.read_exact(&mut head).map_err(io)?;
        let head: Head = serde_json::from_slice(&head).map_err(|error| failed(format!("{whole}{error}")))?;
        let weights = known(&head.key).ok_or_else(|| {
            failed(format!(
                "it was saved for another model or with other settings, such as an adapter that is not loaded ({})",
                head.key
            ))
        })?;
        let before = (MAGIC.len() as u64).saturating_add(4).saturating_add(u64::from(length));
        if head.length != bytes.saturating_sub(before) {
            return Err(failed(format!("{whole}{} bytes of {} are there", bytes.saturating_sub(before), head.length)));
        }
        let mut state = Vec::new();
        file.read_to_end(&mut state).map_err(io)?;
        let read = Self { tokens: head.tokens, state };
        if read.sha256() != head.sha256 {
            return Err(failed(format!("{whole}its checksum is another")));
        }
        let saved = SavedKv { tokens: super::session::count(read.tokens.len()), bytes };
        Ok((read, weights, saved))
    }
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
