//! The trait behind every model.

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Delta, ModelError, Request};

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
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name: the catalog's, or the file's.
    pub name: String,
    /// Same for the same weights and vocabulary; recorded with raw tokens and saved KV.
    pub fingerprint: String,
    /// The dialect it is spoken to in: `chatglm3`, `hermes`, `generic`, …
    pub dialect: String,
    /// Such as `qwen2`, `chatglm`; empty when unknown.
    pub architecture: String,
    /// Tokens that fit in the context, prompt and reply together.
    pub context_tokens: u32,
    /// What a person should know: an unknown template, a model that was never trained on tools.
    pub notes: Vec<String>,
}
