//! Errors as OpenAI's clients read them.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glassbox_model::ModelError;
use glassbox_model::dialect::DialectError;
use serde_json::{Value, json};

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// OpenAI's word for the kind: `invalid_request_error`, `server_error`, …
    kind: &'static str,
    /// OpenAI's code, where it has one.
    code: Option<&'static str>,
    /// The member of the request that is meant.
    param: Option<String>,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    /// A member of the request is wrong.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        error.param = Some(param.into());
        error
    }

    /// The request as a whole cannot be read.
    pub(crate) fn unreadable(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    /// A member that OpenAI knows and this server does not follow: it is refused, as an answer without it would be
    /// another one than was asked for.
    pub(crate) fn unsupported(param: &str, what: &str) -> Self {
        let mut error = Self::invalid(param, format!("`{param}`: this server does not support {what}; leave it out"));
        error.code = Some("unsupported_parameter");
        error
    }

    /// No such model is served.
    pub(crate) fn no_model(name: &str, served: &[String]) -> Self {
        let names: Vec<_> = served.iter().map(|name| format!("`{name}`")).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        let mut error = Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            format!("the model `{name}` is not served here; {} {are}", names.join(", ")),
        );
        error.code = Some("model_not_found");
        error.param = Some("model".to_owned());
        error
    }

    /// Nothing is served at this path.
    pub(crate) fn no_path(method: &str, path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("there is no {method} {path}"))
    }

    /// The path has other methods.
    pub(crate) fn no_method(method: &str, path: &str) -> Self {
        let message = format!("{path} cannot be asked with {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
    }

    /// The key is missing or not one of ours.
    pub(crate) fn no_key() -> Self {
        let message = "a valid API key is needed: send it as `Authorization: Bearer KEY`";
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message);
        error.code = Some("invalid_api_key");
        error
    }

    /// A browser was led here under a name that is not this machine's.
    pub(crate) fn foreign_host(host: &str) -> Self {
        let message = format!("the host `{host}` is not this machine; without API keys only `localhost` is answered");
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", message)
    }

    /// Whatever serves chat here has no text without it.
    pub(crate) fn no_text() -> Self {
        let message = "this model has no text without a chat format";
        Self::new(StatusCode::NOT_IMPLEMENTED, "invalid_request_error", message)
    }

    /// The time of a request is over.
    pub(crate) fn time_limit(limit: Duration) -> Self {
        let message = format!("the reply was not done after {} s, the time limit of this server", limit.as_secs());
        let mut error = Self::new(StatusCode::GATEWAY_TIMEOUT, "server_error", message);
        error.code = Some("time_limit");
        error
    }

    /// The same about another member of the request, where it is about `named`.
    pub(crate) fn about(mut self, named: &str, other: &str) -> Self {
        if self.param.as_deref() == Some(named) {
            self.param = Some(other.to_owned());
        }
        self
    }

    /// The model's stream ended without an end.
    pub(crate) fn cut_short() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the reply was cut short")
    }

    /// As OpenAI's clients read it.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code } })
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        let message = match error.hint() {
            // Hints name options of the command where those of the API are meant.
            Some(hint) if !hint.contains("--") => format!("{error}; {hint}"),
            _ => error.to_string(),
        };
        match error {
            ModelError::ContextOverflow { .. } => {
                let mut refused = Self::invalid("messages", message);
                refused.code = Some("context_length_exceeded");
                refused
            }
            ModelError::QueueFull { .. } => {
                let mut refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
                refused.code = Some("queue_full");
                refused
            }
            ModelError::Prompt { .. } => Self::invalid("prompt", message),
            ModelError::Sampling { name, .. } => Self::invalid(name, message),
            ModelError::Adapter { .. } => Self::invalid("lora", message),
            ModelError::Dialect(DialectError::Format { .. }) => Self::invalid("response_format", message),
            ModelError::Dialect(DialectError::Order { .. }) => Self::invalid("messages", message),
            ModelError::Dialect(_) | ModelError::Grammar { .. } => Self::invalid("tools", message),
            _ => {
                tracing::error!(%error, "a generation failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")),
            StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            // OpenAI's clients ask again after a 504 of themselves, and it would take as long again.
            StatusCode::GATEWAY_TIMEOUT => headers.insert("x-should-retry", HeaderValue::from_static("false")),
            _ => None,
        };
        response
    }
}
