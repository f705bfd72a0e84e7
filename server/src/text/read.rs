//! From OpenAI's request for text to the model's.

use glassbox_model::{AdapterChoice, CompletionRequest, Prompt, Sampling, TextModel, detokenize};
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;
use crate::sampling;
use crate::wire::{Prompts, TextRequest};

/// Texts of one request.
const MAX_TEXTS: usize = 64;
/// Likeliest tokens beside each. OpenAI takes five.
const MAX_LOGPROBS: u32 = 20;
/// Tokens of a text where the request does not say, as OpenAI has it.
const MAX_TOKENS: u32 = 16;

/// What is asked for.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) is_streamed: bool,
    pub(super) include_usage: bool,
    pub(super) logprobs: bool,
    /// What each text begins with.
    pub(super) echoes: Vec<String>,
    /// How many texts each prompt has.
    pub(super) each: usize,
    /// One for each text, those of the first prompt first.
    pub(super) requests: Vec<CompletionRequest>,
}

/// The model's requests. `defaults` is what the caller left out.
pub(super) fn read(
    request: TextRequest,
    defaults: &Sampling,
    adapter: &AdapterChoice,
    model: &dyn TextModel,
) -> Result<Asked, ApiError> {
    let each = request.n.unwrap_or(1);
    if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::unsupported(
            "suffix",
            "text before a suffix; models that know it take it within the prompt",
        ));
    }
    if request.best_of.is_some_and(|best| best != each) {
        return Err(ApiError::unsupported("best_of", "a choice among texts"));
    }
    if request.logprobs.is_some_and(|most| most > MAX_LOGPROBS) {
        return Err(ApiError::invalid("logprobs", format!("`logprobs` is at most {MAX_LOGPROBS}")));
    }
    let echo = request.echo.unwrap_or(false);
    if echo && request.logprobs.is_some() {
        return Err(ApiError::unsupported("echo", "the probabilities of a prompt's tokens"));
    }
    if request.max_tokens == Some(0) {
        return Err(ApiError::invalid("max_tokens", "a text has at least one token"));
    }
    let prompts = prompts(request.prompt)?;
    let each = each as usize;
    let texts = prompts.len().saturating_mul(each);
    if texts == 0 || texts > MAX_TEXTS {
        return Err(ApiError::invalid(
            "n",
            format!("a request has at least one text and at most {MAX_TEXTS}, not {texts}"),
        ));
    }
    let sampling = sampling::read(request.sampling, defaults)?;
    let stop = sampling::stop(request.stop)?;
    let (mut requests, mut echoes) = (Vec::new(), Vec::new());
    for prompt in prompts {
        let said = match (&prompt, echo) {
            (_, false) => String::new(),
            (Prompt::Text(text), true) => text.clone(),
            (Prompt::Tokens(tokens), true) => {
                detokenize(model, tokens).map_err(|error| ApiError::invalid("prompt", error.to_string()))?
            }
        };
        for number in (0u32..).take(each) {
            echoes.push(said.clone());
            requests.push(CompletionRequest {
                prompt: prompt.clone(),
                // Each text of a prompt has a seed of its own, else all were the same.
                sampling: Sampling { seed: sampling.seed.map(|seed| seed.wrapping_add(number)), ..sampling.clone() },
                adapter: adapter.clone(),
                logprobs: request.logprobs,
                max_tokens: Some(request.max_tokens.unwrap_or(MAX_TOKENS)),
                stop: stop.clone(),
                cancellation: CancellationToken::new(),
            });
        }
    }
    Ok(Asked {
        model: request.model,
        is_streamed: request.stream.unwrap_or(false),
        include_usage: request.stream_options.unwrap_or_default().include_usage,
        logprobs: request.logprobs.is_some(),
        echoes,
        each,
        requests,
    })
}

fn prompts(prompts: Prompts) -> Result<Vec<Prompt>, ApiError> {
    let prompts: Vec<Prompt> = match prompts {
        Prompts::Text(text) => vec![Prompt::Text(text)],
        Prompts::Tokens(tokens) => vec![Prompt::Tokens(tokens)],
        Prompts::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
        Prompts::TokenLists(lists) => lists.into_iter().map(Prompt::Tokens).collect(),
    };
    let is_empty = |prompt: &Prompt| match prompt {
        Prompt::Text(text) => text.is_empty(),
        Prompt::Tokens(tokens) => tokens.is_empty(),
    };
    if prompts.iter().any(is_empty) {
        return Err(ApiError::invalid("prompt", "a prompt is not empty"));
    }
    Ok(prompts)
}
