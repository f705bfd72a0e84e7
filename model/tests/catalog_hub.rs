//! Fetching from the Hub, against servers that answer as it does.
#![cfg(feature = "fetch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::{fs, path::Path, time::Duration};

use glassbox_model::catalog::{Cache, FetchError, FetchEvent, Fetcher, HubSettings, Progress, Silent, SourceError};
use support::{
    breaking_server::{Break, BreakingServer},
    fetching::{Recorder, content, entry, hub_source, sha256},
};
use tokio::sync::Notify;
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{header, method, path},
};

fn fetcher(root: &Path, endpoint: &str) -> Fetcher {
    let mut hub = HubSettings::default();
    hub.endpoint = endpoint.to_owned();
    hub.reconnects = 2;
    // No Python: only the Hub is under test.
    Fetcher::new(Cache::at(root)).with_hub(hub).with_python("/nowhere/python3")
}

/// Serves a file with ranges, as the Hub does.
struct File {
    content: Vec<u8>,
    etag: String,
    ranges: bool,
}

impl Respond for File {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = |status| {
            let answer = ResponseTemplate::new(status).insert_header("x-repo-commit", "c0ffee");
            answer.insert_header("etag", format!("\"{}\"", self.etag))
        };
        let range = request.headers.get("range").unwrap().to_str().unwrap();
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let first: usize = first.parse().unwrap();
        let end = last.parse::<usize>().map_or(self.content.len(), |last| last + 1);
        if !self.ranges && end != 1 {
            return answer(200).set_body_bytes(self.content.clone());
        }
        let total = self.content.len();
        answer(206)
            .insert_header("content-range", format!("bytes {first}-{}/{total}", end - 1))
            .set_body_bytes(&self.content[first..end])
    }
}

async fn serve(file: File) -> MockServer {
    let server = MockServer::start().await;
    for revision in ["main", "c0ffee"] {
        let file = File { content: file.content.clone(), etag: file.etag.clone(), ranges: file.ranges };
        let at = format!("/own/repo/resolve/{revision}/dir/tiny.gguf");
        Mock::given(method("GET")).and(path(at)).respond_with(file).mount(&server).await;
    }
    server
}

#[tokio::test]
async fn a_whole_file_is_fetched_checked_and_then_at_hand() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let server = serve(File { content: content.clone(), etag: sha256(&content), ranges: true }).await;
    let fetcher = fetcher(dir.path(), &server.uri());
    let entry = entry(&content, vec![hub_source()]);
    let seen = Recorder::default();
    let file = fetcher.pull(&entry, &seen).await.unwrap();

    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(file, dir.path().join("models/tiny.gguf"));
    assert_eq!(seen.positions().last(), Some(&300_000));
    assert!(seen.positions().is_sorted());
    assert_eq!(seen.events().last(), Some(&FetchEvent::Done { path: file.clone() }));
    let left: Vec<_> = fs::read_dir(dir.path().join("models")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the file, its mark, its lock: {left:?}");

    drop(server);
    let again = Recorder::default();
    assert_eq!(fetcher.pull(&entry, &again).await.unwrap(), file);
    assert_eq!(again.events(), [], "nothing to do");

    // The mark is lost: the checksum is computed again, nothing is fetched.
    fs::remove_file(dir.path().join("models/tiny.gguf.json")).unwrap();
    fetcher.pull(&entry, &again).await.unwrap();
    assert_eq!(again.events(), [FetchEvent::Verifying, FetchEvent::Done { path: file }]);
}

#[tokio::test]
async fn a_lost_connection_goes_on_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let server = BreakingServer::start(content.clone(), Break::Close, 2, 100_000).await;
    let file = fetcher(dir.path(), &server.endpoint).pull(&entry(&content, vec![hub_source()]), &Silent).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(*server.asked.lock().unwrap(), [0, 100_000, 200_000]);
}

#[tokio::test]
async fn what_came_before_a_lost_connection_is_not_fetched_twice_by_the_next_pull() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let entry = entry(&content, vec![hub_source()]);
    let server = BreakingServer::start(content.clone(), Break::Close, 1, 120_000).await;
    let mut hub = HubSettings::default();
    hub.endpoint = server.endpoint.clone();
    hub.reconnects = 0;
    let once = fetcher(dir.path(), "").with_hub(hub);
    let error = once.pull(&entry, &Silent).await.unwrap_err();
    let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].error, SourceError::Lost { at: 120_000, total: 300_000, .. }), "{error}");
    assert!(error.hint().unwrap().contains("goes on where it stopped"));

    let seen = Recorder::default();
    let file = once.pull(&entry, &seen).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(*server.asked.lock().unwrap(), [0, 120_000]);
    assert_eq!(seen.positions().first(), Some(&120_000));
}

