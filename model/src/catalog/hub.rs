//! The Hugging Face Hub.
//!
//! hf-hub knows the Hub's addresses, logins and metadata (which commit a branch is at, how long a file is, its sha256);
//! the bytes themselves are read here. hf-hub's own download writes into its own cache, where the file would lie a second
//! time, and it waits without limit on a network that swallows packets; here a lost connection goes on with a ranged
//! request, into the part beside the target.

use std::{error::Error as _, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use hf_hub::{
    Repo, RepoType,
    api::tokio::{Api, ApiBuilder, ApiError, ApiRepo, Metadata},
};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_RANGE, RANGE},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    FetchError, FetchEvent, HubFile, SourceError,
    job::{Failure, Fetched, HUB, Job, lost_thread},
    lock::Lock,
    part::{Part, Resume},
};

/// How the Hub is reached.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubSettings {
    /// Where it is. Default `https://huggingface.co`.
    pub endpoint: String,
    /// Who we are; private and gated repositories need it. Default none.
    pub token: Option<String>,
    /// How long a connection may take to come about. Default 5 s, so that a machine without a route to the Hub soon
    /// tries the next source.
    pub connect_timeout: Duration,
    /// How long the Hub may say nothing in the middle of an answer. Default 30 s.
    pub idle_timeout: Duration,
    /// How often a lost connection is made again before new bytes come. Default 4.
    pub reconnects: u32,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".into(),
            token: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            reconnects: 4,
        }
    }
}

impl HubSettings {
    /// `HF_ENDPOINT` and `HF_TOKEN`; where that is not set, the token of `huggingface-cli login` (in `HF_HOME`).
    pub fn from_env() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut settings = Self::default();
        if let Some(endpoint) = set("HF_ENDPOINT") {
            settings.endpoint = endpoint.trim_end_matches('/').to_owned();
        }
        settings.token = set("HF_TOKEN").or_else(|| hf_hub::Cache::from_env().token());
        settings
    }
}

/// Without the token.
impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings").field("endpoint", &self.endpoint).field("token", &self.token.is_some()).finish()
    }
}

/// Fetches `file`.
pub(crate) async fn fetch(settings: &HubSettings, job: &Job<'_>, file: &HubFile) -> Result<Fetched, Failure> {
    let client = Client::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .user_agent(concat!("glassbox/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unreachable(settings, &error))?;
    // hf-hub sets no timeouts: see first, with ours, whether anybody is there.
    let hello = client.head(&settings.endpoint).timeout(settings.connect_timeout * 2).send().await;
    hello.map_err(|error| unreachable(settings, &error))?;

    let api = api(settings)?;
    let branch = repo(&api, file, &file.revision);
    let url = branch.url(&file.file);
    let metadata = metadata(settings, &api, &url).await?;
    let total = metadata.size() as u64;
    // For a large file the Hub's etag is its sha256: another file is known as such before it is fetched.
    let stated = Some(metadata.etag().to_ascii_lowercase()).filter(|etag| is_sha256(etag));
    if let Some(expected) = job.bytes.filter(|expected| *expected != total) {
        return Err(SourceError::Length { expected, actual: total }.into());
    }
    if let (Some(expected), Some(actual)) = (job.sha256, &stated)
        && expected != actual
    {
        return Err(SourceError::Checksum { expected: expected.to_owned(), actual: actual.clone() }.into());
    }
    if job.bytes.is_none() {
        let source = file.to_string();
        job.progress.event(FetchEvent::Started { what: job.what.clone(), source, total_bytes: Some(total) });
    }

    // By commit, so that what is continued later is the same file.
    let url = repo(&api, file, metadata.commit_hash()).url(&file.file);
    let origin = format!("{url} {}", metadata.etag());
    let part = Part::open(&job.part_path(HUB), &origin, total, Resume::AtEnd)?;
    job.progress.event(FetchEvent::Advanced { bytes: part.len() });
    let part = Download { client: &client, settings, url: &url, total, job }.run(part).await?;
    Ok(Fetched { part, sha256: stated })
}

fn api(settings: &HubSettings) -> Result<Api, SourceError> {
    let builder = ApiBuilder::new().with_endpoint(settings.endpoint.clone()).with_token(settings.token.clone());
    builder.with_progress(false).build().map_err(|error| answer(&settings.endpoint, error.to_string()))
}

fn repo(api: &Api, file: &HubFile, revision: &str) -> ApiRepo {
    api.repo(Repo::with_revision(file.repo.clone(), RepoType::Model, revision.to_owned()))
}

async fn metadata(settings: &HubSettings, api: &Api, url: &str) -> Result<Metadata, SourceError> {
    // hf-hub unwraps a header that a redirecting server may leave out: a panic there is an odd answer, not our end.
    let asked = AssertUnwindSafe(api.metadata(url)).catch_unwind();
    let Ok(asked) = tokio::time::timeout(settings.idle_timeout, asked).await else {
        let problem = format!("no answer within {} s", settings.idle_timeout.as_secs());
        return Err(SourceError::Unreachable { host: settings.endpoint.clone(), problem });
    };
    match asked {
        Ok(Ok(metadata)) => Ok(metadata),
        Ok(Err(ApiError::RequestError(error))) => Err(match error.status() {
            Some(status) => http(url, status),
            None => unreachable(settings, &error),
        }),
        Ok(Err(error)) => Err(answer(url, error.to_string())),
        Err(_panic) => Err(answer(url, "it redirects to nowhere".into())),
    }
}

/// The bytes of one file.
struct Download<'a> {
    client: &'a Client,
    settings: &'a HubSettings,
    url: &'a str,
    total: u64,
    job: &'a Job<'a>,
}

/// Why a stream of bytes ended early.
enum Broken {
    /// Try again.
    Connection(String),
    /// Do not.
    Final(Failure),
}

impl Download<'_> {
    /// Fills `part` to its end.
    async fn run(&self, part: Part) -> Result<Part, Failure> {
        let mut at = part.len();
        let mut writer = Writer::start(part, Arc::clone(&self.job.lock));
        let mut tries = 0;
        while at < self.total {
            let before = at;
            let Err(broken) = self.stream(&mut writer, &mut at).await else { continue };
            let problem = match broken {
                Broken::Connection(problem) => problem,
                Broken::Final(failure) => {
                    // The writer's own error says more than "it is gone".
                    writer.end().await?;
                    return Err(failure);
                }
            };
            tries = if at > before { 1 } else { tries + 1 };
            if tries > self.settings.reconnects {
                writer.end().await?;
                return Err(SourceError::Lost { at, total: self.total, problem }.into());
            }
            tracing::info!(url = self.url, at, problem, "the connection was lost; connecting again");
            // A server that was just restarted is not there at once: 0.25 s, 0.5 s, 1 s, …
            tokio::time::sleep(Duration::from_millis(125) * 2u32.saturating_pow(tries)).await;
        }
        Ok(writer.end().await?)
    }

    /// One request: bytes from `at` on, until the end or until the connection breaks.
    async fn stream(&self, writer: &mut Writer, at: &mut u64) -> Result<(), Broken> {
        let mut request = self.client.get(self.url).header(RANGE, format!("bytes={at}-"));
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token);
        }
        let lost = |error: reqwest::Error| Broken::Connection(causes(&error));
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        match status {
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
                if range.is_none_or(|range| !range.starts_with(&format!("bytes {at}-"))) {
                    let problem = format!("asked for bytes from {at}, it sends {}", range.unwrap_or("others"));
                    return Err(Broken::Final(answer(self.url, problem).into()));
                }
            }
            // The server does not know ranges and sends the whole file.
            StatusCode::OK => {
                writer.send(Chunk::Restart).await?;
                *at = 0;
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Broken::Connection(format!("HTTP {}", status.as_u16())));
            }
            _ => return Err(Broken::Final(http(self.url, status).into())),
        }
        while let Some(bytes) = response.chunk().await.map_err(lost)? {
            let new = *at + bytes.len() as u64;
            if new > self.total {
                let error = SourceError::Length { expected: self.total, actual: new };
                return Err(Broken::Final(error.into()));
            }
            writer.send(Chunk::Bytes(bytes.into())).await?;
            *at = new;
            self.job.progress.event(FetchEvent::Advanced { bytes: new });
        }
        if *at < self.total {
            return Err(Broken::Connection("the server closed it".into()));
        }
        Ok(())
    }
}

