//! The saved state of a session: its cells, to be run again, and its files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kernel::Place;
use crate::{InterpreterError, Snapshot};

/// What is written down. A new member needs a new version.
const VERSION: u32 = 1;

/// A session's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// The language, for a snapshot of one kernel is nothing to another.
    language: String,
    /// The sources of the cells that ran to their end, in order.
    pub(super) cells: Vec<String>,
    files: Vec<SavedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedFile {
    path: String,
    /// In base64.
    data: String,
}

impl State {
    /// The state of a session with these cells and the files of its place.
    pub(super) async fn save(language: &str, cells: Vec<String>, place: &dyn Place) -> Result<Self, InterpreterError> {
        let mut files = Vec::new();
        for file in place.list().await? {
            // What a program removed or made a pipe since is not part of it.
            if let Ok(data) = place.get(&file.path).await {
                files.push(SavedFile { path: file.path, data: STANDARD.encode(data) });
            }
        }
        Ok(Self { version: VERSION, language: language.to_owned(), cells, files })
    }

    /// Puts the files, and no others, into a place.
    pub(super) async fn put_files(&self, place: &dyn Place) -> Result<(), InterpreterError> {
        place.clear().await?;
        for file in &self.files {
            let data = STANDARD.decode(&file.data).map_err(|_| bad("a file in it is damaged"))?;
            place.put(&file.path, &data).await?;
        }
        Ok(())
    }

    /// As a snapshot of `backend`, with a checksum: half a list of cells is no state.
    pub(super) fn snapshot(&self, backend: &str) -> Result<Snapshot, InterpreterError> {
        let json = serde_json::to_vec(self).map_err(InterpreterError::backend)?;
        let mut data = Sha256::digest(&json).to_vec();
        data.extend(json);
        Ok(Snapshot { backend: backend.to_owned(), data })
    }

    /// Reads a snapshot of `backend`.
    pub(super) fn read(snapshot: &Snapshot, backend: &str, language: &str) -> Result<Self, InterpreterError> {
        if snapshot.backend != backend {
            return Err(bad(&format!("it is one of the backend `{}`, and this is `{backend}`", snapshot.backend)));
        }
        let (checksum, json) = snapshot.data.split_at_checked(32).ok_or_else(|| bad("it is too short"))?;
        if Sha256::digest(json).as_slice() != checksum {
            return Err(bad("it is damaged"));
        }
        let state: Self = serde_json::from_slice(json).map_err(|error| bad(&error.to_string()))?;
        if state.version != VERSION || state.language != language {
            return Err(bad(&format!("it is version {} of a {} session", state.version, state.language)));
        }
        Ok(state)
    }
}

pub(super) fn bad(problem: &str) -> InterpreterError {
    InterpreterError::BadSnapshot { problem: problem.to_owned() }
}
