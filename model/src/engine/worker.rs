//! The thread that owns the llama.cpp context.

use std::{
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    model::{LlamaLoraAdapter, LlamaModel},
};

use super::{
    adapters::{Applied, Weights},
    ffi,
    gauges::Gauges,
    options::EngineOptions,
    saved::SequenceState,
    scheduler::Scheduler,
    session::Session,
    watch::Watch,
};
use crate::ModelError;

/// What the thread is told.
pub(crate) enum Command {
    /// A new generation.
    Generate(Box<Session>),
    /// Gives the KV that there is for a prompt, of these weights.
    Save(Vec<u32>, Weights, Answer<Option<SequenceState>>),
    /// Takes KV in, of these weights.
    Restore(SequenceState, Weights, Answer<()>),
    /// A grammar is compiled.
    Wake,
    /// The last handle is gone.
    Stop,
    /// What a bug would do.
    #[cfg(test)]
    Panic,
}

/// Where the answer to a command goes.
pub(crate) type Answer<T> = tokio::sync::oneshot::Sender<Result<T, ModelError>>;

/// What the thread needs.
pub(crate) struct Job {
    pub(crate) backend: &'static LlamaBackend,
    pub(crate) model: Arc<LlamaModel>,
    pub(crate) adapters: Vec<LlamaLoraAdapter>,
    pub(crate) options: EngineOptions,
    /// Tokens of the context.
    pub(crate) context: u32,
    /// Where it is told what the thread does.
    pub(crate) gauges: Arc<Gauges>,
}

/// The running thread.
pub(crate) struct Worker {
    pub(crate) commands: Sender<Command>,
    pub(crate) thread: JoinHandle<()>,
    /// Why it ended, where it did.
    pub(crate) failure: Arc<OnceLock<String>>,
}

/// Starts the thread, and waits until its context is made.
pub(crate) fn start(job: Job) -> Result<Worker, ModelError> {
    let (commands, inbox) = channel();
    let (ready, made) = channel();
    let failure = Arc::new(OnceLock::new());
    let reason = Arc::clone(&failure);
    let thread = std::thread::Builder::new()
        .name("glassbox-engine".into())
        .spawn(move || {
            // The inbox is dropped with the closure, and with it all generations: their streams end, none hangs.
            let result = catch_unwind(AssertUnwindSafe(|| work(job, inbox, &ready)));
            if let Err(panic) = result {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "its thread panicked".into());
                tracing::error!(problem = %text, "the engine has stopped");
                let _ = reason.set(text);
            }
        })
        .map_err(|error| ModelError::Engine { action: "start a thread".into(), problem: error.to_string() })?;
    match made.recv() {
        Ok(Ok(())) => Ok(Worker { commands, thread, failure }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ModelError::Stopped {
            problem: failure.get().cloned().unwrap_or_else(|| "its thread ended while it started".into()),
        }),
    }
}

#[allow(clippy::needless_pass_by_value)] // the inbox must be dropped here, whatever happens
fn work(mut job: Job, inbox: Receiver<Command>, ready: &Sender<Result<(), ModelError>>) {
    let sequences = job.options.sequences.clamp(1, EngineOptions::MAX_SEQUENCES);
    let adapters = Applied::new(std::mem::take(&mut job.adapters));
    let watch = Watch::default();
    let context = match make_context(&job, &watch, sequences) {
        Ok(context) => context,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    // A recurrent model has one state a sequence, not a cell a token.
    let can_share = !job.model.is_recurrent() && !job.model.is_hybrid();
    let scheduler = Scheduler::new(context, adapters, &watch, &job.gauges, sequences, job.context, can_share);
    if ready.send(Ok(())).is_ok() {
        scheduler.run(&inbox);
    }
}

fn make_context<'a>(job: &'a Job, watch: &'a Watch, sequences: u32) -> Result<LlamaContext<'a>, ModelError> {
    let options = &job.options;
    let tokens = job.context;
    let threads = options
        .threads
        .or_else(|| std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok()))
        .and_then(|n| i32::try_from(n.max(1)).ok())
        .unwrap_or(1);
    // Each sequence must find room for its next token.
    let batch = options.batch.max(sequences).max(1);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(tokens))
        .with_n_batch(batch)
        .with_n_ubatch(options.micro_batch.clamp(1, batch))
        .with_n_seq_max(sequences)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_type_k(options.kv_cache.to_llama())
        .with_type_v(options.kv_cache.to_llama())
        .with_kv_unified(true)
        // Sliding-window layers keep all their cells: else no prefix could be used again.
        .with_swa_full(true);
    ffi::context(&job.model, job.backend, params, watch).map_err(|error| ModelError::Engine {
        action: format!("make a context of {tokens} tokens"),
        problem: error.to_string(),
    })
}
