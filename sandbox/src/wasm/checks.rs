//! Trying out, once a machine, what the host otherwise takes on trust: where the artifact notes a signal, and whether the
//! kernel tells which pages were written. Where one does not hold, there is a safe second: only the hard limit ends a
//! cell, and memory is compared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{InterpreterError, Limits, guest};

use super::compiled::write_private;
use super::folder::Folder;
use super::home::{Home, check_private};
use super::instance::Instance;
use super::pages::{different, written};
use super::program::Program;

/// How long a loop may go on after its interrupt: long enough for a busy machine; one that heeds it ends at once.
const GRACE: Duration = Duration::from_secs(20);

/// What holds on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checks {
    /// A cell can be interrupted.
    pub(super) interrupt: bool,
    /// The kernel tells which pages were written.
    pub(super) page_map: bool,
}

impl Checks {
    /// What an earlier process found with the same compiled code.
    pub(super) fn read(home: &Home, key: &str) -> Option<Self> {
        let path = path(home, key);
        check_private(&path).ok()?;
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Tries it out, and notes it for later processes.
    pub(super) async fn make(program: &Program) -> Result<Self, InterpreterError> {
        let folder = Arc::new(Folder::new().map_err(InterpreterError::backend)?);
        let fresh = || Instance::based(program, Arc::clone(&folder), Limits::default(), Duration::ZERO);
        let (mut used, unused) = (fresh().await?, fresh().await?);
        if program.image.is_none() {
            used.run_own(guest::BOOTSTRAP).await?;
        }
        let interrupt = used.heeds_interrupts(program.artifact.interrupt, GRACE).await;
        let checks = Self { interrupt, page_map: page_map_holds(used.memory(), unused.memory()) };
        if !checks.interrupt {
            tracing::warn!(
                "CPython does not heed interrupts here: programs that run on are killed, and lose their state"
            );
        }
        if let Err(error) =
            write_private(&path(&program.home, &program.key), &serde_json::to_vec(&checks).unwrap_or_default())
        {
            tracing::warn!(%error, "what was tried out could not be noted, and is tried out again next time");
        }
        Ok(checks)
    }
}

/// All pages that differ must be among those that the kernel names, and it must not name them all.
fn page_map_holds(used: &[u8], unused: &[u8]) -> bool {
    let (Ok(written), Ok(untouched)) = (written(used), written(unused)) else { return false };
    let complete = different(used, unused).iter().all(|page| written.binary_search(page).is_ok());
    complete && untouched.len() < unused.len() / super::pages::PAGE / 2
}

fn path(home: &Home, key: &str) -> PathBuf {
    home.compiled(key).with_file_name("tried.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instance of the user's sandbox.
    async fn instance() -> (Program, Instance) {
        let program = Program::cold(Home::from_env().unwrap(), None).unwrap();
        let folder = Arc::new(Folder::new().unwrap());
        let instance = Instance::based(&program, folder, Limits::default(), Duration::ZERO).await.unwrap();
        (program, instance)
    }

    #[tokio::test]
    async fn an_interrupt_is_heeded_where_it_is_noted_in_the_right_place_alone() {
        let (program, mut instance) = instance().await;
        for _ in 0..5 {
            assert!(instance.heeds_interrupts(program.artifact.interrupt, GRACE).await);
        }
        // Nowhere, and at places where nothing looks for it: the loop has to be killed.
        assert!(!instance.heeds_interrupts(&[], Duration::from_millis(300)).await);
        let (_, mut instance) = self::instance().await;
        assert!(!instance.heeds_interrupts(&[(64, 0), (72, 0)], Duration::from_millis(300)).await);
    }
}
