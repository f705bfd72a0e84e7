//! A Jupyter server's REST interface, as much of it as sessions need.
//!
//! <https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html>

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::InterpreterError;

/// How long a server may take to answer; starting a kernel is part of one.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Bytes of an error's text that are shown.
const SHOWN: usize = 300;

/// A server and the token that opens it.
#[derive(Clone)]
pub(super) struct Server {
    url: Url,
    token: String,
    client: Client,
}

impl std::fmt::Debug for Server {
    // Not the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// What a kernelspec of the server says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    pub(super) display_name: String,
    pub(super) language: String,
}

/// A file or folder of the server.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) last_modified: Option<String>,
    #[serde(default)]
    content: Value,
}

impl Server {
    /// `url` is the one a browser would open, with or without `/lab`, `/tree` and `?token=…`.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, InterpreterError> {
        let bad = |problem: &dyn std::fmt::Display| InterpreterError::SetUp {
            backend: "jupyter-remote",
            problem: format!("`{url}` is no address of a Jupyter server: {problem}"),
        };
        let mut parsed = Url::parse(url).map_err(|error| bad(&error))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad(&"it begins with neither `http:` nor `https:`"));
        }
        let in_url = parsed.query_pairs().find(|(name, _)| name == "token").map(|(_, value)| value.into_owned());
        let token = token.map(str::to_owned).or(in_url).unwrap_or_default();
        parsed.set_query(None);
        parsed.set_fragment(None);
        let path = parsed.path().trim_end_matches('/');
        let path = path.strip_suffix("/lab").or_else(|| path.strip_suffix("/tree")).unwrap_or(path).to_owned();
        parsed.set_path(&format!("{path}/"));
        // Websockets are of HTTP 1. A proxy is taken from the environment, as elsewhere.
        let client = Client::builder().http1_only().build().map_err(InterpreterError::backend)?;
        Ok(Self { url: parsed, token, client })
    }

    /// An address below `api/`. Each name is escaped.
    pub(super) fn address<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.url.clone();
        // An http address always has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(names);
        }
        url
    }

    /// A request with the token, which goes into no address and so into no log.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        if self.token.is_empty() { request } else { request.header("Authorization", format!("token {}", self.token)) }
    }

    /// Sends a request and reads its JSON; `null` where there is none.
    async fn ask(&self, method: Method, names: &[&str], body: Option<Value>) -> Result<Value, Refusal> {
        self.send(method, self.address(names.iter().copied()), body).await
    }

    async fn send(&self, method: Method, url: Url, body: Option<Value>) -> Result<Value, Refusal> {
        let mut request = self.request(method, url).timeout(ANSWER_TIME);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| Refusal::unreachable(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Refusal::unreachable(&error))?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = json.get("message").and_then(Value::as_str).unwrap_or(&text);
        let said = said.get(..said.floor_char_boundary(SHOWN)).unwrap_or_default();
        Err(Refusal { status: Some(status), said: format!("{status} {said}") })
    }

    /// The kernelspecs, and the name of the default one.
    pub(super) async fn specs(&self) -> Result<(String, Vec<(String, Spec)>), Refusal> {
        let mut answer = self.ask(Method::GET, &["kernelspecs"], None).await?;
        let default = answer.get("default").and_then(Value::as_str).unwrap_or_default().to_owned();
        let specs =
            answer.get_mut("kernelspecs").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
        let spec = |(name, mut value): (String, Value)| {
            let spec = value.get_mut("spec").map(Value::take)?;
            Some((name, serde_json::from_value(spec).ok()?))
        };
        Ok((default, specs.into_iter().filter_map(spec).collect()))
    }

    /// Starts a kernel and gives its id. `folder` is its working folder.
    pub(super) async fn start(&self, kernel: &str, folder: Option<&str>) -> Result<String, Refusal> {
        let body = match folder {
            Some(folder) => json!({"name": kernel, "path": folder}),
            None => json!({"name": kernel}),
        };
        let answer = self.ask(Method::POST, &["kernels"], Some(body)).await?;
        let id = answer.get("id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Refusal { status: None, said: "it names no kernel".to_owned() })
    }

    /// Whether the kernel is still there.
    pub(super) async fn has(&self, id: &str) -> Result<bool, Refusal> {
        match self.ask(Method::GET, &["kernels", id], None).await {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) async fn interrupt(&self, id: &str) -> Result<(), Refusal> {
        self.ask(Method::POST, &["kernels", id, "interrupt"], Some(json!({}))).await.map(drop)
    }

    /// Ends a kernel.
    pub(super) async fn delete(&self, id: &str) -> Result<(), Refusal> {
        self.ask(Method::DELETE, &["kernels", id], None).await.map(drop)
    }

    pub(super) async fn make_folder(&self, path: &[&str]) -> Result<(), Refusal> {
        self.contents(Method::PUT, path, "", Some(json!({"type": "directory"}))).await.map(drop)
    }

    pub(super) async fn put_file(&self, path: &[&str], data: &[u8]) -> Result<(), Refusal> {
        let body = json!({"type": "file", "format": "base64", "content": STANDARD.encode(data)});
        self.contents(Method::PUT, path, "", Some(body)).await.map(drop)
    }

    pub(super) async fn get_file(&self, path: &[&str]) -> Result<Vec<u8>, Refusal> {
        let answer = self.contents(Method::GET, path, "type=file&format=base64&content=1", None).await?;
        let content = answer.get("content").and_then(Value::as_str).unwrap_or_default();
        // Python's base64 breaks its lines.
        let content: String = content.split_ascii_whitespace().collect();
        STANDARD.decode(content).map_err(|error| Refusal { status: None, said: error.to_string() })
    }

    /// What is in a folder.
    pub(super) async fn list_folder(&self, path: &[&str]) -> Result<Vec<Entry>, Refusal> {
        let answer = self.contents(Method::GET, path, "type=directory&content=1", None).await?;
        let entry: Entry =
            serde_json::from_value(answer).map_err(|error| Refusal { status: None, said: error.to_string() })?;
        Ok(serde_json::from_value(entry.content).unwrap_or_default())
    }

    pub(super) async fn remove(&self, path: &[&str]) -> Result<(), Refusal> {
        self.contents(Method::DELETE, path, "", None).await.map(drop)
    }

    async fn contents(
        &self,
        method: Method,
        path: &[&str],
        query: &str,
        body: Option<Value>,
    ) -> Result<Value, Refusal> {
        let mut url = self.address(std::iter::once("contents").chain(path.iter().copied()));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        self.send(method, url, body).await
    }
}

/// Why the server did not do it.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(super) struct Refusal {
    /// `None` where it could not be reached or said nothing sensible.
    pub(super) status: Option<StatusCode>,
    pub(super) said: String,
}