/// A thread that writes the part, so that a slow disk stops nothing else. It ends when the download does, or is dropped.
struct Writer {
    chunks: mpsc::Sender<Chunk>,
    thread: JoinHandle<Result<Part, FetchError>>,
    path: std::path::PathBuf,
}

enum Chunk {
    Bytes(Vec<u8>),
    Restart,
}

impl Writer {
    fn start(mut part: Part, lock: Arc<Lock>) -> Self {
        let path = part.path().to_owned();
        // A few chunks ahead: enough to keep both sides busy, little enough to stay small.
        let (chunks, mut incoming) = mpsc::channel(16);
        let thread = tokio::task::spawn_blocking(move || {
            let _held = lock;
            while let Some(chunk) = incoming.blocking_recv() {
                match chunk {
                    Chunk::Bytes(bytes) => part.write(&bytes)?,
                    Chunk::Restart => part.restart()?,
                }
            }
            Ok(part)
        });
        Self { chunks, thread, path }
    }

    async fn send(&self, chunk: Chunk) -> Result<(), Broken> {
        let gone = || std::io::Error::other("the writer is gone");
        self.chunks.send(chunk).await.map_err(|_| {
            Broken::Final(FetchError::Cache { action: "write", path: self.path.clone(), source: gone() }.into())
        })
    }

    /// Waits until all is written.
    async fn end(self) -> Result<Part, FetchError> {
        drop(self.chunks);
        self.thread.await.map_err(|error| lost_thread(&self.path, error))?
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn http(url: &str, status: StatusCode) -> SourceError {
    let url = url.to_owned();
    match status.as_u16() {
        status @ (401 | 403) => SourceError::Login { url, status },
        404 => SourceError::Missing { url },
        status => SourceError::Http { url, status },
    }
}

fn answer(url: &str, problem: String) -> SourceError {
    SourceError::Answer { url: url.to_owned(), problem }
}

fn unreachable(settings: &HubSettings, error: &reqwest::Error) -> SourceError {
    SourceError::Unreachable { host: settings.endpoint.clone(), problem: causes(error) }
}

/// What went wrong at the bottom of `error`: reqwest's own message says only that a request failed.
fn causes(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    let mut source = error.source();
    while let Some(error) = source {
        deepest = error;
        source = error.source();
    }
    if error.is_timeout() { format!("timed out ({deepest})") } else { deepest.to_string() }
}
