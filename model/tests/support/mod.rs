//! Parts that several tests share.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod breaking_server;
pub(crate) mod chatglm3_model;
pub(crate) mod fetching;
pub(crate) mod gguf_writer;
/// The library's reader of a SentencePiece file, which it keeps to itself.
#[path = "../../src/sentencepiece/proto.rs"]
mod proto;
