//! `/metrics`: what Prometheus reads.

use std::sync::Arc;
use std::time::Instant;

use glassbox_model::{ChatModel, Timings, Usage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::state::Shared;

/// Bounds of seconds to the first token: from a cached prompt to one that fills the context on two cores.
const FIRST: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Bounds of seconds of a token, from a GPU to a large model on few cores.
const TOKEN: [f64; 11] = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0];
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
    /// When its time was over.
    time_limit,
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
    queued: Histogram,
    first: Histogram,
    token: Histogram,
    whole: Histogram,
}

impl Metrics {
    pub(crate) fn new(model: &Arc<dyn ChatModel>) -> Self {
        let mut registry = Registry::with_prefix("glassbox");
        let (running, ended) = (Gauge::default(), Family::default());
        let (prompt, cached, written) = (Counter::default(), Counter::default(), Counter::default());
        registry.register("replies_running", "Replies under way, waiting ones too", running.clone());
        registry.register("replies", "Replies that ended, by how", ended.clone());
        registry.register("prompt_tokens", "Tokens of prompts", prompt.clone());
        registry.register("prompt_tokens_cached", "Tokens of prompts found in the KV cache", cached.clone());
        registry.register("completion_tokens", "Tokens written", written.clone());
        let mut seconds = |name: &str, help: &str, bounds: &[f64]| {
            let histogram = Histogram::new(bounds.iter().copied());
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
            histogram
        };
        let queued = seconds("queued", "From a request to its place in a batch", &FIRST);
        let first = seconds("first_token", "From a request to the first token of its reply", &FIRST);
        let token = seconds("token", "A token after the first, by the average of its reply", &TOKEN);
        let whole = seconds("reply", "From a request to the end of its reply", &WHOLE);
        registry.register_collector(Box::new(Engine(Arc::clone(model))));
        Self { registry, running, ended, prompt, cached, written, queued, first, token, whole }
    }
}

/// What the model is doing when it is asked.
struct Engine(Arc<dyn ChatModel>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Collector for Engine {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(load) = self.0.load_now() else { return Ok(()) };
        for (name, help, value) in [
            ("engine_running", "Generations that have a sequence", load.running),
            ("engine_waiting", "Generations in the queue", load.waiting),
            ("engine_sequences", "Generations that can run at once", load.sequences),
            ("engine_kv_tokens", "Tokens in the KV cache", load.kv_tokens),
            ("engine_kv_capacity", "Tokens that fit in the KV cache", load.kv_capacity),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in [
            ("engine_batches", "Batches computed", load.batches),
            ("engine_batch_tokens", "Tokens in all batches", load.batch_tokens),
            ("engine_batch_generations", "Generations in all batches", load.batch_generations),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
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
    shared: Arc<Shared>,
    begun: Instant,
    seen: bool,
    end: End,
}

impl Running {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.metrics.running.inc();
        Self { shared, begun: Instant::now(), seen: false, end: End::gone }
    }

    /// Something of the reply is there.
    pub(crate) fn token(&mut self) {
        if !std::mem::replace(&mut self.seen, true) {
            self.shared.metrics.first.observe(self.begun.elapsed().as_secs_f64());
        }
    }

    /// The reply is over.
    pub(crate) fn ended(&mut self, end: End) {
        self.end = end;
    }

    /// The reply is over, and what it cost is known.
    pub(crate) fn finished(&mut self, end: End, usage: &Usage, timings: &Timings) {
        self.end = end;
        let metrics = &self.shared.metrics;
        metrics.prompt.inc_by(usage.prompt_tokens.into());
        metrics.cached.inc_by(usage.reused_tokens.into());
        metrics.written.inc_by(usage.completion_tokens.into());
        metrics.queued.observe(timings.queued.as_secs_f64());
        if let Some(after) = usage.completion_tokens.checked_sub(1).filter(|after| *after > 0) {
            metrics.token.observe(timings.decode.as_secs_f64() / f64::from(after));
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
