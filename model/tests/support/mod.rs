//! Parts that several tests share.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod breaking_server;
pub(crate) mod chatglm3_model;
pub(crate) mod fetching;
pub(crate) mod gguf_writer;
pub(crate) mod sentencepiece;
