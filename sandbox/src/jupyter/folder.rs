//! The private folder of a session: beside its files, the sockets of its kernel, and the home of the programs that would
//! otherwise write into a person's own.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::InterpreterError;
use crate::folder::Folder;

/// Bytes of a Unix socket's path on the systems that allow the least (macOS: 104 with the ending null).
const MAX_SOCKET_PATH: usize = 100;
/// What a socket's path has below the folder for temporary files: `/glassbox-session-XXXXXX/run/k-1`.
const BELOW: usize = 32;

/// A session's folder, mode 0700. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct KernelFolder {
    folder: Folder,
}

impl KernelFolder {
    /// A new one, below the system's folder for temporary files.
    pub(super) fn new() -> Result<Self, InterpreterError> {
        let root = std::env::temp_dir();
        let fits = root.as_os_str().len().saturating_add(BELOW) <= MAX_SOCKET_PATH;
        let root = if fits { root } else { PathBuf::from("/tmp") };
        let made = Folder::new_in(&root).and_then(|folder| {
            let folder = Self { folder };
            fs::create_dir(folder.run())?;
            fs::create_dir(folder.home())?;
            Ok(folder)
        });
        made.map_err(|error| {
            InterpreterError::backend(format!("no folder could be made below {}: {error}", root.display()))
        })
    }

    /// Makes the place of a kernel that is about to start, with its connection file. What a kernel before it left there
    /// is gone: a program may have put links for the host to follow, or start-up files for the next kernel to run.
    pub(super) fn renew(&self, connection: &[u8]) -> io::Result<()> {
        for folder in [self.run(), self.home()] {
            // Put aside first: what lies in it may not let itself be removed.
            let spent = self.folder.host_path("spent");
            let _ = fs::remove_dir_all(&spent);
            fs::rename(&folder, &spent)?;
            fs::create_dir(&folder)?;
            let _ = fs::remove_dir_all(&spent);
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.run().join("connection.json"))?.write_all(connection)
    }

    /// Its files.
    pub(super) fn files(&self) -> &Folder {
        &self.folder
    }

    /// The kernel's working folder, `/mnt/data`.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.host_path("data")
    }

    /// Its `/tmp`.
    pub(super) fn tmp(&self) -> PathBuf {
        self.folder.host_path("tmp")
    }

    /// Where its sockets and its connection file are.
    pub(super) fn run(&self) -> PathBuf {
        self.folder.host_path("run")
    }

    /// Its `HOME`.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.host_path("home")
    }
}

/// The paths of a session's folders as its kernel calls them.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) data: PathBuf,
    pub(super) tmp: PathBuf,
    pub(super) run: PathBuf,
    pub(super) home: PathBuf,
}

impl KernelFolder {
    /// For a kernel that sees the host's files.
    pub(super) fn seen_from_the_host(&self) -> Inside {
        Inside { data: self.data(), tmp: self.tmp(), run: self.run(), home: self.home() }
    }

    /// For a kernel with a root of its own: each folder here and its path there.
    pub(super) fn binds(&self) -> (Inside, Vec<(PathBuf, PathBuf)>) {
        let inside = Inside {
            data: "/mnt/data".into(),
            tmp: "/tmp".into(),
            run: "/session/run".into(),
            home: "/session/home".into(),
        };
        let here = self.seen_from_the_host();
        let pairs = [
            (here.data, inside.data.clone()),
            (here.tmp, inside.tmp.clone()),
            (here.run, inside.run.clone()),
            (here.home, inside.home.clone()),
        ];
        (inside, pairs.into())
    }
}

/// A kernel's socket.
pub(super) fn socket(run: &Path, number: u16) -> PathBuf {
    run.join(format!("k-{number}"))
}
