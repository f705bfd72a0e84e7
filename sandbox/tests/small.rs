//! The small tier behaves as every backend does. Needs what `glassbox setup --small` makes.

#![cfg(feature = "wasm")]

mod backends;
#[macro_use]
mod suite;

use backends::small;

behaves!(small);
behaves!(small, cells as streams: [printed_lines_and_errors_keep_their_order]);
