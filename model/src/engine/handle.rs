//! The handle to a running engine.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    task::{Context, Poll},
    thread::JoinHandle,
    time::Instant,
};

use futures::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{
    adapters::Adapters,
    constraint::Constraints,
    gauges::Gauges,
    hesitation::Openers,
    leaning::Leaning,
    load,
    options::EngineOptions,
    persistence::Persisting,
    sampler::Sampler,
    saved::{SavedKv, SequenceState},
    session::{Hold, Session, Ticket, count},
    vocab::LlamaVocab,
    worker::{self, Answer, Command},
};
use crate::{
    AdapterChoice, FinishReason, Metadata, ModelError, ModelLoad, Sampling, Timings, Usage, Vocab,
    dialect::{Grammar, Steering},
    off_thread::off_thread,
};

/// A loaded model that generates tokens. Clones share it; the last one to go ends its thread and frees its memory.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    failure: Arc<OnceLock<String>>,
    vocab: Arc<LlamaVocab>,
    constraints: Arc<Constraints>,
    openers: Openers,
    stops: Vec<u32>,
    metadata: Metadata,
    fingerprint: String,
    adapters: Adapters,
    context: u32,
    sequences: usize,
    queue: usize,
    /// Generations that run or wait.
    taken: Arc<AtomicUsize>,
    gauges: Arc<Gauges>,
}

/// What to generate.
#[derive(Debug, Clone, Default)]
pub struct GenerateRequest {
    /// The prompt's tokens; at least one.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Which adapter acts.
    pub adapter: AdapterChoice,
    /// Tokens that end the reply, besides those that the model file declares.
    pub stop_tokens: Vec<u32>,
    /// What the reply must follow.
    pub constraint: Option<Grammar>,
    /// What the model's own choice does not settle.
    pub steering: Steering,
    /// Sends an [`EngineEvent::Sure`] before each token that a grammar allowed beside others; not where hesitation has the
    /// reply begin with something else than a call.
    pub how_sure: bool,
    /// The most tokens to write; `None` leaves it to the context.
    pub max_tokens: Option<u32>,
    /// Sends an [`EngineEvent::Logprobs`] before each token, with so many of the likeliest.
    pub logprobs: Option<u32>,
    /// Cancels the generation, which then ends with [`FinishReason::Cancelled`].
    pub cancellation: CancellationToken,
}

/// What a generation says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EngineEvent {
    /// Tokens of the prompt were read.
    Prefill {
        /// Tokens read so far, those found in the KV cache included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
        /// Tokens found in the KV cache.
        reused: u32,
    },
    /// How likely the token was that comes next: by the model alone, before penalties, temperature, cuts and grammar.
    Logprobs {
        /// The natural logarithm of its probability.
        chosen: f32,
        /// The likeliest tokens and the logarithms of their probabilities, likeliest first.
        top: Vec<(u32, f32)>,
    },
    /// How likely the likeliest token was of those that the grammar allows, from 0 to 1.
    Sure {
        /// The probability.
        probability: f32,
    },
    /// A token was written.
    Token {
        /// The token.
        id: u32,
    },
    /// The end. The token that ended it is not part of the reply.
    Finished {
        /// Why it ended; never [`FinishReason::Calls`], which the engine knows nothing of.
        reason: FinishReason,
        /// What it cost.
        usage: Usage,
        /// How long it took.
        timings: Timings,
    },
}

/// The events of a generation. Ends after [`EngineEvent::Finished`] or the first error; dropping it ends the
/// generation.
pub struct EngineStream {
    events: UnboundedReceiver<Result<EngineEvent, ModelError>>,
    over: bool,
    /// Keeps the engine running while somebody listens.
    engine: Engine,
}

