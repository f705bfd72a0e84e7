//! The subcommands that need no model in memory.

pub(crate) mod models;
pub(crate) mod setup;
pub(crate) mod tools;
