//! Server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use serde::Serialize;

/// A comment is sent this often while a prompt is read, so that no proxy takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Events with these data; the last is `[DONE]`.
pub(crate) fn events(data: impl Stream<Item = String> + Send + 'static) -> Response {
    let data = data.chain(stream::once(std::future::ready("[DONE]".to_owned())));
    let events = data.map(|data| Ok::<_, Infallible>(Event::default().data(data)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

pub(crate) fn to_text(chunk: &impl Serialize) -> String {
    // Plain data with maps from texts alone: nothing in it can fail.
    serde_json::to_string(chunk).unwrap_or_default()
}
