//! [`Server`]: where it listens, whom it answers, how it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::routing::{get, post};
use axum::{Router, middleware};
use glassbox_model::{ChatModel, Sampling};
use tokio::net::TcpListener;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::access::{self, Key};
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::state::{Shared, now};
use crate::{chat, listing, text, tokens};

/// Bytes of a request's body: a context of a million tokens and the schemas of its tools.
const MAX_BODY: usize = 16 << 20;
/// How long OpenAI's clients wait of themselves.
const TIME_LIMIT: Duration = Duration::from_mins(10);

/// Why a server does not start or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach it, and nothing would keep them out.
    #[error("{address} can be reached by other machines, and there is no API key")]
    NoKeys {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An origin is not one.
    #[error("`{origin}` is not an origin")]
    BadOrigin {
        /// What was given.
        origin: String,
    },
    /// The connection was lost.
    #[error("the server has stopped: {0}")]
    Stopped(#[from] std::io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoKeys { .. } => "give API keys, listen on 127.0.0.1, or say that anybody may ask",
            Self::Listen { .. } => "choose another port; 0 takes a free one",
            Self::BadOrigin { .. } => "an origin is as `https://example.com`, without a path",
            Self::Stopped(_) => "start it again",
        }
    }
}

/// Makes a [`Server`]. Made by [`Server::builder`].
#[must_use]
pub struct Builder {
    model: Arc<dyn ChatModel>,
    names: Vec<String>,
    keys: Vec<Key>,
    origins: Vec<String>,
    open: bool,
    sampling: Sampling,
    time_limit: Duration,
    body_limit: usize,
}

impl Builder {
    /// A further name under which the model is asked for, such as the one that a client has built in.
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// A key that requests may carry. With one or more, requests without are refused.
    pub fn api_key(mut self, key: &str) -> Self {
        self.keys.push(Key::new(key));
        self
    }

    /// Answers other machines without a key too. Default false.
    pub fn open(mut self, open: bool) -> Self {
        self.open = open;
        self
    }

    /// Lets pages of this origin ask from a browser. Default: none.
    pub fn cors_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// How tokens are chosen where a request does not say. Default: [`Sampling::default`], the likeliest token each time.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// How long a reply may take, its time in the queue included. Then its generation is cancelled, and the request ends
    /// with an error. Default 10 minutes.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The most bytes of a request's body. Default 16 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServeError::NoKeys`] where other machines could reach it unasked, [`ServeError::BadOrigin`],
    /// [`ServeError::Listen`].
    pub async fn bind(self, address: SocketAddr) -> Result<Server, ServeError> {
        if self.keys.is_empty() && !self.open && !address.ip().is_loopback() {
            return Err(ServeError::NoKeys { address });
        }
        let cors = cors(&self.origins)?;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Shared {
            metrics: Metrics::new(&self.model),
            model: self.model,
            names: self.names,
            keys: self.keys,
            open: self.open,
            sampling: self.sampling,
            time_limit: self.time_limit,
            since: now(),
        };
        Ok(Server { listener, address, router: router(Arc::new(shared), cors, self.body_limit) })
    }
}

/// A server that listens. It answers once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Server {
    /// One for `model`, under the model's own name.
    pub fn builder(model: Arc<dyn ChatModel>) -> Builder {
        let names = vec![model.info().name.clone()];
        Builder {
            model,
            names,
            keys: Vec::new(),
            origins: Vec::new(),
            open: false,
            sampling: Sampling::default(),
            time_limit: TIME_LIMIT,
            body_limit: MAX_BODY,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` is ready, and then until the replies under way are over.
    ///
    /// # Errors
    /// [`ServeError::Stopped`].
    pub async fn run(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        axum::serve(self.listener, self.router).with_graceful_shutdown(end).await?;
        Ok(())
    }
}

fn cors(origins: &[String]) -> Result<CorsLayer, ServeError> {
    let mut values = Vec::new();
    for origin in origins {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let value = rest.filter(|rest| !rest.is_empty() && !rest.contains('/')).and(HeaderValue::from_str(origin).ok());
        values.push(value.ok_or_else(|| ServeError::BadOrigin { origin: origin.clone() })?);
    }
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(values))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]))
}

fn router(shared: Arc<Shared>, cors: CorsLayer, body_limit: usize) -> Router {
    let api = Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/completions", post(text::completions))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/v1/models", get(listing::models))
        .route("/metrics", get(listing::metrics))
        .route("/v1/models/{name}", get(listing::model))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), access::check));
    Router::new()
        // For those who watch it, without a key.
        .route("/health", get(listing::health))
        .merge(api)
        .method_not_allowed_fallback(async |method: Method, uri: Uri| ApiError::no_method(method.as_str(), uri.path()))
        .fallback(async |method: Method, uri: Uri| ApiError::no_path(method.as_str(), uri.path()))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(cors)
        .with_state(shared)
}
