//! A session's folder on the host, and the host's own way into it.
//!
//! A program may have put symbolic links anywhere in it, and may be changing it right now. The host reads it with this
//! user's rights, so it never follows a link: every path is walked one folder at a time with `O_NOFOLLOW`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, mkdirat, openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::{FileInfo, InterpreterError, Limits, sweep};

/// The folders that a program may write, and their names on the host.
pub(crate) const FOLDERS: [(&str, &str); 2] = [("/mnt/data", "data"), ("/tmp", "tmp")];
/// A folder with nothing in it, which stands in the place of one that a sandbox does not have.
const EMPTY: &str = "empty";
/// How deep folders are looked into. Deeper ones count as a full disk.
const MAX_DEPTH: usize = 64;

/// A session's folder. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: TempDir,
    root: OwnedFd,
}

/// What lies in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Bytes of files, and of the names of links.
    pub(crate) bytes: u64,
    /// Files, folders and links.
    pub(crate) files: u32,
}

/// Something that lies in it.
pub(crate) struct Item {
    /// As a program names it.
    pub(crate) path: String,
    pub(crate) kind: FileType,
    pub(crate) stat: rustix::fs::Stat,
}

impl Folder {
    /// A new one, for this user alone.
    pub(crate) fn new() -> std::io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    /// A new one below `root`.
    pub(crate) fn new_in(root: &Path) -> std::io::Result<Self> {
        sweep::once(root);
        let dir = tempfile::Builder::new().prefix(sweep::PREFIX).tempdir_in(root)?;
        for name in FOLDERS.map(|(_, name)| name).into_iter().chain([EMPTY]) {
            std::fs::create_dir(dir.path().join(name))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir.path(), flags, Mode::empty())?;
        sweep::hold(&root)?;
        Ok(Self { dir, root })
    }

    /// Where the folder of this name lies on the host.
    pub(crate) fn host_path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// A folder on the host with nothing in it.
    pub(crate) fn empty(&self) -> std::path::PathBuf {
        self.host_path(EMPTY)
    }

    /// Empties it.
    pub(crate) fn clear(&self) -> std::io::Result<()> {
        for (_, name) in FOLDERS {
            // Not the folder itself: an instance holds it open.
            for item in std::fs::read_dir(self.host_path(name))? {
                let item = item?;
                // `remove_dir_all` follows no links.
                if item.file_type()?.is_dir() {
                    std::fs::remove_dir_all(item.path())?;
                } else {
                    std::fs::remove_file(item.path())?;
                }
            }
        }
        Ok(())
    }

    /// Writes a file, replacing what has its name, and makes the folders it lies in.
    pub(crate) fn put(&self, path: &SandboxPath, data: &[u8]) -> Result<(), InterpreterError> {
        let (folder, last) = self.make_parent(path)?;
        // Under another name first: what has the name may be a link, or open.
        let draft = format!(".put-{:016x}", chance());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made =
            openat(&folder, draft.as_str(), flags, Mode::RUSR | Mode::WUSR).map_err(|error| path.failed(error))?;
        let written = File::from(made).write_all(data).map_err(InterpreterError::backend);
        let done =
            written.and_then(|()| renameat(&folder, draft.as_str(), &folder, last).map_err(|error| path.failed(error)));
        if done.is_err() {
            let _ = unlinkat(&folder, draft.as_str(), AtFlags::empty());
        }
        done
    }

    /// [`Folder::put`] where that passes neither the limit of bytes nor that of files.
    pub(crate) fn put_within(&self, path: &SandboxPath, data: &[u8], limits: &Limits) -> Result<(), InterpreterError> {
        let used = self.usage().map_err(InterpreterError::backend)?;
        if used.bytes.saturating_add(data.len() as u64) > limits.disk {
            let limit = format!("{} bytes of files", limits.disk);
            return Err(InterpreterError::Limit { what: format!("a file of {} bytes", data.len()), limit });
        }
        if used.files >= limits.files {
            let limit = format!("{} files and folders", limits.files);
            return Err(InterpreterError::Limit { what: "one more file".to_owned(), limit });
        }
        self.put(path, data)
    }

