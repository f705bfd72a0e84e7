//! From a file to a model in memory.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use llama_cpp_2::{
    LogOptions,
    llama_backend::LlamaBackend,
    model::{LlamaLoraAdapter, LlamaModel, params::LlamaModelParams},
    send_logs_to_tracing,
};

use super::{
    adapters::Adapters, fingerprint::fingerprint, gguf::Header, memory, options::EngineOptions, vocab::LlamaVocab,
};
use crate::ModelError;

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) backend: &'static LlamaBackend,
    pub(crate) model: Arc<LlamaModel>,
    /// In the order of `adapters`.
    pub(crate) loras: Vec<LlamaLoraAdapter>,
    pub(crate) adapters: Adapters,
    pub(crate) vocab: Arc<LlamaVocab>,
    pub(crate) header: Header,
    pub(crate) fingerprint: String,
    /// Tokens of the context.
    pub(crate) context: u32,
}

/// llama.cpp can be set up once in a process, so it is, and stays.
pub(crate) fn backend() -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    BACKEND
        .get_or_init(|| {
            send_logs_to_tracing(LogOptions::default());
            #[cfg(feature = "dynamic-backends")]
            llama_cpp_2::llama_backend::load_backends();
            LlamaBackend::init().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|problem| ModelError::Engine { action: "set itself up".into(), problem: problem.clone() })
}

/// [`load`], on a thread that ends with it.
///
/// Weights may be repacked as they are loaded, by a team of threads that OpenMP keeps as long as the thread that asked. While
/// there are more of such threads than the machine has, none waits awake for the next piece of work, and decoding, whose
/// pieces are short, takes up to half as long again.
pub(crate) fn on_a_thread(
    path: &Path,
    options: &EngineOptions,
    progress: Box<dyn FnMut(f32) + Send>,
) -> Result<Loaded, ModelError> {
    let stopped = |problem: String| ModelError::Stopped { problem };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("glassbox-load".into())
            .spawn_scoped(scope, || load(path, options, progress))
            .map_err(|error| stopped(format!("there is no thread to load it on: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(stopped("loading it ended in a panic".into())))
    })
}

/// Checks the file at `path` and loads it. `progress` hears the share that is read, from 0 to 1.
fn load(path: &Path, options: &EngineOptions, progress: Box<dyn FnMut(f32) + Send>) -> Result<Loaded, ModelError> {
    let header = Header::read(path)?;
    let metadata = header.metadata();
    let context = context_length(options, metadata.context_length);
    let backend = backend()?;
    let on_gpu = backend.supports_gpu_offload() && options.gpu_layers != Some(0);
    memory::check(&header, options, context, on_gpu)?;
    let bad = |problem: String| ModelError::BadFile { path: path.to_owned(), problem };
    let fingerprint = fingerprint(path, &header).map_err(|error| bad(format!("reading it failed: {error}")))?;

    // Before the weights, which take long.
    let adapters = Adapters::new(options, format!("{fingerprint}-{}", options.kv_cache), |path| adapter_print(path))?;
    let params = model_params(options, progress)?;
    let mut model = LlamaModel::load_from_file(backend, path, &params).map_err(|error| ModelError::Engine {
        action: format!("load {}", path.display()),
        problem: format!(
            "{error}; the file is whole, so perhaps its architecture `{}` or tokeniser `{}` is not known to this build",
            metadata.architecture,
            header.text("tokenizer.ggml.pre").or(header.text("tokenizer.ggml.model")).unwrap_or("?"),
        ),
    })?;
    let paths = options.lora.iter().chain(options.adapters.iter().map(|named| &named.adapter));
    let loras = paths.map(|adapter| load_lora(&mut model, &adapter.path)).collect::<Result<Vec<_>, _>>()?;

    let model = Arc::new(model);
    let vocab = Arc::new(vocabulary(Arc::clone(&model), &header));
    Ok(Loaded { backend, model, loras, adapters, vocab, header, fingerprint, context })
}

/// The vocabulary in the file at `path`, without its weights.
pub(crate) fn load_vocabulary(path: &Path) -> Result<LlamaVocab, ModelError> {
    let header = Header::read(path)?;
    let params = LlamaModelParams::default().with_vocab_only(true);
    let model = LlamaModel::load_from_file(backend()?, path, &params).map_err(|error| ModelError::Engine {
        action: format!("load the vocabulary of {}", path.display()),
        problem: error.to_string(),
    })?;
    Ok(vocabulary(Arc::new(model), &header))
}

fn vocabulary(model: Arc<LlamaModel>, header: &Header) -> LlamaVocab {
    let spm = header.text("tokenizer.ggml.model") == Some("llama");
    // llama.cpp's default for SentencePiece vocabularies.
    let space_prefix = header.number("tokenizer.ggml.add_space_prefix").map_or(spm, |flag| flag != 0);
    LlamaVocab::new(model, spm, space_prefix)
}

/// Same for the same adapter.
fn adapter_print(path: &Path) -> Result<String, ModelError> {
    let header = Header::read(path)?;
    fingerprint(path, &header)
        .map_err(|error| ModelError::BadFile { path: path.to_owned(), problem: format!("reading it failed: {error}") })
}

/// Tokens of the context. `trained`: what the model was trained for, 0 where that is not known.
fn context_length(options: &EngineOptions, trained: u32) -> u32 {
    let context = options.context.unwrap_or(match trained {
        0 => EngineOptions::DEFAULT_CONTEXT,
        trained => trained.min(EngineOptions::DEFAULT_CONTEXT),
    });
    if trained > 0 && context > trained {
        tracing::warn!(context, trained, "the context is longer than the model was trained for");
    }
    context.max(1)
}

fn model_params(
    options: &EngineOptions,
    mut progress: Box<dyn FnMut(f32) + Send>,
) -> Result<LlamaModelParams, ModelError> {
    let mut params = LlamaModelParams::default()
        .with_use_mmap(options.mmap)
        .with_use_mlock(options.mlock)
        .with_split_mode(options.split_mode.to_llama())
        .with_main_gpu(i32::try_from(options.main_gpu).unwrap_or(i32::MAX))
        .with_progress_callback(move |share| {
            progress(share);
            true
        });
    if let Some(layers) = options.gpu_layers {
        params = params.with_n_gpu_layers(layers);
    }
    if !options.devices.is_empty() {
        params = params.with_devices(&options.devices).map_err(|error| ModelError::Engine {
            action: format!("use the devices {:?}", options.devices),
            problem: error.to_string(),
        })?;
    }
    Ok(params)
}

fn load_lora(model: &mut LlamaModel, path: &Path) -> Result<LlamaLoraAdapter, ModelError> {
    Header::read(path)?;
    model.lora_adapter_init(path).map_err(|error| ModelError::Engine {
        action: format!("load the LoRA adapter {}", path.display()),
        problem: format!("{error}; it must have been made for this very model"),
    })
}
