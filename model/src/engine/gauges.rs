//! What the engine's thread is doing, for those who watch it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::ModelLoad;

/// Counted by the engine's thread, read by others.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    running: AtomicUsize,
    kv_tokens: AtomicUsize,
    batches: AtomicU64,
    batch_tokens: AtomicU64,
    batch_generations: AtomicU64,
}

impl Gauges {
    /// Generations that run, and tokens in the KV cache.
    pub(crate) fn now(&self, running: usize, kv_tokens: usize) {
        self.running.store(running, Ordering::Relaxed);
        self.kv_tokens.store(kv_tokens, Ordering::Relaxed);
    }

    /// A batch was computed.
    pub(crate) fn batch(&self, tokens: usize, generations: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batch_tokens.fetch_add(tokens as u64, Ordering::Relaxed);
        self.batch_generations.fetch_add(generations as u64, Ordering::Relaxed);
    }

    /// All of it. `taken`: generations that run or wait.
    pub(crate) fn load(&self, taken: usize, sequences: usize, kv_capacity: usize) -> ModelLoad {
        let running = self.running.load(Ordering::Relaxed);
        ModelLoad {
            running,
            waiting: taken.saturating_sub(running),
            sequences,
            kv_tokens: self.kv_tokens.load(Ordering::Relaxed),
            kv_capacity,
            batches: self.batches.load(Ordering::Relaxed),
            batch_tokens: self.batch_tokens.load(Ordering::Relaxed),
            batch_generations: self.batch_generations.load(Ordering::Relaxed),
        }
    }
}
