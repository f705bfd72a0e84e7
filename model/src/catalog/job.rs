//! One fetch, as its source sees it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{FetchError, Progress, SourceError, cache::with_suffix, lock::Lock, part::Part};

/// One fetch.
pub(crate) struct Job<'a> {
    /// The catalog name, or the `hf:` source.
    pub(crate) what: String,
    /// Where the file goes.
    pub(crate) target: &'a Path,
    /// Its length, where it is known before it is asked for.
    pub(crate) bytes: Option<u64>,
    /// Its sha256, where it is known before it is asked for.
    pub(crate) sha256: Option<&'a str>,
    /// Who is told.
    pub(crate) progress: &'a dyn Progress,
    /// Shared with the threads that write: when a fetch is dropped they may still be at it for a moment.
    pub(crate) lock: Arc<Lock>,
}

impl Job<'_> {
    /// Where what comes from a source of this kind is collected. One a kind: a source that fails halfway must not cost
    /// what another one brought.
    pub(crate) fn part_path(&self, kind: &str) -> PathBuf {
        with_suffix(self.target, &format!(".part-{kind}"))
    }
}

/// The kinds of sources, for [`Job::part_path`].
pub(crate) const KINDS: [&str; 3] = [HUB, WHEEL, CHECKOUT];
pub(crate) const HUB: &str = "hub";
pub(crate) const WHEEL: &str = "wheel";
pub(crate) const CHECKOUT: &str = "checkout";

/// What a source gives: a file with all its bytes, not yet checked.
pub(crate) struct Fetched {
    pub(crate) part: Part,
    /// The sha256 that the source itself states.
    pub(crate) sha256: Option<String>,
}

/// Why a source gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This source failed; the next may do.
    Source(SourceError),
    /// No source would do better: the disk is full, the folder cannot be written.
    Here(FetchError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Here(error)
    }
}

/// The thread that did a part of the work is gone: it panicked, or the runtime shuts down.
pub(crate) fn lost_thread(path: &Path, error: tokio::task::JoinError) -> FetchError {
    FetchError::Cache { action: "write", path: path.to_owned(), source: std::io::Error::other(error) }
}
