//! A file that is here in part.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    FetchError,
    cache::{remove, with_suffix, write_atomically},
};

/// Beside the part: what it is being filled from, and how much of it can be relied on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The exact file at the source. A part is only continued from the same one.
    origin: String,
    /// Pieces that are wholly here, for a source that comes in pieces.
    steps: usize,
    /// Bytes of those pieces.
    bytes: u64,
}

/// How far a part that was found can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Up to its end: bytes came in order.
    AtEnd,
    /// Up to its last whole piece.
    AtStep,
}

/// A file that is being fetched. It is kept when a fetch fails, so that the next one goes on from there.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    state: State,
    len: u64,
    /// Bytes of the whole file.
    total: u64,
}

impl Part {
    /// Opens the part at `path`, continuing what is there if it is from the same origin, else from the start.
    pub(crate) fn open(path: &Path, origin: &str, total: u64, resume: Resume) -> Result<Self, FetchError> {
        let failed = |source| FetchError::Cache { action: "open", path: path.to_owned(), source };
        let file = File::options().create(true).append(true).read(true).open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let state = fs::read(state_path(path)).ok().and_then(|text| serde_json::from_slice::<State>(&text).ok());
        let mut part = Self { path: path.to_owned(), file, state: State::default(), len, total };
        let state = state.filter(|state| state.origin == origin && state.bytes <= len && len <= total);
        match state {
            Some(state) => {
                let keep = if resume == Resume::AtEnd { len } else { state.bytes };
                part.state = state;
                part.cut(keep)?;
            }
            None => {
                part.state.origin = origin.to_owned();
                part.restart()?;
            }
        }
        let missing = total.saturating_sub(part.len);
        if let Some(free) = free_space(path).filter(|free| *free < missing) {
            return Err(FetchError::DiskFull { path: path.to_owned(), missing, free: Some(free) });
        }
        Ok(part)
    }

    /// Bytes that are here.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Pieces that are wholly here.
    pub(crate) fn steps(&self) -> usize {
        self.state.steps
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|error| self.failed("write", error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Notes that a piece is wholly here: what was written so far outlives a crash.
    pub(crate) fn end_step(&mut self) -> Result<(), FetchError> {
        self.file.sync_data().map_err(|error| self.failed("write", error))?;
        self.state.steps += 1;
        self.state.bytes = self.len;
        self.save()
    }

    /// Starts over.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        self.cut(0)?;
        self.state.steps = 0;
        self.state.bytes = 0;
        self.save()
    }

    /// Puts the whole file in its place.
    pub(crate) fn install(self, target: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(|error| self.failed("write", error))?;
        fs::rename(&self.path, target).map_err(|source| FetchError::Cache {
            action: "create",
            path: target.to_owned(),
            source,
        })?;
        remove(&state_path(&self.path))
    }

    /// Throws it away: it is not what was meant.
    pub(crate) fn discard(self) -> Result<(), FetchError> {
        discard(&self.path)
    }

    fn cut(&mut self, len: u64) -> Result<(), FetchError> {
        if len != self.len {
            self.file.set_len(len).map_err(|error| self.failed("cut", error))?;
            self.len = len;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), FetchError> {
        let text = serde_json::to_vec(&self.state).map_err(|error| self.failed("write", error.into()))?;
        write_atomically(&state_path(&self.path), &text).map_err(|error| self.failed("write", error))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> FetchError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let missing = self.total.saturating_sub(self.len);
            return FetchError::DiskFull { path: self.path.clone(), missing, free: free_space(&self.path) };
        }
        FetchError::Cache { action, path: self.path.clone(), source }
    }
}

/// Removes the part at `path` and its state; it need not exist.
pub(crate) fn discard(path: &Path) -> Result<(), FetchError> {
    remove(path)?;
    remove(&state_path(path))
}

fn state_path(path: &Path) -> PathBuf {
    with_suffix(path, ".json")
}

/// Bytes that this user may still write on the disk of `path`, a file in an existing folder.
#[cfg(unix)]
pub(crate) fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path.parent()?).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Unknown here: a full disk is noticed when a write fails.
#[cfg(not(unix))]
pub(crate) fn free_space(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
