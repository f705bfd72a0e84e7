//! Typed tools for Glassbox.
//!
//! A [`Tool`] is a described function that a model may call. The `#[tool]` macro makes one from a Rust function; a
//! [`Registry`] holds those of an agent; the [`Gate`] is the one door through which every call passes, whoever makes
//! it: lookup, schema check, approval, timeout, panic guard and size limit.
//!
//! This crate is the ground floor: it knows neither models nor sandboxes.

mod approval;
mod call;
mod content;
mod context;
mod error;
mod spec;
mod tool;

pub use approval::{Approval, ApprovalRequest, Approver, AutoApprover, DenyApprover};
pub use call::{CallId, ToolCall};
pub use content::{Content, ToolOutput};
pub use context::{OutputSink, ToolContext};
pub use error::ToolError;
pub use spec::{SpecError, ToolHints, ToolSpec};
pub use tool::{BoxTool, Tool};
