//! The private folder of a session: its files, the sockets of its kernel, and the homes of the programs that would
//! otherwise write into a person's own.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::files::Files;
use crate::{InterpreterError, Limits};

/// Bytes of a Unix socket's path on the systems that allow the least (macOS: 104 with the ending null).
const MAX_SOCKET_PATH: usize = 100;

/// A session's folder, mode 0700. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
}

impl Folder {
    /// A new one, below the system's folder for temporary files.
    pub(super) fn new() -> Result<Self, InterpreterError> {
        let mode = std::fs::Permissions::from_mode(0o700);
        let made = |root: &Path| tempfile::Builder::new().prefix("gb-").permissions(mode.clone()).tempdir_in(root);
        let root = std::env::temp_dir();
        // `/gb-XXXXXX/run/k-1`
        let root =
            if root.as_os_str().len().saturating_add(24) > MAX_SOCKET_PATH { PathBuf::from("/tmp") } else { root };
        let folder = made(&root).map_err(|error| {
            InterpreterError::backend(format!("no folder could be made below {}: {error}", root.display()))
        })?;
        let folder = Self { folder };
        for part in [folder.data(), folder.tmp(), folder.run(), folder.home()] {
            std::fs::DirBuilder::new().mode(0o700).create(&part).map_err(InterpreterError::backend)?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The kernel's working folder, `/mnt/data`.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Its `/tmp`.
    pub(super) fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Where its sockets and its connection file are.
    pub(super) fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// Its `HOME`.
    pub(super) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(super) fn files(&self, limits: Limits) -> Files {
        Files::new(self.data(), self.tmp(), limits)
    }
}
