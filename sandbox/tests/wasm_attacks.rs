//! The attacks on CPython in WebAssembly, each named after the threat.

#![cfg(feature = "wasm")]

#[macro_use]
mod attacks;
mod backends;
mod suite;

use backends::wasm;

attacked!(wasm);
knocked!(wasm);
