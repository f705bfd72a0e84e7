//! One fetch of a file at a time, across processes.

use std::{fs::File, path::Path, time::Duration};

use super::{FetchError, FetchEvent, Progress};

/// Held while a file is fetched; the system releases it when the process ends, however it ends.
///
/// The lock file itself stays: to remove it would let a third process lock a new file of the same name while a second
/// one still waits on the old.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits for the lock at `path`, and says so.
    pub(crate) async fn wait(path: &Path, what: &str, progress: &dyn Progress) -> Result<Self, FetchError> {
        let mut told = false;
        loop {
            if let Some(lock) = Self::take(path)? {
                return Ok(lock);
            }
            if !told {
                progress.event(FetchEvent::Waiting { what: what.to_owned() });
                told = true;
            }
            // Polled: a blocking wait could not be cancelled, and would hold a thread for as long as a download takes.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The lock, where nobody holds it.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>, FetchError> {
        let failed = |source| FetchError::Cache { action: "lock", path: path.to_owned(), source };
        let file = File::options().create(true).append(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
