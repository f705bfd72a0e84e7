//! The trait behind every model.

use std::path::Path;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Delta, ModelError, Request, TextModel};

/// The pieces of a reply. Dropping it stops the generation.
pub type DeltaStream = BoxStream<'static, Result<Delta, ModelError>>;

/// A model that chats: it reads messages and tools, and writes text and calls.
#[async_trait]
pub trait ChatModel: Send + Sync + 'static {
    /// What model this is.
    fn info(&self) -> &ModelInfo;

    /// Starts a generation. The stream ends after [`Delta::Finished`] or the first error; dropping it, or cancelling
    /// the request, stops prefill and decoding within 200 ms.
    fn stream(&self, request: Request) -> DeltaStream;

    /// The number of tokens that the prompt of `request` has.
    ///
    /// # Errors
    /// [`ModelError`] where the conversation cannot be rendered.
    async fn count_tokens(&self, request: &Request) -> Result<u32, ModelError>;

    /// Writes what the KV cache holds of the prompt of `request` to a file, for [`ChatModel::restore_kv`]. Gives how many
    /// tokens that are: 0, and no file, where it holds nothing of it, or where the model has no KV cache of its own,
    /// which is the default.
    ///
    /// # Errors
    /// [`ModelError`] where the file cannot be written, or the model is busy.
    async fn save_kv(&self, request: &Request, path: &Path) -> Result<u32, ModelError> {
        let _ = (request, path);
        Ok(0)
    }

    /// Takes in what [`ChatModel::save_kv`] wrote, and gives how many tokens of a prompt that begins with them need not
    /// be read again: 0 where the model has no KV cache of its own, which is the default.
    ///
    /// # Errors
    /// [`ModelError::KvFile`] where the file is damaged or of another model; the prompt is then read as if there were none.
    async fn restore_kv(&self, path: &Path) -> Result<u32, ModelError> {
        let _ = path;
        Ok(0)
    }

    /// The same model without its chat format, where it can be had. Default `None`.
    fn text(&self) -> Option<&dyn TextModel> {
        None
    }

    /// What it is doing, where that is counted. Default `None`.
    fn load_now(&self) -> Option<ModelLoad> {
        None
    }
}

/// What a model is doing, and what it has done since it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelLoad {
    /// Generations that have a sequence of the KV cache.
    pub running: usize,
    /// Generations that wait for one.
    pub waiting: usize,
    /// Sequences: so many can run.
    pub sequences: usize,
    /// Tokens in the KV cache, those kept of finished generations included.
    pub kv_tokens: usize,
    /// Tokens that fit in the KV cache.
    pub kv_capacity: usize,
    /// Batches that were computed.
    pub batches: u64,
    /// Tokens in all of them.
    pub batch_tokens: u64,
    /// Generations in all of them: over `batches` it is how many a batch serves on average.
    pub batch_generations: u64,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name: the catalog's, or the file's.
    pub name: String,
    /// Same for the same weights and vocabulary; recorded with raw tokens and saved KV.
    pub fingerprint: String,
    /// The dialect it is spoken to in: `chatglm3`, `glm4`, `hermes`, `generic`, …
    pub dialect: String,
    /// Such as `qwen2`, `chatglm`; empty when unknown.
    pub architecture: String,
    /// Tokens that fit in the context, prompt and reply together.
    pub context_tokens: u32,
    /// The LoRA adapters that a request can choose by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<String>,
    /// What a person should know: an unknown template, a model that was never trained on tools.
    pub notes: Vec<String>,
}
