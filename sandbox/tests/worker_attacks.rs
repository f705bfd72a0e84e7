//! The attacks on CPython in WebAssembly in a process of its own, each named after the threat.
//!
//! Needs what `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "launch", target_os = "linux"))]

#[macro_use]
mod attacks;
mod backends;
mod suite;

use backends::worker;

attacked!(worker);
knocked!(worker);
