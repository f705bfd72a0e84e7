//! OpenAI's API over a Glassbox model.
//!
//! [`Server`] serves one [`ChatModel`](glassbox_model::ChatModel). Tools are the caller's: their calls go out as
//! `tool_calls` and come back as messages of the role `tool`. What is read and written is in [`wire`], after
//! <https://platform.openai.com/docs/api-reference/chat>. Text without a chat format and its tokens are there where the
//! model has a [`TextModel`](glassbox_model::TextModel).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use glassbox_model::ScriptedModel;
//! use glassbox_server::Server;
//!
//! let server = Server::builder(Arc::new(ScriptedModel::new([]))).bind("127.0.0.1:8080".parse()?).await?;
//! println!("http://{}/v1", server.address());
//! server.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod adapter;
mod body;
mod chat;
mod error;
mod listing;
mod metrics;
mod piece;
mod sampling;
mod serve;
mod sse;
mod state;
mod text;
mod tokens;
pub mod wire;

pub use serve::{Builder, ServeError, Server};
