//! Which LoRA adapter a request asks for.

use glassbox_model::AdapterChoice;

use crate::error::ApiError;
use crate::state::Shared;
use crate::wire::LoraField;

/// The adapter that `lora` asks for, or, where the request has none, the model's name.
pub(crate) fn read(shared: &Shared, model: &str, lora: Option<Vec<LoraField>>) -> Result<AdapterChoice, ApiError> {
    let named = shared.named(model)?;
    let Some(lora) = lora else { return Ok(named) };
    if named != AdapterChoice::AsLoaded {
        return Err(ApiError::invalid("lora", "the model's name asks for an adapter already; leave `lora` out"));
    }
    let known = &shared.model.info().adapters;
    // Clients of llama.cpp's server name all, those that shall not act with the scale 0.
    let mut acting = lora.into_iter().filter(|adapter| adapter.scale != Some(0.0));
    let (adapter, others) = (acting.next(), acting.next());
    let Some(LoraField { id, name, scale }) = adapter else { return Ok(AdapterChoice::Base) };
    if others.is_some() {
        return Err(ApiError::unsupported("lora", "more than one adapter at a time"));
    }
    let name = match (id, name) {
        (_, Some(name)) => name,
        (Some(id), None) => known.get(id).cloned().ok_or_else(|| {
            ApiError::invalid("lora", format!("there is no adapter {id}; there are {}, counted from 0", known.len()))
        })?,
        (None, None) => return Err(ApiError::invalid("lora", "an adapter is named by `id` or `name`")),
    };
    Ok(AdapterChoice::Named { name, scale })
}
