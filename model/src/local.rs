//! A model that runs in this process.
//!
//! [`Model`] puts the pieces together: the file from the catalog, the [engine](crate::engine) that computes tokens, and
//! the [dialect] that knows what they mean.

mod plain;
mod reply;
mod text;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};

use crate::{
    ChatModel, DeltaStream, ModelError, ModelInfo, ModelLoad, Request, TextModel,
    dialect::{self, Dialect, Grammar, OutputParser, Steering},
    engine::{Engine, EngineOptions, LlamaVocab},
    off_thread::off_thread,
    trace::{self, Operation},
};

/// A chat model that runs in this process through llama.cpp. Clones share it.
///
/// ```no_run
/// # async fn example() -> Result<(), glassbox_model::ModelError> {
/// use glassbox_model::{ChatModel, Model};
///
/// let model = Model::load("qwen2.5-coder-0.5b").await?;
/// println!("{} speaks {}", model.info().name, model.info().dialect);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    vocab: Arc<LlamaVocab>,
    dialect: Arc<dyn Dialect>,
    info: ModelInfo,
}

/// How far loading is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LoadEvent {
    /// The file is being fetched.
    #[cfg(feature = "fetch")]
    Fetch(crate::catalog::FetchEvent),
    /// The file is being read into memory.
    Load {
        /// The share that is read, from 0 to 1.
        share: f32,
    },
}

type Listener = Arc<dyn Fn(LoadEvent) + Send + Sync>;

/// Loads a [`Model`] with settings of one's own.
#[must_use]
pub struct ModelBuilder {
    source: String,
    options: EngineOptions,
    dialect: Option<String>,
    listener: Listener,
}

impl Model {
    /// Loads `source`: a catalog name, the path of a GGUF file, or `hf:OWNER/REPO/FILE.gguf`. What is not on this
    /// machine is fetched first.
    ///
    /// # Errors
    /// As [`ModelBuilder::load`].
    pub async fn load(source: impl Into<String>) -> Result<Self, ModelError> {
        Self::builder(source).load().await
    }

    /// Loads `source` with settings of one's own.
    pub fn builder(source: impl Into<String>) -> ModelBuilder {
        ModelBuilder {
            source: source.into(),
            options: EngineOptions::default(),
            dialect: None,
            listener: Arc::new(|_| {}),
        }
    }

    /// The engine, for working with tokens.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The dialect that it is spoken to in.
    pub fn dialect(&self) -> &Arc<dyn Dialect> {
        &self.inner.dialect
    }
}

impl ModelBuilder {
    /// How it is loaded and run.
    pub fn options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// The dialect to speak, by name, where the one that is found in the file is not right.
    pub fn dialect(mut self, name: impl Into<String>) -> Self {
        self.dialect = Some(name.into());
        self
    }

    /// Who hears how far it is. Called from several threads; it must return quickly.
    pub fn progress(mut self, listener: impl Fn(LoadEvent) + Send + Sync + 'static) -> Self {
        self.listener = Arc::new(listener);
        self
    }

    /// Fetches the file where need be, and loads it. The work is done beside the async threads.
    ///
    /// # Errors
    /// What [`Engine::load`] gives, [`ModelError::Dialect`] where the dialect does not suit the model, and
    /// [`ModelError::Fetch`] where the file cannot be had.
    pub async fn load(self) -> Result<Model, ModelError> {
        let Self { source, options, dialect, listener } = self;
        let file = resolve(&source, &listener).await?;
        let name = name_of(&source);
        off_thread(move || {
            let engine = Engine::load(&file, &options, move |share| listener(LoadEvent::Load { share }))?;
            let vocab = engine.vocab();
            let choice = match &dialect {
                Some(name) => dialect::by_name(name, &*vocab, engine.metadata())?,
                None => dialect::detect(&*vocab, engine.metadata())?,
            };
            let info = ModelInfo {
                name,
                fingerprint: engine.fingerprint().to_owned(),
                dialect: choice.dialect.name().to_owned(),
                architecture: engine.metadata().architecture.clone(),
                context_tokens: engine.context_tokens(),
                adapters: engine.adapters(),
                notes: choice.notes,
            };
            Ok(Model { inner: Arc::new(Inner { engine, vocab, dialect: choice.dialect, info }) })
        })
        .await
    }
}