/// Tells when so many bytes are here.
struct Reached {
    bytes: u64,
    notify: Notify,
}

impl Progress for Reached {
    fn event(&self, event: FetchEvent) {
        if matches!(event, FetchEvent::Advanced { bytes } if bytes >= self.bytes) {
            self.notify.notify_one();
        }
    }
}

#[tokio::test]
async fn a_pull_that_is_cancelled_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let entry = entry(&content, vec![hub_source()]);
    let server = BreakingServer::start(content.clone(), Break::Hang, 1, 120_000).await;
    let fetcher = fetcher(dir.path(), &server.endpoint);
    let reached = Reached { bytes: 120_000, notify: Notify::new() };
    tokio::select! {
        result = fetcher.pull(&entry, &reached) => panic!("the server hangs: {result:?}"),
        () = reached.notify.notified() => {}
    }
    let file = fetcher.pull(&entry, &Silent).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(*server.asked.lock().unwrap(), [0, 120_000]);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let server = BreakingServer::start(content.clone(), Break::Hang, 1, 120_000).await;
    let mut hub = HubSettings::default();
    hub.endpoint = server.endpoint.clone();
    hub.idle_timeout = Duration::from_millis(200);
    let fetcher = fetcher(dir.path(), "").with_hub(hub);
    let file = fetcher.pull(&entry(&content, vec![hub_source()]), &Silent).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(*server.asked.lock().unwrap(), [0, 120_000]);
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_all_again() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(200_000);
    let entry = entry(&content, vec![hub_source()]);
    let server = serve(File { content: content.clone(), etag: "v1".into(), ranges: false }).await;
    // What an earlier pull of the same file left.
    let origin = format!("{}/own/repo/resolve/c0ffee/dir/tiny.gguf v1", server.uri());
    fs::create_dir_all(dir.path().join("models")).unwrap();
    fs::write(dir.path().join("models/tiny.gguf.part-hub"), &content[..50_000]).unwrap();
    let state = serde_json::json!({ "origin": origin, "steps": 0, "bytes": 0 });
    fs::write(dir.path().join("models/tiny.gguf.part-hub.json"), state.to_string()).unwrap();

    let seen = Recorder::default();
    let file = fetcher(dir.path(), &server.uri()).pull(&entry, &seen).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
    assert_eq!(seen.positions().first(), Some(&50_000), "it was taken up, and then started over");
}

#[tokio::test]
async fn another_file_under_the_same_name_is_refused_before_it_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = content(200_000);
    let mut other = wanted.clone();
    other[7] ^= 1;
    let server = serve(File { content: other.clone(), etag: sha256(&other), ranges: true }).await;
    let seen = Recorder::default();
    let result = fetcher(dir.path(), &server.uri()).pull(&entry(&wanted, vec![hub_source()]), &seen).await;
    let error = result.unwrap_err();
    let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].error, SourceError::Checksum { .. }), "{error}");
    assert!(seen.positions().is_empty(), "no byte was fetched");
    let said = format!("{:?}", seen.events());
    assert!(said.contains("SourceFailed") && said.contains(&sha256(&wanted)), "{said}");
}

#[tokio::test]
async fn a_file_with_a_wrong_checksum_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = content(200_000);
    let mut other = wanted.clone();
    other[7] ^= 1;
    // The etag is no sha256, so that the error is only seen when all is here.
    let server = serve(File { content: other, etag: "v1".into(), ranges: true }).await;
    let result = fetcher(dir.path(), &server.uri()).pull(&entry(&wanted, vec![hub_source()]), &Silent).await;
    let error = result.unwrap_err();
    let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].error, SourceError::Checksum { .. }), "{error}");
    assert!(!dir.path().join("models/tiny.gguf").exists() && !dir.path().join("models/tiny.gguf.part-hub").exists());
}

