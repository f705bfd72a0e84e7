//! The body of a request.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// How long a client may take to send one.
const TIME: Duration = Duration::from_secs(60);

/// What a JSON body says.
pub(crate) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    check_kind(request.headers())?;
    let body = tokio::time::timeout(TIME, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        ApiError::unreadable(StatusCode::REQUEST_TIMEOUT, format!("the body was not there after {} s", TIME.as_secs()))
    })?;
    let body = body.map_err(|rejection| ApiError::unreadable(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::unreadable(StatusCode::BAD_REQUEST, format!("the request cannot be read: {error}")))
}

/// A page in a browser may send anything else to us without asking.
fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "the body must be JSON: send `Content-Type: application/json`";
    Err(ApiError::unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}
