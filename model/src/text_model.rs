//! Text without a chat format.

use tokio_util::sync::CancellationToken;

use crate::{AdapterChoice, DeltaStream, ModelError, Sampling};

/// A model that goes on from any text, and that tells its tokens. Reached by [`ChatModel::text`](crate::ChatModel::text).
pub trait TextModel: Send + Sync {
    /// Starts a generation. The stream gives [`Delta::Prefill`](crate::Delta::Prefill), `Text`, `Logprobs` and
    /// `Finished`, and ends as that of [`ChatModel::stream`](crate::ChatModel::stream).
    fn complete(&self, request: CompletionRequest) -> DeltaStream;

    /// The tokens of `text`. With `specials`, the texts of special tokens and marks become those tokens. Blocks while it
    /// works, which for megabytes is seconds.
    fn tokenize(&self, text: &str, specials: bool) -> Vec<u32>;

    /// The token that a prompt begins with, where prompts of this model do.
    fn bos(&self) -> Option<u32>;

    /// The bytes that a token stands for; specials are named by their texts. May be part of a character. `None` for a
    /// number that is no token.
    fn piece(&self, token: u32) -> Option<Vec<u8>>;
}

/// What a generation goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text, in which the texts of special tokens stand for those tokens: whoever writes a whole prompt writes them. It
    /// gets the token that prompts of the model begin with.
    Text(String),
    /// Tokens, as they are.
    Tokens(Vec<u32>),
}

/// One generation from a prompt.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    /// What it goes on from.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Which LoRA adapter acts.
    pub adapter: AdapterChoice,
    /// As [`Request::logprobs`](crate::Request::logprobs).
    pub logprobs: Option<u32>,
    /// The most tokens to write; `None` leaves it to the context.
    pub max_tokens: Option<u32>,
    /// Texts that end the text; they are not part of it.
    pub stop: Vec<String>,
    /// Cancels this generation.
    pub cancellation: CancellationToken,
}

impl CompletionRequest {
    /// The likeliest text after `prompt`.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            adapter: AdapterChoice::default(),
            logprobs: None,
            max_tokens: None,
            stop: Vec::new(),
            cancellation: CancellationToken::new(),
        }
    }
}

/// Text of the tokens of `model`: a text that was cut inside a character has U+FFFD there.
///
/// # Errors
/// [`ModelError::Prompt`] where a number is no token.
pub fn detokenize(model: &dyn TextModel, tokens: &[u32]) -> Result<String, ModelError> {
    let mut bytes = Vec::new();
    for &token in tokens {
        let problem = || ModelError::Prompt { problem: format!("{token} is not a token of this model") };
        bytes.extend(model.piece(token).ok_or_else(problem)?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
