//! ChatGLM3-nano through the whole loop: a model of ChatGLM3's architecture, tokenizer and format that has learnt to call,
//! to repair and to answer (`model/nano/README.md`). Decoded greedily; every call and every program is its own.
#![cfg(all(feature = "llama", feature = "fetch", feature = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod adapter;
mod calls;
mod code;
mod cuts;
mod support;
