//! `/v1/models`, `/health` and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::Shared;

fn described(shared: &Shared, name: &str) -> Value {
    let info = shared.model.info();
    json!({
        "id": name,
        "object": "model",
        "created": shared.since,
        "owned_by": "glassbox",
        "context_tokens": info.context_tokens,
        "dialect": info.dialect,
        "architecture": info.architecture,
    })
}

/// The names of the model.
pub(crate) async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let data: Vec<Value> = shared.listed().iter().map(|name| described(&shared, name)).collect();
    Json(json!({ "object": "list", "data": data }))
}

/// One of them.
pub(crate) async fn model(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    shared.named(&name)?;
    Ok(Json(described(&shared, &name)))
}

/// The server is there, and its model is loaded.
pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "status": "ok", "model": shared.name() }))
}

/// The counters.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}
