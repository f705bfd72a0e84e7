//! The attacks on Jupyter kernels behind the launcher's walls, each named after the threat.

#![cfg(all(feature = "jupyter", target_os = "linux"))]

#[macro_use]
mod attacks;
mod backends;
mod suite;

use backends::kept_kernel;

attacked!(kept_kernel);
tried_by_kernels!(kept_kernel);