impl Refusal {
    fn unreachable(error: &reqwest::Error) -> Self {
        Self { status: None, said: format!("the Jupyter server cannot be reached: {}", root_cause(error)) }
    }

    pub(super) fn not_found(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
    }
}

impl From<Refusal> for InterpreterError {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Self::SetUp {
                backend: "jupyter-remote",
                problem: format!("the Jupyter server refuses the token ({})", refusal.said),
            },
            _ => Self::backend(format!("the Jupyter server: {}", refusal.said)),
        }
    }
}

/// What lies at the bottom of an error; the top says no more than that there was one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_browser_is_one_of_the_server() {
        for (given, expected) in [
            ("http://h:8888", "http://h:8888/api/kernels/a%2Fb"),
            ("http://h/lab?token=secret", "http://h/api/kernels/a%2Fb"),
            ("https://hub/user/me/tree/", "https://hub/user/me/api/kernels/a%2Fb"),
            ("http://[::1]:1/base", "http://[::1]:1/base/api/kernels/a%2Fb"),
        ] {
            let server = Server::new(given, None).unwrap();
            assert_eq!(server.address(["kernels", "a/b"]).as_str(), expected);
            assert!(!format!("{server:?}").contains("secret"));
        }
        for given in ["h:8888", "", "file:///etc", "ftp://h"] {
            assert!(Server::new(given, None).is_err(), "{given}");
        }
    }
}
