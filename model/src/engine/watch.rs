//! Who may cancel the batch under way.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::handle::EngineEvent;
use crate::ModelError;

type Events = UnboundedSender<Result<EngineEvent, ModelError>>;

/// The generations of the batch under way. Asked many times a batch, so it is short.
#[derive(Default)]
pub(crate) struct Watch {
    watched: Mutex<Vec<(CancellationToken, Events)>>,
}

impl Watch {
    /// Watches these, until [`Watch::clear`].
    pub(crate) fn set<'a>(&self, sessions: impl Iterator<Item = (&'a CancellationToken, &'a Events)>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.clear();
        watched.extend(sessions.map(|(cancellation, events)| (cancellation.clone(), events.clone())));
    }

    /// Watches nobody.
    pub(crate) fn clear(&self) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// True where one was cancelled, or nobody listens to it any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Never waits and never panics: llama.cpp calls this.
        self.watched
            .try_lock()
            .is_ok_and(|watched| watched.iter().any(|(token, events)| token.is_cancelled() || events.is_closed()))
    }
}