    /// Reads a file of at most `limit` bytes.
    pub(crate) fn get(&self, path: &SandboxPath, limit: u64) -> Result<Vec<u8>, InterpreterError> {
        let (folder, last) = self.open_parent(path)?;
        // Without blocking: nothing here can be a pipe, but nothing would be gained by waiting for one.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&folder, last, flags, Mode::empty()).map_err(|error| path.failed(error))?);
        let metadata = file.metadata().map_err(InterpreterError::backend)?;
        if !metadata.is_file() {
            return Err(path.bad("it is not a file"));
        }
        let too_long = || InterpreterError::Limit { what: path.text.clone(), limit: format!("{limit} bytes") };
        if metadata.len() > limit {
            return Err(too_long());
        }
        let mut data = Vec::new();
        // It may grow while it is read.
        file.take(limit.saturating_add(1)).read_to_end(&mut data).map_err(InterpreterError::backend)?;
        if data.len() as u64 > limit { Err(too_long()) } else { Ok(data) }
    }

    /// Makes a folder, where it is not there.
    pub(crate) fn make_folder(&self, path: &SandboxPath) -> Result<(), InterpreterError> {
        let (folder, last) = self.make_parent(path)?;
        make_folder(folder.as_fd(), last).map_err(|error| path.failed(error))
    }

    /// Where a link leads.
    pub(crate) fn link(&self, path: &SandboxPath) -> Result<String, InterpreterError> {
        let (folder, last) = self.open_parent(path)?;
        let target = readlinkat(&folder, last, Vec::new()).map_err(|error| path.failed(error))?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// Makes a link.
    pub(crate) fn make_link(&self, path: &SandboxPath, target: &str) -> Result<(), InterpreterError> {
        let (folder, last) = self.make_parent(path)?;
        symlinkat(target, &folder, last).map_err(|error| path.failed(error))
    }

    fn open_parent<'a>(&self, path: &'a SandboxPath) -> Result<(OwnedFd, &'a str), InterpreterError> {
        self.parent(path, |_, _| Ok(()))
    }

    fn make_parent<'a>(&self, path: &'a SandboxPath) -> Result<(OwnedFd, &'a str), InterpreterError> {
        self.parent(path, make_folder)
    }

    /// The folder that something lies in, opened, and its name there. `visit` sees each folder before it is opened.
    fn parent<'a>(
        &self,
        path: &'a SandboxPath,
        visit: impl Fn(BorrowedFd<'_>, &str) -> Result<(), Errno>,
    ) -> Result<(OwnedFd, &'a str), InterpreterError> {
        let failed = |error| path.failed(error);
        let (last, folders) = path.parts.split_last().ok_or_else(|| path.bad("it names no file"))?;
        let mut folder = open_folder(self.root.as_fd(), path.top).map_err(failed)?;
        for name in folders {
            visit(folder.as_fd(), name).map_err(failed)?;
            folder = open_folder(folder.as_fd(), name).map_err(failed)?;
        }
        Ok((folder, last))
    }

    /// Its files, in order of their paths; those in folders deeper than anyone looks are left out.
    pub(crate) fn list(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        let mut files = Vec::new();
        let walked = self.walk(&mut |item| {
            if item.kind == FileType::RegularFile {
                let stat = &item.stat;
                // A program cannot set the time of change.
                let version = format!("{}-{}.{}", stat.st_ino, stat.st_ctime, stat.st_ctime_nsec);
                files.push(FileInfo {
                    path: item.path,
                    bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                    version,
                });
            }
        });
        walked.map_err(InterpreterError::backend)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// What lies in it. More than any limit where it is too deep to be looked at.
    pub(crate) fn usage(&self) -> std::io::Result<Usage> {
        let mut usage = Usage::default();
        let whole = self.walk(&mut |item| {
            usage.files = usage.files.saturating_add(1);
            if item.kind != FileType::Directory {
                usage.bytes = usage.bytes.saturating_add(u64::try_from(item.stat.st_size).unwrap_or_default());
            }
        })?;
        Ok(if whole { usage } else { Usage { bytes: u64::MAX, files: u32::MAX } })
    }

    /// Goes through all that lies in it; false where it is too deep.
    pub(crate) fn walk(&self, each: &mut dyn FnMut(Item)) -> std::io::Result<bool> {
        let mut whole = true;
        for (path, name) in FOLDERS {
            let folder = open_folder(self.root.as_fd(), name)?;
            whole &= walk(folder.as_fd(), path, MAX_DEPTH, each)?;
        }
        Ok(whole)
    }
}

