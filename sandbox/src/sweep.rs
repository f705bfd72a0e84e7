//! Removing what sessions of killed processes left behind.
//!
//! A session's folder is removed when the session ends, but not where its process is killed, or ends without waiting for
//! its sessions. So each folder is locked for as long as its process lives, and one that nobody holds is removed by the
//! next process that opens a session.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

/// What the names of session folders begin with.
pub(crate) const PREFIX: &str = "glassbox-session-";

/// A folder younger than this may be one that is not locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Holds the folder, for as long as `folder` is open.
pub(crate) fn hold(folder: &impl std::os::fd::AsFd) -> std::io::Result<()> {
    Ok(flock(folder, FlockOperation::NonBlockingLockExclusive)?)
}

/// Removes what was left behind in `temp`, once a process and on a thread of its own: nobody waits for it.
pub(crate) fn once(temp: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(temp.to_owned()) {
        let temp = temp.to_owned();
        let sweep = move || sweep(&temp, YOUNG);
        if let Err(error) = std::thread::Builder::new().name("glassbox-sweep".to_owned()).spawn(sweep) {
            tracing::debug!(%error, "folders that were left behind stay");
        }
    }
}

fn sweep(temp: &Path, young: Duration) {
    let Ok(entries) = std::fs::read_dir(temp) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_left(&entry.path(), young) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the folder is this user's and nobody holds it.
fn is_left(path: &Path, young: Duration) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(path, flags, Mode::empty()).map(File::from) else { return false };
    let Ok(metadata) = folder.metadata() else { return false };
    let age = metadata.modified().ok().and_then(|made| SystemTime::now().duration_since(made).ok());
    metadata.uid() == rustix::process::geteuid().as_raw()
        && age.is_some_and(|age| age >= young)
        && hold(&folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nobody_holds_are_removed_and_others_stay() -> std::io::Result<()> {
        let temp = tempfile::tempdir()?;
        let folder = |name: &str| -> std::io::Result<_> {
            let path = temp.path().join(name);
            std::fs::create_dir_all(path.join("inner"))?;
            Ok(path)
        };
        let (left, held, other) = (folder("glassbox-session-a")?, folder("glassbox-session-b")?, folder("another")?);
        let lock = File::open(&held)?;
        hold(&lock)?;
        std::os::unix::fs::symlink(&other, temp.path().join("glassbox-session-link"))?;
        sweep(temp.path(), YOUNG);
        assert!(left.exists());
        sweep(temp.path(), Duration::ZERO);
        assert_eq!((left.exists(), held.exists(), other.join("inner").exists()), (false, true, true));
        drop(lock);
        sweep(temp.path(), Duration::ZERO);
        assert!(!held.exists());
        Ok(())
    }
}
