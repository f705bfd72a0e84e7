//! Who is let in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::state::Shared;

/// An API key, as its digest: comparing digests takes the same time whatever was sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differences, (one, two)| differences | (one ^ two)) == 0
    }
}

/// Answers those who may ask.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    admit(&shared, request.headers())?;
    Ok(next.run(request).await)
}

/// With keys, whoever has one may ask; without, this machine alone, under its own name: a page in a browser can have its
/// own name resolved to this machine, and would then not count as foreign to it.
fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if shared.keys.is_empty() {
        let host = header(header::HOST).unwrap_or_default();
        return if shared.open || is_local(host) { Ok(()) } else { Err(ApiError::foreign_host(host)) };
    }
    let sent = header(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| Key::new(key.trim()));
    // All are looked at, so that the time tells nothing either.
    let known = sent.is_some_and(|sent| shared.keys.iter().fold(false, |known, key| known | key.is(&sent)));
    if known { Ok(()) } else { Err(ApiError::no_key()) }
}

/// Whether a `Host` header names this machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_are_local() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.8.8.8", "[::1]:8080", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "10.0.0.1:80", "[::2]", "", "127.0.0.1.example.com"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
