//! A session's state between two cells: the pages of its memory that differ from those it started from, and its files.
//!
//! Open descriptors are no part of it: a file that a program holds open is closed in the restored session.

use std::time::Duration;

use crate::{InterpreterError, Limits, Snapshot};

use super::BACKEND;
use super::pages::PAGE;
use super::saved_files::SavedFiles;

/// A session's state.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    /// What its memory started from: pages belong to it alone.
    pub(super) base: String,
    /// What its clock showed.
    pub(super) clock: Duration,
    /// Cells run so far.
    pub(super) cells: u32,
    /// What the Python side knows of tools.
    pub(super) told: Option<String>,
    pub(super) memory: SavedMemory,
    pub(super) files: SavedFiles,
}

/// The pages that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SavedMemory {
    /// Bytes of the whole memory.
    pub(super) bytes: u64,
    /// Numbers of the pages, rising.
    pub(super) numbers: Vec<u32>,
    /// The pages, one after another.
    pub(super) pages: Vec<u8>,
}

impl Saved {
    /// As bytes, for any other process with the same artifact.
    pub(super) fn snapshot(&self) -> Result<Snapshot, InterpreterError> {
        let data = super::saved_bytes::write(self)?;
        Ok(Snapshot { backend: BACKEND.to_owned(), data })
    }

    /// Reads one; nothing of it is used before all of it is known to be right.
    pub(super) fn read(snapshot: &Snapshot, limits: &Limits) -> Result<Self, InterpreterError> {
        if snapshot.backend != BACKEND {
            return Err(bad(format!("it is one of the `{}` backend", snapshot.backend)));
        }
        let saved = super::saved_bytes::read(&snapshot.data)?;
        if saved.memory.bytes > limits.memory {
            let (has, may) = (saved.memory.bytes >> 20, limits.memory >> 20);
            return Err(bad(format!("it has {has} MiB of memory, and sessions here may have {may}")));
        }
        Ok(saved)
    }
}

impl SavedMemory {
    /// Each page and its number.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.numbers.iter().copied().zip(self.pages.chunks_exact(PAGE))
    }
}

/// A snapshot that does not fit.
pub(super) fn bad(problem: impl Into<String>) -> InterpreterError {
    InterpreterError::BadSnapshot { problem: problem.into() }
}
