//! `POST /v1/chat/completions`.

mod read;
mod streamed;
mod whole;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use uuid::Uuid;

use crate::error::ApiError;
use crate::piece::pieces;
use crate::state::{Shared, now};
use crate::wire::ChatRequest;
use crate::{body, sse};

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
pub(crate) async fn completions(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let asked: ChatRequest = body::read(request).await?;
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
    let cancellation = request.cancellation.clone();
    let mut pieces = pieces(&shared, cancellation, shared.model.stream(request)).peekable();
    if !is_streamed {
        return Ok(Json(whole::whole(reply, pieces.boxed()).await?).into_response());
    }
    // What is wrong from the beginning has a status of its own; later there is only the stream to say it in.
    let failed = std::pin::Pin::new(&mut pieces).next_if(Result::is_err).await;
    if let Some(Err(error)) = failed {
        return Err(error);
    }
    Ok(sse::events(streamed::data(reply, include_usage, pieces.boxed())))
}
