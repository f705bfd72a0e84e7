//! Jupyter kernels of this machine behave as every backend does.

#![cfg(feature = "jupyter")]

mod backends;
#[macro_use]
mod suite;

use backends::free_kernel;

behaves!(free_kernel);