impl Engine {
    /// Loads the GGUF file at `path`. Blocks while it is read; `progress` hears the share that is read, from 0 to 1.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], [`ModelError::BadFile`], [`ModelError::OutOfMemory`] and [`ModelError::Engine`].
    pub fn load(
        path: impl AsRef<Path>,
        options: &EngineOptions,
        progress: impl FnMut(f32) + Send + 'static,
    ) -> Result<Self, ModelError> {
        let loaded = load::on_a_thread(path.as_ref(), options, Box::new(progress))?;
        let gauges = Arc::new(Gauges::default());
        let worker = worker::start(worker::Job {
            backend: loaded.backend,
            model: loaded.model,
            adapters: loaded.loras,
            options: options.clone(),
            context: loaded.context,
            gauges: Arc::clone(&gauges),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                commands: worker.commands,
                thread: Mutex::new(Some(worker.thread)),
                failure: worker.failure,
                constraints: Arc::new(Constraints::new(Arc::clone(&loaded.vocab))),
                openers: Openers::default(),
                stops: loaded.vocab.end_of_generation(),
                vocab: loaded.vocab,
                metadata: loaded.header.metadata(),
                adapters: loaded.adapters,
                fingerprint: loaded.fingerprint,
                context: loaded.context,
                sequences: options.sequences.clamp(1, EngineOptions::MAX_SEQUENCES) as usize,
                queue: options.queue,
                taken: Arc::new(AtomicUsize::new(0)),
                gauges,
            }),
        })
    }

    /// The vocabulary.
    pub fn vocab(&self) -> Arc<LlamaVocab> {
        Arc::clone(&self.inner.vocab)
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// Same for the same weights and vocabulary: 32 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.inner.fingerprint
    }

    /// Tokens that fit in the context, prompt and reply together.
    pub fn context_tokens(&self) -> u32 {
        self.inner.context
    }

    /// The adapters that a generation can choose by name, in the order in which they were given.
    pub fn adapters(&self) -> Vec<String> {
        self.inner.adapters.names().map(str::to_owned).collect()
    }

    /// Writes what the KV cache holds of `prompt`, computed with this adapter, to a file, whole or not at all. `None`, and no file, where it holds
    /// nothing of it. The last token of the prompt is never there: its logits are computed each time.
    ///
    /// # Errors
    /// [`ModelError::KvFile`] where it cannot be written, [`ModelError::QueueFull`] where all sequences are at work,
    /// [`ModelError::Adapter`], [`ModelError::Engine`], [`ModelError::Stopped`].
    pub async fn save_kv(
        &self,
        prompt: Vec<u32>,
        adapter: &AdapterChoice,
        path: impl Into<PathBuf>,
    ) -> Result<Option<SavedKv>, ModelError> {
        check_prompt(&prompt, self.inner.vocab.len(), self.inner.context)?;
        let weights = self.inner.adapters.chosen(adapter)?;
        let (path, key) = (path.into(), self.inner.adapters.kv_key(weights));
        match self.ask(|answer| Command::Save(prompt, weights, answer)).await? {
            Some(state) => off_thread(move || state.write(&path, &key)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes KV from a file that [`Engine::save_kv`] wrote: a prompt that begins with its tokens need not read them.
    /// It takes the place of the sequence that was used longest ago.
    ///
    /// # Errors
    /// [`ModelError::KvFile`] where the file is damaged, or of another model or KV type, or an adapter that is not loaded;
    /// [`ModelError::ContextOverflow`], [`ModelError::QueueFull`], [`ModelError::Engine`], [`ModelError::Stopped`].
    /// Nothing is lost then but the time that it would have spared.
    pub async fn restore_kv(&self, path: impl Into<PathBuf>) -> Result<SavedKv, ModelError> {
        let (path, inner) = (path.into(), Arc::clone(&self.inner));
        let read = move || SequenceState::read(&path, |key| inner.adapters.of_kv_key(key));
        let (state, weights, saved) = off_thread(read).await?;
        check_prompt(&state.tokens, self.inner.vocab.len(), self.inner.context)?;
        self.ask(|answer| Command::Restore(state, weights, answer)).await?;
        Ok(saved)
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, ModelError> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.inner.commands.send(command(sender)).map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())?
    }

    /// What it is doing, and what it has done.
    pub fn load_now(&self) -> ModelLoad {
        let inner = &self.inner;
        let taken = inner.taken.load(Ordering::Acquire);
        inner.gauges.load(taken, inner.sequences, inner.context as usize)
    }

    /// Starts a generation, or lets it wait where all sequences are taken. Returns at once.
    ///
    /// The stream's error may be [`ModelError::Sampling`], [`ModelError::Adapter`], [`ModelError::ContextOverflow`], [`ModelError::QueueFull`],
    /// [`ModelError::Prompt`], [`ModelError::Grammar`], [`ModelError::Engine`] and [`ModelError::Stopped`].
    pub fn generate(&self, request: GenerateRequest) -> EngineStream {
        let (sender, events) = unbounded_channel();
        if let Err(error) = self.submit(request, &sender) {
            // The receiver is in scope.
            let _ = sender.send(Err(error));
        }
        EngineStream { events, over: false, engine: self.clone() }
    }

    fn submit(
        &self,
        request: GenerateRequest,
        events: &tokio::sync::mpsc::UnboundedSender<Result<EngineEvent, ModelError>>,
    ) -> Result<(), ModelError> {
        let inner = &self.inner;
        let sampler = Sampler::new(&request.sampling, request.prompt.len())?;
        let weights = inner.adapters.chosen(&request.adapter)?;
        check_prompt(&request.prompt, inner.vocab.len(), inner.context)?;
        let most = inner.sequences.saturating_add(inner.queue);
        let ticket = Ticket::take(&inner.taken, most)
            .map_err(|taken| ModelError::QueueFull { waiting: taken.saturating_sub(inner.sequences) })?;
        let mut stops = inner.stops.clone();
        stops.extend_from_slice(&request.stop_tokens);
        stops.sort_unstable();
        stops.dedup();
        let Steering { hesitation, persistence, prior } = request.steering;
        let session = Session {
            prompt: request.prompt.len(),
            tokens: request.prompt,
            weights,
            hold: request.constraint.map_or(Hold::Free, |grammar| self.hold(grammar)),
            likely: None,
            doubt: hesitation.map(|hesitation| {
                let doubt = inner.openers.doubt(&hesitation, &inner.vocab);
                (doubt, hesitation.instead.map_or(Hold::Free, |grammar| self.hold(grammar)))
            }),
            weighing: None,
            persisting: persistence.map(|persistence| Persisting::new(&persistence, &inner.vocab)),
            leaning: prior.map(|prior| Leaning::new(&prior, &inner.vocab)),
            held: Vec::new(),
            sampler,
            stops,
            logprobs: request.logprobs,
            how_sure: request.how_sure,
            most: request.max_tokens.map_or(usize::MAX, |n| n as usize),
            cancellation: request.cancellation,
            events: events.clone(),
            slot: None,
            order: 0,
            begun: false,
            reused: 0,
            submitted: Instant::now(),
            admitted: None,
            prompt_read: None,
            first_token: None,
            ticket,
        };
        inner.commands.send(Command::Generate(Box::new(session))).map_err(|_| self.stopped())
    }

    /// The compiled grammar, or the promise of it: it is compiled beside the engine's thread, while the prompt is read.
    fn hold(&self, grammar: Grammar) -> Hold {
        let constraints = Arc::clone(&self.inner.constraints);
        if let Some(constraint) = constraints.at_hand(&grammar) {
            return Hold::Ready(Box::new(constraint));
        }
        let (sender, coming) = channel();
        let commands = self.inner.commands.clone();
        let compile = move || {
            // Either may be gone, and then nobody waits.
            let _ = sender.send(constraints.compile(&grammar));
            let _ = commands.send(Command::Wake);
        };
        // Where no thread can be had, the sender is dropped and the generation ends with an error.
        if let Err(error) = std::thread::Builder::new().name("glassbox-grammar".into()).spawn(compile) {
            tracing::error!(%error, "no thread for compiling a grammar");
        }
        Hold::Coming(coming)
    }

    /// Why the thread ended. Called where it has given its generations up: what is left of it takes moments.
    fn stopped(&self) -> ModelError {
        self.inner.join();
        let problem = self.inner.failure.get().cloned();
        ModelError::Stopped { problem: problem.unwrap_or_else(|| "its thread is gone".into()) }
    }
}

/// Ids out of range would end the process inside llama.cpp.
fn check_prompt(prompt: &[u32], vocabulary: u32, context: u32) -> Result<(), ModelError> {
    let needed = count(prompt.len()).saturating_add(1);
    if needed > context {
        return Err(ModelError::ContextOverflow { needed, limit: context });
    }
    let problem = match prompt.iter().find(|id| **id >= vocabulary) {
        Some(id) => format!("it has the token {id}, and the vocabulary ends at {vocabulary}"),
        None if prompt.is_empty() => "it is empty".into(),
        None => return Ok(()),
    };
    Err(ModelError::Prompt { problem })
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        // Waits for the step under way: then the memory is free when this returns.
        self.join();
    }
}

impl Inner {
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Stream for EngineStream {
    type Item = Result<EngineEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let item = std::task::ready!(self.events.poll_recv(cx)).unwrap_or_else(|| Err(self.engine.stopped()));
        self.over = matches!(item, Err(_) | Ok(EngineEvent::Finished { .. }));
        Poll::Ready(Some(item))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("metadata", &self.inner.metadata.name)
            .field("fingerprint", &self.inner.fingerprint)
            .field("context", &self.inner.context)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "fetch"))]
#[path = "handle_tests.rs"]
mod tests;
