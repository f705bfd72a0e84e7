//! `/metrics`: what Prometheus reads.

use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::wire::Usage;

/// Bounds of seconds to the first token: from a cached prompt to one that fills the context on two cores.
const FIRST: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Bounds of seconds of a whole reply.
const WHOLE: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    /// How the request ended.
    end: End,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)] // as they are written
pub(crate) enum End {
    /// With a reply in words.
    stop,
    /// With calls.
    tool_calls,
    /// At a limit of tokens.
    length,
    /// With an error of the model.
    error,
    /// The client went away.
    gone,
}

/// The counters of a server.
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    ended: Family<Ended, Counter>,
    prompt: Counter,
    cached: Counter,
    written: Counter,
    first: Histogram,
    whole: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("glassbox");
        let (running, ended) = (Gauge::default(), Family::default());
        let (prompt, cached, written) = (Counter::default(), Counter::default(), Counter::default());
        let (first, whole) = (Histogram::new(FIRST), Histogram::new(WHOLE));
        registry.register("replies_running", "Replies under way, waiting ones too", running.clone());
        registry.register("replies", "Replies that ended, by how", ended.clone());
        registry.register("prompt_tokens", "Tokens of prompts", prompt.clone());
        registry.register("prompt_tokens_cached", "Tokens of prompts found in the KV cache", cached.clone());
        registry.register("completion_tokens", "Tokens written", written.clone());
        let seconds = || Unit::Seconds;
        registry.register_with_unit(
            "first_piece",
            "From a request to the first of its reply",
            seconds(),
            first.clone(),
        );
        registry.register_with_unit("reply", "From a request to the end of its reply", seconds(), whole.clone());
        Self { registry, running, ended, prompt, cached, written, first, whole }
    }
}

impl Metrics {
    /// As Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// One reply under way; counted when dropped.
pub(crate) struct Running {
    shared: std::sync::Arc<crate::state::Shared>,
    begun: Instant,
    seen: bool,
    end: End,
}

impl Running {
    pub(crate) fn new(shared: std::sync::Arc<crate::state::Shared>) -> Self {
        shared.metrics.running.inc();
        Self { shared, begun: Instant::now(), seen: false, end: End::gone }
    }

    /// Something of the reply is there.
    pub(crate) fn piece(&mut self) {
        if !std::mem::replace(&mut self.seen, true) {
            self.shared.metrics.first.observe(self.begun.elapsed().as_secs_f64());
        }
    }

    /// The reply is over.
    pub(crate) fn ended(&mut self, end: End, usage: Option<&Usage>) {
        self.end = end;
        if let Some(usage) = usage {
            let metrics = &self.shared.metrics;
            metrics.prompt.inc_by(usage.prompt_tokens.into());
            metrics.cached.inc_by(usage.prompt_tokens_details.cached_tokens.into());
            metrics.written.inc_by(usage.completion_tokens.into());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let metrics = &self.shared.metrics;
        metrics.running.dec();
        metrics.ended.get_or_create(&Ended { end: self.end }).inc();
        metrics.whole.observe(self.begun.elapsed().as_secs_f64());
    }
}
