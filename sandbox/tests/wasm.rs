//! CPython in WebAssembly behaves as every backend does.

#![cfg(feature = "wasm")]

mod backends;
#[macro_use]
mod suite;

use backends::wasm;

behaves!(wasm);
behaves!(wasm, cells as streams: [printed_lines_and_errors_keep_their_order]);
