//! What the tests on a real model share: a server that runs until it is dropped.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::PathBuf;
use std::sync::Arc;

use glassbox_model::catalog::{Silent, resolve};
use glassbox_model::engine::EngineOptions;
use glassbox_model::{ChatModel, Model};
use glassbox_server::{Builder, Server};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

/// A server on a model of the catalog.
pub(crate) struct Real {
    pub(crate) base: String,
    pub(crate) model: Model,
    pub(crate) client: Client,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The file of a model, fetched where it is not in the cache.
pub(crate) async fn model_file(name: &str) -> PathBuf {
    resolve(name, &Silent).await.unwrap_or_else(|error| panic!("{error}\n{}", error.hint().unwrap_or_default()))
}

/// A small context, and one thread: tests run beside each other, and llama.cpp's threads wait for each other.
pub(crate) fn options() -> EngineOptions {
    EngineOptions { context: Some(2048), threads: Some(1), ..EngineOptions::default() }
}

impl Real {
    pub(crate) async fn start(name: &str, options: EngineOptions, set: impl FnOnce(Builder) -> Builder) -> Self {
        let model = Model::builder(name).options(options).load().await.unwrap();
        let shared: Arc<dyn ChatModel> = Arc::new(model.clone());
        let builder = set(Server::builder(shared).alias("test"));
        let server = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let base = format!("http://{}", server.address());
        let task = tokio::spawn(async move { server.run(std::future::pending()).await.unwrap() });
        Self { base, model, client: Client::new(), task }
    }

    pub(crate) async fn small() -> Self {
        Self::start("smollm2-135m", options(), |builder| builder).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }

    /// The answer, which must be a good one.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The chunks of a streamed reply, which must end in `[DONE]`.
    pub(crate) async fn chunks(&self, path: &str, body: &Value) -> Vec<Value> {
        let text = self.post(path, body).await.text().await.unwrap();
        let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{text}");
        data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}
