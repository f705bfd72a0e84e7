//! The subcommands that hold no conversation.

pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod models;
pub(crate) mod serve;
pub(crate) mod setup;
pub(crate) mod tools;
