//! One set-up of a folder at a time, across processes.

use std::fs::{File, TryLockError};
use std::time::Duration;

use crate::InterpreterError;
use crate::wasm::Home;

use super::files::failed;

/// Held while a folder is set up; the system releases it when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits for the lock of `home`, and says so once.
    pub(super) fn wait(home: &Home, waiting: &dyn Fn()) -> Result<Self, InterpreterError> {
        let path = home.root().join(".setup.lock");
        let broken = |error: &dyn std::fmt::Display| failed(format!("{}: {error}", path.display()));
        super::files::create_folder(home.root())?;
        let file = File::options().create(true).append(true).open(&path).map_err(|error| broken(&error))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(broken(&error)),
            }
            if !std::mem::replace(&mut told, true) {
                waiting();
            }
            // Polled: a blocking wait would hold the thread beyond the end of whoever asked.
            #[allow(
                clippy::disallowed_methods,
                reason = "set-up blocks its thread by contract, and there is no event"
            )]
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
