//! What all requests share.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glassbox_model::{ChatModel, Sampling};

use crate::access::Key;
use crate::error::ApiError;
use crate::metrics::Metrics;

pub(crate) struct Shared {
    pub(crate) model: Arc<dyn ChatModel>,
    /// The names under which it is asked for; the first is told.
    pub(crate) names: Vec<String>,
    pub(crate) keys: Vec<Key>,
    /// Anybody may ask without a key, under any name of this machine.
    pub(crate) open: bool,
    /// What requests leave out.
    pub(crate) sampling: Sampling,
    /// How long a reply may take, waiting included.
    pub(crate) time_limit: Duration,
    /// When the model was loaded, in seconds since 1970.
    pub(crate) since: u64,
    pub(crate) metrics: Metrics,
}

impl Shared {
    /// The model's first name.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Whether the model is served under this name.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), ApiError> {
        if self.names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(ApiError::no_model(name, self.name()))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
