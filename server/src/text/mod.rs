//! `POST /v1/completions`: text after prompts, without a chat format.

mod choices;
mod read;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use uuid::Uuid;

use crate::error::ApiError;
use crate::piece::{Piece, pieces};
use crate::state::{Shared, now};
use crate::wire::{TextChoice, TextReply, TextRequest, Usage};
use crate::{adapter, body, sse};

use choices::Choices;
use read::{Asked, read};

/// Texts of one request that are written at once: others shall find room too.
const AT_ONCE: usize = 8;

/// A piece of the text with this index.
type Indexed = (usize, Result<Piece, ApiError>);

/// Texts. Where the client goes away they stop: their streams are dropped with the response.
pub(crate) async fn completions(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let mut asked: TextRequest = body::read(request).await?;
    let adapter = adapter::read(&shared, &asked.model, asked.lora.take())?;
    let model = shared.model.text().ok_or_else(ApiError::no_text)?;
    let asked = read(asked, &shared.sampling, &adapter, model)?;
    let reply = TextReply {
        id: format!("cmpl-{}", Uuid::new_v4().simple()),
        object: "text_completion",
        created: now(),
        model: asked.model.clone(),
        system_fingerprint: shared.model.info().fingerprint.clone(),
        choices: Vec::new(),
        usage: None,
    };
    let choices = Choices::new(&asked);
    let (is_streamed, include_usage) = (asked.is_streamed, asked.include_usage);
    let mut written = written(&shared, asked).peekable();
    if !is_streamed {
        return Ok(Json(whole(reply, choices, written.boxed()).await?).into_response());
    }
    // What is wrong from the beginning has a status of its own; later there is only the stream to say it in.
    let failed = std::pin::Pin::new(&mut written).next_if(|(_, piece)| piece.is_err()).await;
    if let Some((_, Err(error))) = failed {
        return Err(error);
    }
    Ok(sse::events(streamed(reply, choices, include_usage, written.boxed())))
}

/// The pieces of all texts, as they come.
fn written(shared: &Arc<Shared>, asked: Asked) -> BoxStream<'static, Indexed> {
    let shared = Arc::clone(shared);
    let texts = asked.requests.into_iter().enumerate().map(move |(index, request)| {
        let cancellation = request.cancellation.clone();
        let deltas = match shared.model.text() {
            Some(model) => model.complete(request),
            None => stream::empty().boxed(),
        };
        let pieces = pieces(&shared, cancellation, Vec::new(), deltas);
        pieces.map(move |piece| (index, piece.map_err(|error| error.about("messages", "prompt"))))
    });
    stream::iter(texts).flatten_unordered(AT_ONCE).boxed()
}

async fn whole(
    mut reply: TextReply,
    mut choices: Choices,
    mut written: BoxStream<'static, Indexed>,
) -> Result<TextReply, ApiError> {
    let mut texts: Vec<TextChoice> = choices
        .begin()
        .into_iter()
        .enumerate()
        .map(|(index, text)| TextChoice { text, index, ..TextChoice::default() })
        .collect();
    while let Some((index, piece)) = written.next().await {
        let more = choices.take(index, piece?);
        let Some(choice) = texts.get_mut(index) else { continue };
        choice.text.push_str(&more.text);
        choice.finish_reason = more.finish_reason.or(choice.finish_reason);
        if let Some(more) = more.logprobs {
            choice.logprobs.get_or_insert_default().extend(more);
        }
    }
    if texts.iter().any(|choice| choice.finish_reason.is_none()) {
        return Err(ApiError::cut_short());
    }
    reply.choices = texts;
    reply.usage = Some(choices.usage());
    Ok(reply)
}

fn streamed(
    reply: TextReply,
    choices: Choices,
    include_usage: bool,
    written: BoxStream<'static, Indexed>,
) -> impl futures::Stream<Item = String> + Send + 'static {
    let chunk = move |reply: &TextReply, choices: Vec<TextChoice>, usage: Option<Usage>| {
        sse::to_text(&TextReply { choices, usage, ..reply.clone() })
    };
    let begun = choices.begin().into_iter().enumerate().filter(|(_, text)| !text.is_empty());
    let begun: Vec<String> = begun
        .map(|(index, text)| chunk(&reply, vec![TextChoice { text, index, ..TextChoice::default() }], None))
        .collect();
    let state = (reply, choices, written, false);
    let rest = stream::unfold(state, move |(reply, mut choices, mut written, over)| async move {
        if over {
            return None;
        }
        let (text, over) = match written.next().await {
            Some((index, Ok(piece))) => (chunk(&reply, vec![choices.take(index, piece)], None), false),
            Some((_, Err(error))) => (error.body().to_string(), true),
            None if include_usage => (chunk(&reply, Vec::new(), Some(choices.usage())), true),
            None => return None,
        };
        Some((text, (reply, choices, written, over)))
    });
    stream::iter(begun).chain(rest)
}
