//! What most programs need: `use glassbox::prelude::*;`.

pub use futures::StreamExt;

#[cfg(feature = "llama")]
pub use glassbox_model::Model;
pub use glassbox_model::{ChatModel, Message, Sampling, ToolChoice};
pub use glassbox_tools::{CancellationToken, ToolContext, tool, tools};

pub use crate::{Agent, Approval, AskApprover, AutoApprover, Event, Session, StopReason, TurnOptions};
