//! What chat and plain text have in common: how tokens are chosen, and what ends a reply.

use glassbox_model::Sampling;

use crate::error::ApiError;
use crate::wire::{SamplingFields, Stop};

/// Texts that end a reply. OpenAI takes four.
const MAX_STOPS: usize = 16;
/// Tokens with a bias, as OpenAI has it.
const MAX_BIASES: usize = 1024;

/// How tokens are chosen. `defaults` is what the caller left out.
pub(crate) fn read(fields: SamplingFields, defaults: &Sampling) -> Result<Sampling, ApiError> {
    let mut logit_bias = defaults.logit_bias.clone();
    if let Some(biases) = fields.logit_bias {
        let wrong = |problem: String| ApiError::invalid("logit_bias", problem);
        if biases.len() > MAX_BIASES {
            return Err(wrong(format!("{} tokens are more than {MAX_BIASES}", biases.len())));
        }
        logit_bias.clear();
        for (token, bias) in biases {
            let id = token.parse().map_err(|_| wrong(format!("`{token}` is not the number of a token")))?;
            logit_bias.push((id, bias));
        }
    }
    Ok(Sampling {
        temperature: fields.temperature.unwrap_or(defaults.temperature),
        top_p: fields.top_p.unwrap_or(defaults.top_p),
        top_k: fields.top_k.map_or(defaults.top_k, |k| u32::try_from(k.max(0)).unwrap_or(u32::MAX)),
        min_p: fields.min_p.unwrap_or(defaults.min_p),
        repetition_penalty: fields.repeat_penalty.unwrap_or(defaults.repetition_penalty),
        frequency_penalty: fields.frequency_penalty.unwrap_or(defaults.frequency_penalty),
        presence_penalty: fields.presence_penalty.unwrap_or(defaults.presence_penalty),
        logit_bias,
        seed: fields.seed.map_or(defaults.seed, |seed| Some(folded(seed))),
    })
}

/// The seed of our sampler has 32 bits: different seeds stay different where they are small.
fn folded(seed: i64) -> u32 {
    let bits = seed.cast_unsigned();
    u32::try_from((bits ^ (bits >> 32)) & u64::from(u32::MAX)).unwrap_or_default()
}

/// The texts that end a reply.
pub(crate) fn stop(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let texts = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    };
    if texts.len() > MAX_STOPS || texts.iter().any(String::is_empty) {
        return Err(ApiError::invalid(
            "stop",
            format!("at most {MAX_STOPS} texts end a reply, and none of them is empty"),
        ));
    }
    Ok(texts)
}
