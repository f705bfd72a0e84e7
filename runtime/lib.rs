//! Glassbox is an agent runtime: a local GGUF model, typed tools, and code that runs where you can see it.
//!
//! An [`Agent`] holds a model, tools and rules; a [`Session`] is a conversation with it. A message goes in, and the
//! loop runs until the model has a plain reply: the model calls a tool, the [gate](tools::Gate) checks and runs it,
//! the model reads what came of it.
//!
//! ```
//! use glassbox::prelude::*;
//! use glassbox::model::scripted::{Reply, ScriptedModel};
//!
//! /// The price of a stock.
//! #[tool(read_only)]
//! fn track(
//!     /// The stock's code.
//!     symbol: String,
//! ) -> String {
//!     format!("{symbol}: 12412")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), glassbox::Error> {
//! // A script in place of a model; `Model::load("qwen2.5-coder-0.5b").await?` loads a real one.
//! let model = ScriptedModel::new([
//!     Reply::call("track", serde_json::json!({"symbol": "10111"})),
//!     Reply::text("It costs 12412."),
//! ]);
//! let agent = Agent::builder(model).tools(tools![track]).build()?;
//! let mut session = agent.session();
//! let reply = session.send("What does stock 10111 cost?").await?;
//! assert_eq!(reply.text(), "It costs 12412.");
//! assert_eq!(reply.calls()[0].observation, "10111: 12412");
//! # Ok(())
//! # }
//! ```
//!
//! [`Session::stream`] gives the same turn as [`Event`]s while it runs. Dropping that stream, or the future of
//! [`Session::send`], cancels the turn; so does the token in [`TurnOptions`].
//!
//! Below lie three crates, re-exported here: [`tools`](mod@tools), [`model`] and [`sandbox`].

mod act;
mod agent;
mod approval;
mod builder;
mod cell;
mod code_session;
mod driver;
mod error;
mod event;
pub mod machine;
mod millis;
mod options;
pub mod prelude;
mod program;
mod reply;
mod room;
mod runaway;
mod saved;
mod session;
mod shared;
mod stop;
mod stream;
mod turn;
mod upload;
mod usage;

pub use agent::{Agent, ToolAccess};
pub use approval::{AskApprover, PendingApproval};
pub use builder::AgentBuilder;
pub use error::Error;
pub use event::{Event, ToolFailure};
pub use options::TurnOptions;
pub use reply::{CallRecord, CodeRecord, Reply};
pub use saved::{Recorded, Resumed};
pub use session::Session;
pub use shared::IntoShared;
pub use stop::StopReason;
pub use stream::EventStream;
pub use usage::{TurnTimings, TurnUsage};

pub use glassbox_model as model;
pub use glassbox_sandbox as sandbox;
pub use glassbox_tools as tools;

pub use glassbox_model::{AdapterChoice, ChatModel, Message, Sampling, ToolChoice};
pub use glassbox_sandbox::{Backend, Interpreter};
#[doc(hidden)]
pub use glassbox_tools::__private;
pub use glassbox_tools::{
    Approval, ApprovalRequest, Approver, AutoApprover, CallId, CancellationToken, DenyApprover, Limits, Registry, Tool,
    ToolCall, ToolContext, ToolError, ToolOutput, tool, tools,
};

use machine::{Action, Step, TurnMachine, TurnRules};
