//! What all requests share.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glassbox_model::{AdapterChoice, ChatModel, Sampling};

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

    /// The names under which it is listed: its own, and with each of its adapters.
    pub(crate) fn listed(&self) -> Vec<String> {
        let adapters = self.model.info().adapters.iter();
        let adapted = adapters.map(|adapter| format!("{}:{adapter}", self.name()));
        self.names.iter().cloned().chain(adapted).collect()
    }

    /// Which adapter this name of the model asks for: `NAME:ADAPTER`, or none.
    pub(crate) fn named(&self, name: &str) -> Result<AdapterChoice, ApiError> {
        let ours = |name: &str| self.names.iter().any(|known| known == name);
        if ours(name) {
            return Ok(AdapterChoice::AsLoaded);
        }
        match name.rsplit_once(':').filter(|(model, _)| ours(model)) {
            Some((_, adapter)) if self.model.info().adapters.iter().any(|known| known == adapter) => {
                Ok(AdapterChoice::Named { name: adapter.to_owned(), scale: None })
            }
            _ => Err(ApiError::no_model(name, &self.listed())),
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
