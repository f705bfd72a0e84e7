//! The folder where fetched files are kept.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{Entry, FetchError, HubFile, Kind, entry, lock::Lock};

/// The folder where fetched files are kept. Models of the catalog are `models/NAME.gguf`, files named by `hf:` are
/// `hub/OWNER/REPO/REVISION/FILE`, other files are in `assets/`. Beside `FILE` stand `FILE.json` (what was checked), and
/// while it is fetched `.FILE.lock` and what is here in part, `FILE.part-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// What [`resolve`](super::resolve) takes: a catalog name, or `hf:…`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// True where its checksum was right and it has not changed since.
    pub verified: bool,
}

/// What stands in `FILE.json`: the checksum was right when the file had this length and this time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    bytes: u64,
    modified_ns: u64,
    sha256: String,
}

impl Cache {
    /// The user's cache: `GLASSBOX_CACHE`, else `glassbox` in `XDG_CACHE_HOME`, else `~/.cache/glassbox`.
    ///
    /// # Errors
    /// [`FetchError::NoCacheFolder`] where none of them is known.
    pub fn from_env() -> Result<Self, FetchError> {
        Self::from_vars(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Result<Self, FetchError> {
        let var = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(root) = var("GLASSBOX_CACHE") {
            // Absolute, so that it stays the same folder when the process changes its own.
            return Ok(Self { root: std::path::absolute(&root).unwrap_or(root) });
        }
        // The XDG specification: a relative path is to be ignored.
        let base = var("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let base = base.or_else(|| home.filter(|h| !h.as_os_str().is_empty()).map(|home| home.join(".cache")));
        Ok(Self { root: base.ok_or(FetchError::NoCacheFolder)?.join("glassbox") })
    }

    /// A cache at `root`. The folder is made when something is fetched.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of `entry` is, or will be.
    pub fn path_of(&self, entry: &Entry) -> PathBuf {
        match entry.kind {
            Kind::Model => self.root.join("models").join(format!("{}.gguf", entry.name)),
            Kind::Asset => self.root.join("assets").join(entry.name),
        }
    }

    /// Where the file is, or will be.
    pub fn path_of_hub(&self, file: &HubFile) -> PathBuf {
        // A revision may hold slashes (`refs/pr/1`); as one folder it cannot be taken for a part of the file's path.
        self.root.join("hub").join(&file.repo).join(file.revision.replace('/', "+")).join(&file.file)
    }

    /// The file of the model `name` (a catalog name or `hf:…`), where it is here and checked. Reads no model bytes.
    pub fn locate(&self, name: &str) -> Option<PathBuf> {
        let (path, sha256) = self.place(name)?;
        self.is_verified(&path, sha256).then_some(path)
    }

    fn place(&self, name: &str) -> Option<(PathBuf, Option<&'static str>)> {
        if let Some(entry) = entry(name) {
            return Some((self.path_of(entry), Some(entry.sha256)));
        }
        let file: HubFile = name.strip_prefix("hf:")?.parse().ok()?;
        Some((self.path_of_hub(&file), None))
    }

    /// The models that are here, sorted by name.
    ///
    /// # Errors
    /// [`FetchError::Cache`] where a folder cannot be read. A cache that does not exist is empty.
    pub fn list(&self) -> Result<Vec<Cached>, FetchError> {
        let mut found = Vec::new();
        let models = self.root.join("models");
        for path in gguf_files(&models)? {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let sha256 = entry(&name).map(|e| e.sha256);
            found.push(self.cached(name, path, sha256));
        }
        let hub = self.root.join("hub");
        for path in gguf_files(&hub)? {
            let Some(name) = hub_name(&hub, &path) else { continue };
            found.push(self.cached(name, path, None));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn cached(&self, name: String, path: PathBuf, sha256: Option<&str>) -> Cached {
        let bytes = fs::metadata(&path).map(|m| m.len()).unwrap_or_default();
        let verified = self.is_verified(&path, sha256);
        Cached { name, path, bytes, verified }
    }

    /// Removes the model `name` and what was fetched of it halfway. Gives the bytes that were freed, 0 where there was
    /// nothing.
    ///
    /// # Errors
    /// [`FetchError::Busy`] while it is being fetched, [`FetchError::Cache`] where a file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<u64, FetchError> {
        // A file that was put into `models/` by hand is listed by its name, and can be removed by it.
        let path = match self.place(name) {
            Some((path, _)) => path,
            None if is_file_name(name) => self.root.join("models").join(format!("{name}.gguf")),
            None => return Ok(0),
        };
        let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return Ok(0) };
        let lock = Lock::take(&lock_path(&path))?;
        let _held = lock.ok_or_else(|| FetchError::Busy { name: name.to_owned() })?;
        let mut freed = 0;
        for beside in files_of(folder, &path)? {
            if beside.is_dir() {
                remove_folder(&beside)?;
                continue;
            }
            freed += fs::symlink_metadata(&beside).map(|m| m.len()).unwrap_or_default();
            remove(&beside)?;
        }
        Ok(freed)
    }

    /// Whether `path` was checked, and against `sha256` where that is given, and has not changed since.
    pub(crate) fn is_verified(&self, path: &Path, sha256: Option<&str>) -> bool {
        let Ok(text) = fs::read(marker_path(path)) else { return false };
        let Ok(marker) = serde_json::from_slice::<Marker>(&text) else { return false };
        let Ok((bytes, modified_ns)) = stamp(path) else { return false };
        marker.bytes == bytes && marker.modified_ns == modified_ns && sha256.is_none_or(|sha| sha == marker.sha256)
    }

    /// Notes that the file at `path` has this sha256.
    pub(crate) fn mark(&self, path: &Path, sha256: &str) -> Result<(), FetchError> {
        let failed = |source| FetchError::Cache { action: "note the checksum of", path: path.to_owned(), source };
        let (bytes, modified_ns) = stamp(path).map_err(failed)?;
        let marker = Marker { bytes, modified_ns, sha256: sha256.to_owned() };
        let text = serde_json::to_vec(&marker).map_err(|e| failed(e.into()))?;
        write_atomically(&marker_path(path), &text).map_err(failed)
    }
}

/// Length and time of change.
fn stamp(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

/// Makes the folder, for this user alone.
pub(crate) fn create_folder(path: &Path) -> Result<(), FetchError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| FetchError::Cache {
        action: "create the folder",
        path: path.to_owned(),
        source,
    })
}

/// Writes a small file whole or not at all.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = with_suffix(path, ".new");
    fs::write(&draft, bytes)?;
    fs::rename(&draft, path)
}

/// Removes a file that need not exist.
pub(crate) fn remove(path: &Path) -> Result<(), FetchError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FetchError::Cache { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes a folder and what is in it; it need not exist.
pub(crate) fn remove_folder(path: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FetchError::Cache { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// `path` with `suffix` after its whole name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.lock"))
}

fn marker_path(path: &Path) -> PathBuf {
    with_suffix(path, ".json")
}

/// The file and all that stands beside it on its behalf.
fn files_of(folder: &Path, path: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let failed = |source| FetchError::Cache { action: "read the folder", path: folder.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for item in fs::read_dir(folder).map_err(failed)? {
        let item = item.map_err(failed)?;
        let other = item.file_name().to_string_lossy().into_owned();
        let ours = other == name
            || other.strip_prefix(&name).is_some_and(|rest| rest.starts_with(".json") || rest.starts_with(".part-"));
        if ours {
            found.push(item.path());
        }
    }
    Ok(found)
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// `hf:OWNER/REPO/FILE@REVISION` of a file in the folder `hub`.
fn hub_name(hub: &Path, path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.strip_prefix(hub).ok()?.iter().map(|p| p.to_str()).collect::<Option<_>>()?;
    let [owner, repo, revision, file @ ..] = parts.as_slice() else { return None };
    let revision = revision.replace('+', "/");
    Some(HubFile { repo: format!("{owner}/{repo}"), revision, file: file.join("/") }.to_string())
}

/// All `.gguf` files below `folder`.
fn gguf_files(folder: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |source| FetchError::Cache { action: "read the folder", path: folder.clone(), source };
        let items = match fs::read_dir(&folder) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for item in items {
            let item = item.map_err(failed)?;
            if item.file_type().map_err(failed)?.is_dir() {
                folders.push(item.path());
            } else if item.path().extension().is_some_and(|e| e == "gguf") {
                found.push(item.path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
