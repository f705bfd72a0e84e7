//! How much a session may keep on disk, and how many files it may have open. Wasmtime limits neither.
//!
//! What is written is added up, which counts too much: files are overwritten and removed. Where the sum reaches the
//! limit, the folder is looked at anew, which is quick, as it is small; only then is something refused.

use std::collections::BTreeSet;

use wasmtime::Caller;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::GuestMemory;

use crate::DenialKind;

use super::errno;
use super::folder::Usage;
use super::state::{Host, memory_and_wasi};

/// What a session uses at the most, and what it has open.
#[derive(Debug, Default)]
pub(super) struct Quota {
    used: Usage,
    open: BTreeSet<i32>,
}

impl Quota {
    /// For a session whose folder holds `used`.
    pub(super) fn new(used: Usage) -> Self {
        Self { used, open: BTreeSet::new() }
    }

    /// Something is open.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// What lies in the folder may have changed: it is looked at anew before anything is refused or taken.
    pub(super) fn changed(&mut self) {
        self.used = Usage { bytes: u64::MAX, files: u32::MAX };
    }

    /// A program has opened `descriptor`.
    pub(super) fn opened(&mut self, descriptor: i32) {
        self.open.insert(descriptor);
    }

    /// It has closed it.
    pub(super) fn closed(&mut self, descriptor: i32) {
        self.open.remove(&descriptor);
    }

    /// `from` is now `to`.
    pub(super) fn renumbered(&mut self, from: i32, to: i32) {
        if self.open.remove(&from) {
            self.open.insert(to);
        }
    }

    fn add(&self, more: Usage) -> Usage {
        Usage { bytes: self.used.bytes.saturating_add(more.bytes), files: self.used.files.saturating_add(more.files) }
    }
}

/// Whether one more file may be open; else the error.
pub(super) fn may_open(caller: &mut Caller<'_, Host>) -> Option<i32> {
    let host = caller.data();
    if host.quota.open.len() < host.limits.open_files as usize {
        return None;
    }
    let message = format!("{} files may be open at the same time", host.limits.open_files);
    host.denied(DenialKind::Files, message, "close files: `with open(…) as f:` does it by itself");
    Some(errno::MFILE)
}

/// Takes `more` from what is left; else the error.
pub(super) async fn take(caller: &mut Caller<'_, Host>, more: Usage) -> wasmtime::Result<Option<i32>> {
    let fits = |host: &Host| {
        let sum = host.quota.add(more);
        let bytes = more.bytes == 0 || sum.bytes <= host.limits.disk;
        let files = more.files == 0 || sum.files <= host.limits.files;
        (bytes, files, sum)
    };
    let mut found = fits(caller.data());
    if !(found.0 && found.1) {
        caller.data_mut().quota.used = measure(caller).await?;
        found = fits(caller.data());
    }
    let host = caller.data_mut();
    match found {
        (true, true, sum) => {
            host.quota.used = sum;
            Ok(None)
        }
        (false, ..) => {
            let message = format!("the session may keep {} MiB of files", host.limits.disk >> 20);
            host.denied(DenialKind::Disk, message, "remove files that are not needed any more, or write less");
            Ok(Some(errno::NOSPC))
        }
        (true, false, _) => {
            let message = format!("the session may have {} files and folders", host.limits.files);
            host.denied(
                DenialKind::Files,
                message,
                "remove files that are not needed any more, or put several into one",
            );
            Ok(Some(errno::NOSPC))
        }
    }
}

/// What there really is: the folder, and files that have no name any more but are open.
async fn measure(caller: &mut Caller<'_, Host>) -> wasmtime::Result<Usage> {
    /// Bytes of preview1's `filestat`, and the places of `nlink` and `size` in it.
    const FILESTAT: usize = 64;
    let mut usage = caller.data().folder.usage().unwrap_or(Usage { bytes: u64::MAX, files: u32::MAX });
    let open: Vec<i32> = caller.data().quota.open.iter().copied().collect();
    for descriptor in open {
        let (_, wasi) = memory_and_wasi(caller)?;
        let mut stat = [0_u8; FILESTAT];
        // Into memory of our own in place of the program's.
        let answer = preview1::fd_filestat_get(wasi, &mut GuestMemory::Unshared(&mut stat), descriptor, 0).await?;
        let number = |place: usize| {
            stat.get(place..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        if answer == errno::SUCCESS && number(24) == 0 {
            usage.bytes = usage.bytes.saturating_add(number(32));
            usage.files = usage.files.saturating_add(1);
        }
    }
    Ok(usage)
}
