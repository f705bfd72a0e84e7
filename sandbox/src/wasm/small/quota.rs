//! How much a session may keep on disk, and how many files it may have open.
//!
//! As on the big tier: what is written is added up, and where the sum reaches the limit the folder is looked at anew.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{DenialKind, Limits};

use super::super::folder::{Folder, Usage};
use super::streams::Place;

/// What a session uses, and what it may.
pub(super) struct Quota {
    folder: Arc<Folder>,
    limits: Limits,
    place: Place,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: Usage,
    open: BTreeSet<u32>,
    /// A file was removed while files were open, and may be one of them: it takes room and has no name, so looking at the
    /// folder tells too little until all are closed.
    nameless: bool,
}

impl Quota {
    /// For a session with this folder.
    pub(super) fn new(folder: Arc<Folder>, limits: Limits, place: Place) -> std::io::Result<Self> {
        let state = State { used: folder.usage()?, ..State::default() };
        Ok(Self { folder, limits, place, state: Mutex::new(state) })
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes `more` from what is left; false where it does not fit, and then that is told.
    pub(super) fn take(&self, more: Usage) -> bool {
        let (bytes, files) = self.with(|state| {
            let mut found = self.fits(state.used, more);
            if !(state.nameless || (found.0 && found.1)) {
                state.used = self.folder.usage().unwrap_or(Usage { bytes: u64::MAX, files: u32::MAX });
                found = self.fits(state.used, more);
            }
            if found.0 && found.1 {
                state.used.bytes = state.used.bytes.saturating_add(more.bytes);
                state.used.files = state.used.files.saturating_add(more.files);
            }
            found
        });
        if !bytes {
            let message = format!("the session may keep {} MiB of files", self.limits.disk >> 20);
            self.place.denied(DenialKind::Disk, message, "remove files that are not needed any more, or write less");
        } else if !files {
            let message = format!("the session may have {} files and folders", self.limits.files);
            let hint = "remove files that are not needed any more, or put several into one";
            self.place.denied(DenialKind::Files, message, hint);
        }
        bytes && files
    }

    fn fits(&self, used: Usage, more: Usage) -> (bool, bool) {
        let bytes = more.bytes == 0 || used.bytes.saturating_add(more.bytes) <= self.limits.disk;
        let files = more.files == 0 || used.files.saturating_add(more.files) <= self.limits.files;
        (bytes, files)
    }

    /// Whether one more file may be open; where not, that is told.
    pub(super) fn may_open(&self) -> bool {
        let fits = self.with(|state| state.open.len() < self.limits.open_files as usize);
        if !fits {
            let message = format!("{} files may be open at the same time", self.limits.open_files);
            let hint = "close files: `with open(…) as f:` does it by itself";
            self.place.denied(DenialKind::Files, message, hint);
        }
        fits
    }

    /// A program has opened `descriptor`.
    pub(super) fn opened(&self, descriptor: u32) {
        self.with(|state| state.open.insert(descriptor));
    }

    /// It has closed it.
    pub(super) fn closed(&self, descriptor: u32) {
        self.with(|state| {
            state.open.remove(&descriptor);
            if state.open.is_empty() {
                state.nameless = false;
            }
        });
    }

    /// A name was removed, or given to another file.
    pub(super) fn unlinked(&self) {
        self.with(|state| state.nameless |= !state.open.is_empty());
    }
}
