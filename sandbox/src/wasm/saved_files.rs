//! A session's files, kept beside its memory.

use std::sync::Arc;

use rustix::fs::FileType;

use crate::{InterpreterError, Limits};

use super::folder::{Folder, Item, SandboxPath};

/// All that lies in a session's folder.
#[derive(Debug, Clone, Default)]
pub(super) struct SavedFiles(pub(super) Vec<SavedFile>);

/// A file, a folder or a link.
#[derive(Debug, Clone)]
pub(super) struct SavedFile {
    /// As a program names it.
    pub(super) path: String,
    pub(super) kind: Kind,
    stamp: Option<Stamp>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    /// A link, and where it leads: a program's own, which the host never follows.
    Link(String),
    File(Arc<[u8]>),
}

/// A program cannot set the time of change, so what has the same stamp is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: i64,
    changed: (i64, u64),
}

impl SavedFile {
    /// One that is not known to lie anywhere.
    pub(super) fn new(path: String, kind: Kind) -> Self {
        Self { path, kind, stamp: None }
    }
}

impl SavedFiles {
    /// Saves what lies in `folder`, while no program runs. What has not changed since `earlier` is not read again.
    pub(super) fn save(folder: &Folder, limits: &Limits, earlier: &Self) -> Result<Self, InterpreterError> {
        let mut items = Vec::new();
        let whole = folder.walk(&mut |item| items.push(item)).map_err(InterpreterError::backend)?;
        let too_much = |what: &str| InterpreterError::Limit {
            what: what.to_owned(),
            limit: format!("{} bytes in {} files", limits.disk, limits.files),
        };
        if !whole || items.len() > limits.files as usize {
            return Err(too_much("what lies in its folders"));
        }
        let (mut files, mut room) = (Vec::with_capacity(items.len()), limits.disk);
        for item in items {
            let Some(file) = earlier.of(&item).map_or_else(|| read(folder, item, room), |file| Ok(Some(file)))? else {
                continue;
            };
            if let Kind::File(data) = &file.kind {
                room = room.checked_sub(data.len() as u64).ok_or_else(|| too_much("the bytes of its files"))?;
            }
            files.push(file);
        }
        Ok(Self(files))
    }

    /// Makes `folder` hold just these.
    pub(super) fn restore(&self, folder: &Folder) -> Result<(), InterpreterError> {
        folder.clear().map_err(InterpreterError::backend)?;
        for file in &self.0 {
            let path = SandboxPath::new(&file.path)?;
            match &file.kind {
                Kind::Folder => folder.make_folder(&path)?,
                Kind::Link(target) => folder.make_link(&path, target)?,
                Kind::File(data) => folder.put(&path, data)?,
            }
        }
        Ok(())
    }

    fn of(&self, item: &Item) -> Option<SavedFile> {
        let stamp = Some(stamp(item));
        self.0.iter().find(|file| file.stamp == stamp && file.path == item.path).cloned()
    }
}

fn read(folder: &Folder, item: Item, room: u64) -> Result<Option<SavedFile>, InterpreterError> {
    let path = SandboxPath::new(&item.path)?;
    let kind = match item.kind {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link(folder.link(&path)?),
        FileType::RegularFile => Kind::File(folder.get(&path, room)?.into()),
        // Nothing else can be made in here.
        _ => return Ok(None),
    };
    let stamp = Some(stamp(&item));
    Ok(Some(SavedFile { path: item.path, kind, stamp }))
}

fn stamp(item: &Item) -> Stamp {
    let stat = &item.stat;
    Stamp { inode: stat.st_ino, bytes: stat.st_size, changed: (stat.st_ctime, stat.st_ctime_nsec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_links_come_back_as_they_were() -> Result<(), InterpreterError> {
        let path = |text: &str| SandboxPath::new(text);
        let folder = Folder::new().map_err(InterpreterError::backend)?;
        folder.put(&path("a/b.txt")?, b"one")?;
        folder.make_folder(&path("/tmp/empty")?)?;
        folder.make_link(&path("link")?, "/etc/passwd")?;
        let saved = SavedFiles::save(&folder, &Limits::default(), &SavedFiles::default())?;
        folder.put(&path("a/b.txt")?, b"two")?;
        folder.put(&path("new")?, b"")?;
        let later = SavedFiles::save(&folder, &Limits::default(), &saved)?;
        assert_eq!((saved.0.len(), later.0.len()), (4, 5));
        saved.restore(&folder)?;
        assert_eq!(folder.get(&path("a/b.txt")?, 9)?, b"one");
        assert_eq!(folder.link(&path("link")?)?, "/etc/passwd");
        assert_eq!(SavedFiles::save(&folder, &Limits::default(), &saved)?.0.len(), 4);
        later.restore(&folder)?;
        assert_eq!(folder.get(&path("a/b.txt")?, 9)?, b"two");
        Ok(())
    }

    #[test]
    fn more_than_the_limits_is_not_saved() -> Result<(), InterpreterError> {
        let folder = Folder::new().map_err(InterpreterError::backend)?;
        folder.put(&SandboxPath::new("a")?, &[0; 100])?;
        folder.put(&SandboxPath::new("b")?, &[0; 100])?;
        for limits in [Limits { disk: 150, ..Limits::default() }, Limits { files: 1, ..Limits::default() }] {
            let saved = SavedFiles::save(&folder, &limits, &SavedFiles::default());
            assert!(matches!(saved, Err(InterpreterError::Limit { .. })), "{saved:?}");
        }
        Ok(())
    }
}