/// The catalog name, or the file's without its ending.
fn name_of(source: &str) -> String {
    let file = source.rsplit(['/', '\\']).next().unwrap_or(source);
    file.strip_suffix(".gguf").unwrap_or(file).to_owned()
}

#[cfg(feature = "fetch")]
async fn resolve(source: &str, listener: &Listener) -> Result<PathBuf, ModelError> {
    struct Forward<'a>(&'a Listener);
    impl crate::catalog::Progress for Forward<'_> {
        fn event(&self, event: crate::catalog::FetchEvent) {
            (self.0)(LoadEvent::Fetch(event));
        }
    }
    Ok(crate::catalog::resolve(source, &Forward(listener)).await?)
}

#[cfg(not(feature = "fetch"))]
#[allow(clippy::unused_async)] // the same face as with `fetch`
async fn resolve(source: &str, _: &Listener) -> Result<PathBuf, ModelError> {
    Ok(PathBuf::from(source))
}

/// A request, as the engine takes it.
struct Prepared {
    prompt: Vec<u32>,
    grammar: Option<Grammar>,
    steering: Steering,
    parser: Box<dyn OutputParser>,
    stop_tokens: Vec<u32>,
    request: Request,
}

impl Inner {
    fn prompt(&self, request: &Request) -> Result<Vec<u32>, ModelError> {
        let pieces = self.dialect.render(request, &self.info.fingerprint)?;
        Ok(dialect::tokenize(&pieces, &*self.vocab))
    }

    fn prepare(&self, request: Request) -> Result<Prepared, ModelError> {
        let grammar = self.dialect.grammar(&request)?;
        let prompt = self.prompt(&request)?;
        let parser = self.dialect.parser(&request);
        let steering = self.dialect.steering(&request)?;
        let stop_tokens = self.dialect.stop_tokens();
        Ok(Prepared { prompt, grammar, steering, parser, stop_tokens, request })
    }
}

/// The deltas of what `prepare` makes ready, beside the async threads: a long conversation takes a while to render and to
/// tokenise.
fn started(
    inner: Arc<Inner>,
    asked: Instant,
    prepare: impl FnOnce() -> Result<Prepared, ModelError> + Send + 'static,
) -> DeltaStream {
    let begin = async move { Ok(reply::start(&inner, off_thread(prepare).await?, asked)) };
    begin
        .map(|started: Result<_, ModelError>| match started {
            Ok(deltas) => deltas.left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        })
        .flatten_stream()
        .boxed()
}

#[async_trait]
impl ChatModel for Model {
    fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let inner = Arc::clone(&self.inner);
        let asked = Instant::now();
        let span = trace::span(Operation::Chat, &inner.info, &request.sampling, request.max_tokens);
        let rendering = Arc::clone(&inner);
        trace::traced(span, started(inner, asked, move || rendering.prepare(request)))
    }

    fn text(&self) -> Option<&dyn TextModel> {
        Some(self)
    }

    fn load_now(&self) -> Option<ModelLoad> {
        Some(self.inner.engine.load_now())
    }

    async fn count_tokens(&self, request: &Request) -> Result<u32, ModelError> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let prompt = off_thread(move || inner.prompt(&request)).await?;
        Ok(u32::try_from(prompt.len()).unwrap_or(u32::MAX))
    }

    async fn save_kv(&self, request: &Request, path: &Path) -> Result<u32, ModelError> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let adapter = request.adapter.clone();
        let prompt = off_thread(move || inner.prompt(&request)).await?;
        Ok(self.inner.engine.save_kv(prompt, &adapter, path).await?.map_or(0, |saved| saved.tokens))
    }

    async fn restore_kv(&self, path: &Path) -> Result<u32, ModelError> {
        Ok(self.inner.engine.restore_kv(path).await?.tokens)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("info", &self.inner.info).finish_non_exhaustive()
    }
}
