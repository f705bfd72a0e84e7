//! The `glassbox` command as its users meet it: the real binary, its streams and its exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod bad_input;
mod chat;
mod data;
mod demo;
mod eval;
mod exec;
mod help;
mod interpreter;
mod json;
mod models;
mod nano;
mod run;
mod serve;
#[cfg(unix)]
mod setup;
#[cfg(unix)]
mod signals;
mod support;
mod tools;
