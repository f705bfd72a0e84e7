//! A saved state as bytes: a magic word, the length of a header in JSON, the header, the pages, the contents of the files,
//! and a sha256 of all that. Numbers are little-endian.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::InterpreterError;

use super::folder::SandboxPath;
use super::pages::PAGE;
use super::saved::{Saved, SavedMemory, bad};
use super::saved_files::{Kind, SavedFile, SavedFiles};

const MAGIC: &[u8; 16] = b"glassbox state 1";
const DIGEST: usize = 32;
/// WebAssembly's own unit of memory.
const WASM_PAGE: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Header {
    base: String,
    clock_ns: u64,
    cells: u32,
    told: Option<String>,
    memory: u64,
    /// Runs of pages: the first, and how many.
    pages: Vec<(u32, u32)>,
    files: Vec<FileHeader>,
}

#[derive(Serialize, Deserialize)]
struct FileHeader {
    path: String,
    #[serde(flatten)]
    kind: KindHeader,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum KindHeader {
    Folder,
    Link { target: String },
    File { bytes: u64 },
}

/// The bytes of a state.
pub(super) fn write(saved: &Saved) -> Result<Vec<u8>, InterpreterError> {
    let files = saved.files.0.iter().map(|file| FileHeader {
        path: file.path.clone(),
        kind: match &file.kind {
            Kind::Folder => KindHeader::Folder,
            Kind::Link(target) => KindHeader::Link { target: target.clone() },
            Kind::File(data) => KindHeader::File { bytes: data.len() as u64 },
        },
    });
    let header = Header {
        base: saved.base.clone(),
        clock_ns: u64::try_from(saved.clock.as_nanos()).unwrap_or(u64::MAX),
        cells: saved.cells,
        told: saved.told.clone(),
        memory: saved.memory.bytes,
        pages: runs(&saved.memory.numbers),
        files: files.collect(),
    };
    let header = serde_json::to_vec(&header).map_err(InterpreterError::backend)?;
    let length = u32::try_from(header.len()).map_err(InterpreterError::backend)?;
    let mut bytes = Vec::with_capacity(saved.memory.pages.len().saturating_add(header.len()).saturating_add(4096));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&saved.memory.pages);
    for file in &saved.files.0 {
        if let Kind::File(data) = &file.kind {
            bytes.extend_from_slice(data);
        }
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// Reads a state. What is damaged, or was never one, is an error.
pub(super) fn read(bytes: &[u8]) -> Result<Saved, InterpreterError> {
    let damaged = || bad("it is damaged");
    let (body, digest) =
        bytes.len().checked_sub(DIGEST).and_then(|end| bytes.split_at_checked(end)).ok_or_else(damaged)?;
    let rest = body.strip_prefix(MAGIC).ok_or_else(|| bad("it is none of this version's"))?;
    if Sha256::digest(body).as_slice() != digest {
        return Err(damaged());
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (header, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| bad(format!("its header: {error}")))?;
    if !header.memory.is_multiple_of(WASM_PAGE) {
        return Err(damaged());
    }
    let numbers = numbers(&header.pages, header.memory).ok_or_else(damaged)?;
    let (pages, mut rest) =
        numbers.len().checked_mul(PAGE).and_then(|end| rest.split_at_checked(end)).ok_or_else(damaged)?;
    let mut files = Vec::new();
    for file in header.files {
        SandboxPath::new(&file.path).map_err(|error| bad(error.to_string()))?;
        let kind = match file.kind {
            KindHeader::Folder => Kind::Folder,
            KindHeader::Link { target } => Kind::Link(target),
            KindHeader::File { bytes } => {
                let length = usize::try_from(bytes).map_err(|_| damaged())?;
                let (data, further) = rest.split_at_checked(length).ok_or_else(damaged)?;
                rest = further;
                Kind::File(data.into())
            }
        };
        files.push(SavedFile::new(file.path, kind));
    }
    if !rest.is_empty() {
        return Err(damaged());
    }
    let memory = SavedMemory { bytes: header.memory, numbers, pages: pages.to_vec() };
    let clock = Duration::from_nanos(header.clock_ns);
    Ok(Saved { base: header.base, clock, cells: header.cells, told: header.told, memory, files: SavedFiles(files) })
}

fn runs(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(*number) => *count = count.saturating_add(1),
            _ => runs.push((*number, 1)),
        }
    }
    runs
}

/// The pages of `runs`, where they rise and lie in a memory of so many bytes.
fn numbers(runs: &[(u32, u32)], memory: u64) -> Option<Vec<u32>> {
    let (mut numbers, mut next) = (Vec::new(), 0_u32);
    for (first, count) in runs {
        let end = first.checked_add(*count)?;
        if *first < next || u64::from(end).checked_mul(PAGE as u64)? > memory {
            return None;
        }
        numbers.extend(*first..end);
        next = end;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn saved(pages: &[u32]) -> Saved {
        let memory = SavedMemory {
            bytes: 128 << 10,
            numbers: pages.to_vec(),
            pages: pages.iter().flat_map(|page| [u8::try_from(*page).unwrap(); PAGE]).collect(),
        };
        let files = [
            SavedFile::new("/tmp/a".into(), Kind::Folder),
            SavedFile::new("/tmp/a/b".into(), Kind::File(b"text".as_slice().into())),
            SavedFile::new("/mnt/data/c".into(), Kind::Link("/etc".into())),
        ];
        let clock = Duration::from_millis(1500);
        Saved { base: "b".into(), clock, cells: 3, told: None, memory, files: SavedFiles(files.to_vec()) }
    }

    #[test]
    fn what_is_written_is_read() {
        let saved = saved(&[0, 1, 2, 7, 31]);
        let read = read(&write(&saved).unwrap()).unwrap();
        assert_eq!((read.base, read.clock, read.cells, read.memory), (saved.base, saved.clock, 3, saved.memory));
        let parts = |files: &SavedFiles| files.0.iter().map(|f| (f.path.clone(), f.kind.clone())).collect::<Vec<_>>();
        assert_eq!(parts(&read.files), parts(&saved.files));
    }

    #[test]
    fn pages_outside_the_memory_are_refused() {
        assert!(read(&write(&saved(&[31])).unwrap()).is_ok());
        assert!(read(&write(&saved(&[32])).unwrap()).is_err());
        assert!(read(&write(&saved(&[3, 2])).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_no_panic(bytes: Vec<u8>, header: Vec<u8>) {
            prop_assert!(read(&bytes).is_err());
            // With a right digest over wrong bytes.
            let mut body = MAGIC.to_vec();
            body.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
            body.extend_from_slice(&header);
            body.extend_from_slice(&bytes);
            let digest = Sha256::digest(&body);
            body.extend_from_slice(&digest);
            prop_assert!(read(&body).is_err());
        }

        #[test]
        fn one_changed_byte_is_an_error(at in 0_usize..12_000, by in 1_u8..) {
            let mut bytes = write(&saved(&[1, 2])).unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
                prop_assert!(read(&bytes).is_err());
            }
        }
    }
}
