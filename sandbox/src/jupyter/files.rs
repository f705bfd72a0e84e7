//! Files of a session that are files of this machine. The program that wrote them may be hostile: a path is walked one
//! name at a time through open folders, links are never followed, and only regular files are opened.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::{FileInfo, InterpreterError, Limits};

/// Where a session's files are inside.
const DATA: &str = "/mnt/data";
const TMP: &str = "/tmp";

/// Folders deeper than this are not listed.
const MAX_DEPTH: u32 = 32;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The two folders of a session's files.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// `/mnt/data`, the working folder.
    data: PathBuf,
    /// `/tmp`.
    tmp: PathBuf,
    limits: Limits,
}

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) files: Vec<FileInfo>,
    pub(super) bytes: u64,
    /// Files and folders.
    pub(super) count: u32,
}

impl Files {
    pub(super) fn new(data: PathBuf, tmp: PathBuf, limits: Limits) -> Self {
        Self { data, tmp, limits }
    }

    /// Which folder a path means, and the names below it.
    fn place<'a>(&self, path: &'a str) -> Result<(&Path, Vec<&'a OsStr>), InterpreterError> {
        let (root, names) = split(path)?;
        Ok((if root == TMP { &self.tmp } else { &self.data }, names))
    }

    /// As [`Interpreter::put_file`](crate::Interpreter::put_file).
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), InterpreterError> {
        let (root, names) = self.place(path)?;
        let Some((name, folders)) = names.split_last() else { return Err(bad(path, "it names no file")) };
        let usage = self.usage();
        let old = usage.files.iter().find(|file| file.path == whole(path));
        let freed = old.map_or(0, |file| file.bytes);
        let limit = |what: &str, limit: String| InterpreterError::Limit { what: format!("{what} `{path}`"), limit };
        if usage.bytes.saturating_sub(freed).saturating_add(bytes.len() as u64) > self.limits.disk {
            return Err(limit("the bytes of", format!("{} bytes of files", self.limits.disk)));
        }
        if old.is_none() && usage.count >= self.limits.files {
            return Err(limit("the file", format!("{} files", self.limits.files)));
        }
        let failed = |error: Errno| failure(path, error);
        let mut folder = open_root(root).map_err(failed)?;
        for name in folders {
            match rustix::fs::mkdirat(&folder, *name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
            folder = rustix::fs::openat(&folder, *name, FOLDER, Mode::empty()).map_err(failed)?;
        }
        // Written beside and moved into place: what stood there, a link or a pipe, is replaced and never opened.
        let new = format!(".put-{}", uuid::Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, new.as_str(), flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
        let written = std::fs::File::from(file).write_all(bytes);
        let moved = written
            .map_err(InterpreterError::backend)
            .and_then(|()| rustix::fs::renameat(&folder, new.as_str(), &folder, *name).map_err(failed));
        if moved.is_err() {
            let _ = rustix::fs::unlinkat(&folder, new.as_str(), AtFlags::empty());
        }
        moved
    }

    /// As [`Interpreter::get_file`](crate::Interpreter::get_file).
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let (root, names) = self.place(path)?;
        let Some((name, folders)) = names.split_last() else { return Err(bad(path, "it names no file")) };
        let failed = |error: Errno| failure(path, error);
        let mut folder = open_root(root).map_err(failed)?;
        for name in folders {
            folder = rustix::fs::openat(&folder, *name, FOLDER, Mode::empty()).map_err(failed)?;
        }
        // A pipe must not keep us waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, *name, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(bad(path, "it is no regular file"));
        }
        let mut bytes = Vec::new();
        let room = self.limits.disk.saturating_add(1);
        std::fs::File::from(file).take(room).read_to_end(&mut bytes).map_err(InterpreterError::backend)?;
        if bytes.len() as u64 > self.limits.disk {
            let limit = format!("{} bytes of files", self.limits.disk);
            return Err(InterpreterError::Limit { what: format!("the size of `{path}`"), limit });
        }
        Ok(bytes)
    }

    /// What there is, in order of the paths. What cannot be read is left out.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for (root, inside) in [(&self.data, DATA), (&self.tmp, TMP)] {
            if let Ok(folder) = open_root(root) {
                walk(folder, inside, MAX_DEPTH, &mut usage);
            }
        }
        usage.files.sort_by(|one, other| one.path.cmp(&other.path));
        usage
    }

    /// Removes all files and folders.
    pub(super) fn clear(&self) -> Result<(), InterpreterError> {
        for root in [&self.data, &self.tmp] {
            for entry in std::fs::read_dir(root).map_err(InterpreterError::backend)?.flatten() {
                // Neither follows links.
                let removed = match entry.file_type() {
                    Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(entry.path()),
                    _ => std::fs::remove_file(entry.path()),
                };
                match removed {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(InterpreterError::backend(error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Which folder a path means (`/mnt/data` or `/tmp`), and the names below it.
pub(super) fn split(path: &str) -> Result<(&'static str, Vec<&OsStr>), InterpreterError> {
    if path.contains('\0') {
        return Err(bad(path, "it holds a null character"));
    }
    let whole = Path::new(path);
    let (root, rest) = if let Ok(rest) = whole.strip_prefix(DATA) {
        (DATA, rest)
    } else if let Ok(rest) = whole.strip_prefix(TMP) {
        (TMP, rest)
    } else if whole.is_absolute() {
        return Err(bad(path, "it lies neither below /mnt/data nor below /tmp"));
    } else {
        (DATA, whole)
    };
    let mut names = Vec::new();
    for component in rest.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(bad(path, "`..` is not followed")),
        }
    }
    if names.is_empty() || path.ends_with('/') { Err(bad(path, "it names no file")) } else { Ok((root, names)) }
}

/// A path of the session from its root.
pub(super) fn whole(path: &str) -> String {
    match split(path) {
        Ok((root, names)) => {
            names.iter().fold(PathBuf::from(root), |path, name| path.join(name)).to_string_lossy().into_owned()
        }
        Err(_) => path.to_owned(),
    }
}

fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, root, FOLDER, Mode::empty())
}

/// Adds what is below an open folder.
fn walk(folder: OwnedFd, path: &str, depth: u32, usage: &mut Usage) {
    let Ok(entries) = Dir::read_from(&folder) else { return };
    for entry in entries.flatten() {
        let raw = entry.file_name();
        if matches!(raw.to_bytes(), b"." | b"..") {
            continue;
        }
        usage.count = usage.count.saturating_add(1);
        let Ok(stat) = rustix::fs::statat(&folder, raw, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let name = format!("{path}/{}", raw.to_string_lossy());
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let bytes = u64::try_from(stat.st_size).unwrap_or_default();
                usage.bytes = usage.bytes.saturating_add(bytes);
                usage.files.push(FileInfo { path: name, bytes });
            }
            FileType::Directory if depth > 0 => {
                if let Ok(below) = rustix::fs::openat(&folder, raw, FOLDER, Mode::empty()) {
                    walk(below, &name, depth.saturating_sub(1), usage);
                }
            }
            _ => {}
        }
    }
}

fn bad(path: &str, problem: &'static str) -> InterpreterError {
    InterpreterError::BadPath { path: path.to_owned(), problem }
}

/// What a system call said about a path.
fn failure(path: &str, error: Errno) -> InterpreterError {
    match error {
        Errno::NOENT => InterpreterError::NoFile { path: whole(path) },
        // O_NOFOLLOW says one of these of a link.
        Errno::LOOP | Errno::NOTDIR | Errno::MLINK => bad(path, "a link or a file stands where a folder should"),
        Errno::ISDIR => bad(path, "it is a folder"),
        Errno::NXIO => bad(path, "it is no regular file"),
        Errno::NAMETOOLONG => bad(path, "a name in it is too long"),
        other => InterpreterError::backend(format!("`{path}`: {other}")),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
