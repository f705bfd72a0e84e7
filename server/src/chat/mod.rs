//! `POST /v1/chat/completions`.

mod piece;
mod read;
mod streamed;
mod whole;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use uuid::Uuid;

use crate::error::ApiError;
use crate::metrics::Running;
use crate::state::{Shared, now};
use crate::wire::ChatRequest;

/// A comment is sent this often while a prompt is read, so that no proxy takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What all chunks of a reply repeat.
struct Reply {
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    /// How likely tokens were is told.
    logprobs: bool,
}

/// One reply. Where the client goes away the generation stops: the stream is dropped with the response.
pub(crate) async fn completions(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let asked: ChatRequest = body_of(&headers, body)?;
    shared.check_name(&asked.model)?;
    let reply = Reply {
        id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
        created: now(),
        model: asked.model.clone(),
        fingerprint: shared.model.info().fingerprint.clone(),
        logprobs: asked.logprobs.unwrap_or(false),
    };
    let is_streamed = asked.stream.unwrap_or(false);
    let include_usage = asked.stream_options.unwrap_or_default().include_usage;
    let request = read::read(asked, &shared.sampling)?;
    let mut pieces = piece::pieces(shared.model.stream(request), Running::new(Arc::clone(&shared))).peekable();
    if !is_streamed {
        return Ok(Json(whole::whole(reply, pieces.boxed()).await?).into_response());
    }
    // What is wrong from the beginning has a status of its own; later there is only the stream to say it in.
    let failed = std::pin::Pin::new(&mut pieces).next_if(Result::is_err).await;
    if let Some(Err(error)) = failed {
        return Err(error);
    }
    let events = streamed::events(reply, include_usage, pieces.boxed());
    let events = events.map(|data| Ok::<_, Infallible>(Event::default().data(data)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The request in a body.
fn body_of(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<ChatRequest, ApiError> {
    let body = body.map_err(|rejection| ApiError::unreadable(rejection.status(), rejection.body_text()))?;
    // A page in a browser may send anything else to us without asking.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "the body must be JSON: send `Content-Type: application/json`";
        return Err(ApiError::unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::unreadable(StatusCode::BAD_REQUEST, format!("the request cannot be read: {error}")))
}
