//! `POST /v1/chat/completions`.

mod read;
mod streamed;
mod whole;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::ApiError;
use crate::piece::{Piece, pieces};
use crate::state::{Shared, now};
use crate::wire::ChatRequest;
use crate::{adapter, body, sse};

/// Replies of one request that are written at once: others shall find room too.
const AT_ONCE: usize = 8;

/// A piece of the reply with this index.
type Indexed = (usize, Result<Piece, ApiError>);

/// What all chunks of a response repeat.
struct Reply {
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    /// How likely tokens were is told.
    logprobs: bool,
    /// How many replies there are.
    replies: usize,
}

/// Replies, of which there is mostly one. Where the client goes away the generations stop: their streams are dropped with the response.
pub(crate) async fn completions(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let mut asked: ChatRequest = body::read(request).await?;
    let adapter = adapter::read(&shared, &asked.model, asked.lora.take())?;
    let reply = Reply {
        id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
        created: now(),
        model: asked.model.clone(),
        fingerprint: shared.model.info().fingerprint.clone(),
        logprobs: asked.logprobs.unwrap_or(false),
        replies: read::replies(asked.n)?,
    };
    let is_streamed = asked.stream.unwrap_or(false);
    let include_usage = asked.stream_options.unwrap_or_default().include_usage;
    let request = glassbox_model::Request { adapter, ..read::read(asked, &shared.sampling)? };
    let mut written = written(&shared, request, reply.replies).peekable();
    if !is_streamed {
        return Ok(Json(whole::whole(reply, written.boxed()).await?).into_response());
    }
    // What is wrong from the beginning has a status of its own; later there is only the stream to say it in.
    let failed = std::pin::Pin::new(&mut written).next_if(|(_, piece)| piece.is_err()).await;
    if let Some((_, Err(error))) = failed {
        return Err(error);
    }
    Ok(sse::events(streamed::data(reply, include_usage, written.boxed())))
}

/// The pieces of all replies, as they come.
fn written(shared: &Arc<Shared>, request: glassbox_model::Request, replies: usize) -> BoxStream<'static, Indexed> {
    let shared = Arc::clone(shared);
    let replies = (0_u32..).take(replies).map(move |number| {
        let mut request = request.clone();
        // Each has a seed of its own, else all were the same.
        request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(number));
        request.cancellation = CancellationToken::new();
        let cancellation = request.cancellation.clone();
        let index = number as usize;
        let offered = request.tools.iter().map(|tool| tool.name.clone()).collect();
        pieces(&shared, cancellation, offered, shared.model.stream(request)).map(move |piece| (index, piece))
    });
    stream::iter(replies).flatten_unordered(AT_ONCE).boxed()
}
