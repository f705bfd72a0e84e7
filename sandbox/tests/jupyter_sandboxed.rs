//! Jupyter kernels behind the walls of the launcher behave as every backend does.

#![cfg(all(feature = "jupyter", target_os = "linux"))]

mod backends;
#[macro_use]
mod suite;

use backends::kept_kernel;

behaves!(kept_kernel);