fn make_folder(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        done => done,
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn walk(folder: BorrowedFd<'_>, path: &str, depth: usize, each: &mut dyn FnMut(Item)) -> Result<bool, Errno> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(false) };
    let mut whole = true;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // What is gone or another thing by now is not there.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let path = format!("{path}/{}", name.to_string_lossy());
        if kind == FileType::Directory
            && let Ok(inner) = openat(
                folder,
                name,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
        {
            whole &= walk(inner.as_fd(), &path, depth, each)?;
        }
        each(Item { path, kind, stat });
    }
    Ok(whole)
}

/// A path inside the sandbox that lies in one of the session's folders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SandboxPath {
    /// As a program names it.
    text: String,
    top: &'static str,
    parts: Vec<String>,
}

impl SandboxPath {
    /// Reads one; a relative path is one below `/mnt/data`.
    pub(crate) fn new(text: &str) -> Result<Self, InterpreterError> {
        let bad = |problem: &'static str| InterpreterError::BadPath { path: text.to_owned(), problem: problem.into() };
        let (top, rest) = if Path::new(text).is_absolute() {
            let inside = |folder: &str| text.strip_prefix(folder)?.strip_prefix('/');
            let found = FOLDERS.iter().find_map(|(path, name)| inside(path).map(|rest| (*name, rest)));
            found.ok_or_else(|| bad("it lies neither below /mnt/data nor below /tmp"))?
        } else {
            ("data", text)
        };
        let parts: Vec<String> = rest.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
        if parts.iter().any(|part| part == "..") {
            return Err(bad("it goes up with `..`"));
        }
        if parts.is_empty() || rest.ends_with('/') {
            return Err(bad("it names no file"));
        }
        if text.contains('\0') || parts.iter().any(|part| part.len() > 255) || parts.len() >= MAX_DEPTH {
            return Err(bad("no file can have this name"));
        }
        let path = FOLDERS.iter().find_map(|(path, name)| (*name == top).then_some(*path)).unwrap_or_default();
        Ok(Self { text: format!("{path}/{}", parts.join("/")), top, parts })
    }

    /// As a program names it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names below the folder of `FOLDERS` that it lies in, and that folder as a program names it.
    pub(crate) fn names(&self) -> (&'static str, &[String]) {
        let top = FOLDERS.iter().find_map(|(path, name)| (*name == self.top).then_some(*path)).unwrap_or_default();
        (top, &self.parts)
    }

    pub(crate) fn bad(&self, problem: &'static str) -> InterpreterError {
        InterpreterError::BadPath { path: self.text.clone(), problem: problem.into() }
    }

    fn failed(&self, error: Errno) -> InterpreterError {
        match error {
            Errno::NOENT => InterpreterError::NoFile { path: self.text.clone() },
            Errno::LOOP => self.bad("it is a symbolic link, which the host does not follow"),
            Errno::NOTDIR => self.bad("one of its folders is a file or a symbolic link"),
            Errno::ISDIR | Errno::NOTEMPTY => self.bad("a folder has this name"),
            other => InterpreterError::backend(format!("{}: {other}", self.text)),
        }
    }
}

/// A number that nobody guesses.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::Instant::now())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