#[tokio::test]
async fn a_file_of_another_length_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(File { content: content(1000), etag: "v1".into(), ranges: true }).await;
    let result = fetcher(dir.path(), &server.uri()).pull(&entry(&content(999), vec![hub_source()]), &Silent).await;
    let error = result.unwrap_err();
    let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].error, SourceError::Length { expected: 999, actual: 1000 }), "{error}");
}

#[tokio::test]
async fn a_missing_file_and_a_private_one_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let entry = entry(&content(1000), vec![hub_source()]);
    for (status, hint) in [(404, "--model PATH"), (401, "HF_TOKEN"), (403, "HF_TOKEN")] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let error = fetcher(dir.path(), &server.uri()).pull(&entry, &Silent).await.unwrap_err();
        let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
        match (status, &failures[0].error) {
            (404, SourceError::Missing { .. }) => {}
            (401 | 403, SourceError::Login { status: told, .. }) => assert_eq!(*told, status),
            _ => panic!("{error}"),
        }
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        assert!(error.to_string().contains("dir/tiny.gguf"), "{error}");
    }
}

#[tokio::test]
async fn the_token_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(1000);
    let server = MockServer::start().await;
    let file = File { content: content.clone(), etag: "v1".into(), ranges: true };
    let private = Mock::given(method("GET")).and(header("authorization", "Bearer hf_secret"));
    private.respond_with(file).mount(&server).await;
    let mut hub = HubSettings::default();
    hub.endpoint = server.uri();
    hub.token = Some("hf_secret".into());
    assert!(!format!("{hub:?}").contains("hf_secret"), "a token is not for logs");
    let fetcher = fetcher(dir.path(), "").with_hub(hub);
    let file = fetcher.pull(&entry(&content, vec![hub_source()]), &Silent).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), content);
}

#[tokio::test]
async fn a_hub_file_that_is_in_no_catalog_is_checked_against_what_the_hub_says() {
    let dir = tempfile::tempdir().unwrap();
    let right = content(1000);
    let server = serve(File { content: right.clone(), etag: sha256(&right), ranges: true }).await;
    let fetcher_ = fetcher(dir.path(), &server.uri());
    let seen = Recorder::default();
    let file = fetcher_.resolve("hf:own/repo/dir/tiny.gguf", &seen).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), right);
    assert!(seen.events().iter().any(|e| matches!(e, FetchEvent::Started { total_bytes: Some(1000), .. })));
    assert_eq!(fetcher_.cache().locate("hf:own/repo/dir/tiny.gguf"), Some(file));
    assert_eq!(fetcher_.cache().list().unwrap()[0].name, "hf:own/repo/dir/tiny.gguf");

    let dir = tempfile::tempdir().unwrap();
    let server = serve(File { content: right, etag: sha256(b"another"), ranges: true }).await;
    let error = fetcher(dir.path(), &server.uri()).resolve("hf:own/repo/dir/tiny.gguf", &Silent).await.unwrap_err();
    assert!(error.to_string().contains("sha256"), "{error}");
}

#[tokio::test]
async fn a_closed_network_is_known_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // A port that was just given back: nobody listens.
    let endpoint = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let entry = entry(&content(1000), vec![hub_source()]);
    let fetcher = fetcher(dir.path(), &endpoint);
    let pulled = tokio::time::timeout(Duration::from_secs(20), fetcher.pull(&entry, &Silent));
    let error = pulled.await.expect("no waiting").unwrap_err();
    let FetchError::NoSource { failures, .. } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--model PATH"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_fills_up_is_told_and_the_next_pull_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    let server = serve(File { content: content.clone(), etag: "v1".into(), ranges: true }).await;
    let entry = entry(&content, vec![hub_source()]);
    let part = dir.path().join("models/tiny.gguf.part-hub");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    // Every write to /dev/full fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let fetcher = fetcher(dir.path(), &server.uri());
    let error = fetcher.pull(&entry, &Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { missing: 300_000, .. }), "{error}");
    assert!(error.hint().unwrap().contains("GLASSBOX_CACHE"));

    fs::remove_file(&part).unwrap();
    fs::write(&part, &content[..100_000]).unwrap();
    let seen = Recorder::default();
    assert_eq!(fs::read(fetcher.pull(&entry, &seen).await.unwrap()).unwrap(), content);
    assert_eq!(seen.positions().first(), Some(&100_000));
}
