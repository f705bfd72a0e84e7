//! What a fetch tells while it goes on.

use std::path::PathBuf;

/// Hears how a fetch goes. Called from whichever thread the fetch is polled on; it must return quickly.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: FetchEvent);
}

/// A step of a fetch. A fetch that has nothing to do (the file is there and checked) sends none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent {
    /// Another process fetches the same file; this one waits until that one is done.
    Waiting {
        /// The catalog name, or the `hf:` source.
        what: String,
    },
    /// The file in the cache is not what it should be, and is fetched again.
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A source is tried. Sent again when it has said how long the file is, where that was not known.
    Started {
        /// The catalog name, or the `hf:` source.
        what: String,
        /// Where it comes from now.
        source: String,
        /// Bytes of the whole file; `None` where the source has not said yet.
        total_bytes: Option<u64>,
    },
    /// More of the file is here.
    Advanced {
        /// Bytes here now, those of an earlier pull included. Falls back when a source starts over.
        bytes: u64,
    },
    /// All bytes are here; the checksum is computed.
    Verifying,
    /// A source failed; the next one is tried, if there is one.
    SourceFailed {
        /// The source.
        source: String,
        /// Why.
        error: String,
    },
    /// The file is in the cache and checked.
    Done {
        /// The file.
        path: PathBuf,
    },
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: FetchEvent) {}
}
