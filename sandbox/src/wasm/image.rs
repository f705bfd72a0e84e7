//! Warm images: the memory of a session that has started, in a file that new sessions map.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::{InterpreterError, guest};

use super::compiled::write_private_with;
use super::home::{check_private, missing};
use super::pages::PAGE;
use super::{Image, mapping};

/// What is run before an image is taken: the first cell, and the first exception, find all that they need. Functions, so
/// that no name stays in the program's own module.
const BARE: &str = "\
def _warm():
    import glassbox_guest.cells, glassbox_guest.magics, glassbox_guest.schemas
    import pathlib, textwrap, tokenize, traceback
_warm()
del _warm
";

/// The same for a scientific image. Drawing once imports what draws; the fonts that it opened are closed again, as no
/// session that starts from the image would have their descriptors.
const SCIENTIFIC: &str = "\
def _warm():
    import glassbox_guest.cells, glassbox_guest.magics, glassbox_guest.schemas
    import gc, io, pathlib, textwrap, tokenize, traceback
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot, numpy, pandas, sympy
    figure = matplotlib.pyplot.figure()
    figure.gca().plot([1, 2])
    figure.savefig(io.BytesIO(), format='png')
    matplotlib.pyplot.close(figure)
    matplotlib.font_manager._get_font.cache_clear()
    del figure
    gc.collect()
_warm()
del _warm
";

impl Image {
    /// What is run before the image is taken, once the Python side is there.
    pub(super) fn prelude(self) -> &'static str {
        match self {
            Self::Bare => BARE,
            Self::Scientific => SCIENTIFIC,
        }
    }

    /// What the image belongs to: the artifact and engine of `program`, the Python side, and what is run before.
    pub(super) fn key(self, program: &str) -> String {
        let mut hasher = Sha256::new();
        let parts = [program, self.name(), guest::BOOTSTRAP, self.prelude()];
        let modules = guest::MODULES.iter().flat_map(|(name, source)| [*name, *source]);
        for part in parts.into_iter().chain(modules) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut key = hex(&hasher.finalize());
        key.truncate(32);
        key
    }
}

/// The end of an image's file, after the memory.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    key: String,
    memory: u64,
    clock_ns: u64,
}

/// Bytes of the trailer, filled up with spaces.
const TRAILER: usize = PAGE;

/// A warm image.
#[derive(Debug)]
pub(super) struct WarmImage {
    file: File,
    /// Bytes of the memory.
    pub(super) bytes: u64,
    /// What the clock showed.
    pub(super) clock: Duration,
}

impl WarmImage {
    /// Writes the image `memory` to `path`. Pages of zeros take no room on disk.
    pub(super) fn write(path: &Path, key: &str, memory: &[u8], clock: Duration) -> io::Result<()> {
        let clock_ns = u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX);
        let mut trailer = serde_json::to_vec(&Trailer { key: key.to_owned(), memory: memory.len() as u64, clock_ns })?;
        trailer.resize(TRAILER, b' ');
        write_private_with(path, |file| {
            for (number, page) in memory.chunks(PAGE).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    file.write_all_at(page, (number as u64).saturating_mul(PAGE as u64))?;
                }
            }
            file.seek(SeekFrom::Start(memory.len() as u64))?;
            file.write_all(&trailer)
        })
    }

    /// Opens the image at `path`, where it is one of this `key` that only this user can have written.
    pub(super) fn open(path: &Path, key: &str) -> Result<Self, InterpreterError> {
        check_private(path)?;
        let failed = |problem: String| missing(format!("{}: {problem}", path.display()));
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let length = file.metadata().map_err(|error| failed(error.to_string()))?.len();
        let mut trailer = [0; TRAILER];
        let place = length.checked_sub(TRAILER as u64).ok_or_else(|| failed("it is cut short".to_owned()))?;
        file.read_exact_at(&mut trailer, place).map_err(|error| failed(error.to_string()))?;
        let trailer: Trailer = serde_json::from_slice(&trailer).map_err(|error| failed(error.to_string()))?;
        if trailer.key != key || trailer.memory != place {
            return Err(failed("it belongs to another version".to_owned()));
        }
        Ok(Self { file, bytes: trailer.memory, clock: Duration::from_nanos(trailer.clock_ns) })
    }

    /// Makes `memory` hold the image: mapped, or copied where that fails.
    pub(super) fn put_into(&self, memory: &mut [u8]) -> io::Result<()> {
        match mapping::map(memory, &self.file) {
            Ok(()) if self.is_in(memory) => Ok(()),
            done => {
                tracing::warn!(?done, "a warm image could not be mapped; it is copied, which takes longer");
                self.file.read_exact_at(memory, 0)
            }
        }
    }

    /// Looks at a few places of the memory: what they hold must be what the file holds.
    fn is_in(&self, memory: &[u8]) -> bool {
        let places = [0, memory.len() / 3, memory.len() / 2, memory.len().saturating_sub(64)];
        places.into_iter().all(|place| {
            let mut bytes = [0; 64];
            let read = self.file.read_exact_at(&mut bytes, place as u64);
            read.is_ok() && memory.get(place..place.saturating_add(64)) == Some(&bytes)
        })
    }
}
