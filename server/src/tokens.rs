//! `POST /tokenize` and `/detokenize`, as llama.cpp's server has them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use glassbox_model::{TextModel, detokenize as text_of};
use serde_json::{Value, json};

use crate::body;
use crate::error::ApiError;
use crate::state::Shared;
use crate::wire::{DetokenizeRequest, TokenizeRequest};

/// The tokens of a text.
pub(crate) async fn tokenize(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Value>, ApiError> {
    let asked: TokenizeRequest = body::read(request).await?;
    beside(shared, move |model| {
        let begin = if asked.add_special { model.bos() } else { None };
        let tokens: Vec<u32> = begin.into_iter().chain(model.tokenize(&asked.content, asked.parse_special)).collect();
        if !asked.with_pieces {
            return Ok(Json(json!({ "tokens": tokens })));
        }
        let pieces = tokens.into_iter().map(|id| {
            // Bytes that are no text come as numbers.
            let piece = String::from_utf8(model.piece(id).unwrap_or_default());
            json!({ "id": id, "piece": piece.map_or_else(|error| json!(error.into_bytes()), Value::String) })
        });
        Ok(Json(json!({ "tokens": pieces.collect::<Vec<_>>() })))
    })
    .await
}

/// The text of tokens.
pub(crate) async fn detokenize(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Value>, ApiError> {
    let asked: DetokenizeRequest = body::read(request).await?;
    beside(shared, move |model| match text_of(model, &asked.tokens) {
        Ok(content) => Ok(Json(json!({ "content": content }))),
        Err(error) => Err(ApiError::invalid("tokens", error.to_string())),
    })
    .await
}

/// Runs `work` beside the async threads: megabytes of text take seconds.
async fn beside<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&dyn TextModel) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let work = move || work(shared.model.text().ok_or_else(ApiError::no_text)?);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a text could not be read");
        Err(ApiError::unreadable(StatusCode::INTERNAL_SERVER_ERROR, "the text could not be read"))
    })
}
