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
    let numbers = numbers(&header.pages, header.memory, rest.len() / PAGE).ok_or_else(damaged)?;
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

/// The pages of `runs`, where they rise, lie in a memory of so many bytes, and are not more than `most`: a few bytes of
/// header can name as many as there are numbers.
fn numbers(runs: &[(u32, u32)], memory: u64, most: usize) -> Option<Vec<u32>> {
    let (mut numbers, mut next) = (Vec::new(), 0_u32);
    for (first, count) in runs {
        let end = first.checked_add(*count)?;
        if *first < next || u64::from(end).checked_mul(PAGE as u64)? > memory {
            return None;
        }
        if numbers.len().checked_add(*count as usize)? > most {
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
    use crate::fuzz::{changed, changes, edited, edits};

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

    /// A state of this header and these contents, with a right length and a right digest.
    fn sealed(header: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        body.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
        body.extend_from_slice(header);
        body.extend_from_slice(contents);
        let digest = Sha256::digest(&body);
        body.extend_from_slice(&digest);
        body
    }

    /// The header and the contents of a valid one.
    fn opened() -> (serde_json::Value, Vec<u8>) {
        let bytes = write(&saved(&[1, 2, 7])).unwrap();
        let (head, rest) = bytes[MAGIC.len()..bytes.len() - DIGEST].split_at(4);
        let (header, contents) = rest.split_at(u32::from_le_bytes(head.try_into().unwrap()) as usize);
        (serde_json::from_slice(header).unwrap(), contents.to_vec())
    }

    #[test]
    fn a_header_that_names_more_pages_than_there_are_takes_no_memory() {
        let (mut header, contents) = opened();
        header["memory"] = (1_u64 << 44).into();
        header["pages"] = serde_json::json!([[0, u32::MAX]]);
        assert!(read(&sealed(header.to_string().as_bytes(), &contents)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn a_tampered_state_with_a_right_digest_is_whole_or_an_error(
            edits in edits(), header_changes in changes(), changes in changes(),
        ) {
            let (header, contents) = opened();
            let header = changed(edited(&header, &edits).to_string().as_bytes(), &header_changes);
            let Ok(read) = read(&sealed(&header, &changed(&contents, &changes))) else { return Ok(()) };
            // What was read can be put back: each page is there, in order, and inside the memory.
            let memory = &read.memory;
            prop_assert_eq!(memory.pages.len(), memory.numbers.len() * PAGE);
            prop_assert!(memory.numbers.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(memory.numbers.last().is_none_or(|last| (u64::from(*last) + 1) * PAGE as u64 <= memory.bytes));
            prop_assert!(read.files.0.iter().all(|file| SandboxPath::new(&file.path).is_ok()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_no_panic(bytes: Vec<u8>, header: Vec<u8>) {
            prop_assert!(read(&bytes).is_err());
            // With a right digest over wrong bytes.
            prop_assert!(read(&sealed(&header, &bytes)).is_err());
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
