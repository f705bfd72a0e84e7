//! An agent: a model, tools and rules, shared by its sessions.

use std::sync::Arc;

use glassbox_model::{AdapterChoice, ChatModel, InterpreterNotes, Sampling, ToolChoice};
use glassbox_sandbox::{Backend, InputSource, python_stubs};
use glassbox_tools::{Gate, Registry, ToolSpec};

use crate::machine::Concurrency;
use crate::{AgentBuilder, IntoShared, Session, TurnRules};

/// A model, tools and rules. Cheap to clone; any number of sessions may run at the same time.
#[derive(Clone)]
pub struct Agent {
    pub(crate) inner: Arc<AgentInner>,
}

pub(crate) struct AgentInner {
    pub(crate) model: Arc<dyn ChatModel>,
    pub(crate) gate: Gate,
    /// The registry's specs, as every request holds them.
    pub(crate) specs: Vec<ToolSpec>,
    pub(crate) interpreter: Option<Arc<dyn Backend>>,
    pub(crate) access: ToolAccess,
    /// Who answers programs that ask for a line.
    pub(crate) input: Option<Arc<dyn InputSource>>,
    pub(crate) defaults: Defaults,
}

/// How the model gets at the tools where it has an interpreter. Without one, by calls alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ToolAccess {
    /// By calls, and as functions of its programs.
    #[default]
    Both,
    /// By calls alone.
    Calls,
    /// As functions of its programs alone: the prompt shows them as Python stubs and nothing else. Where the interpreter
    /// cannot call tools, or there is none, by calls.
    Code,
}

impl ToolAccess {
    pub(crate) fn in_code(self) -> bool {
        self != Self::Calls
    }
}

/// What a session starts with and a turn may override.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    pub(crate) system: Option<String>,
    pub(crate) sampling: Sampling,
    pub(crate) adapter: AdapterChoice,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) max_turns: u32,
    pub(crate) max_retries: u32,
    pub(crate) max_repairs: u32,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stop_repetition: bool,
    pub(crate) stop: Vec<String>,
    pub(crate) parallel_calls: bool,
}

impl Agent {
    /// An agent on `model`: any [`ChatModel`], by value or in an `Arc`.
    pub fn builder<How>(model: impl IntoShared<dyn ChatModel, How>) -> AgentBuilder {
        AgentBuilder::new(model.into_shared())
    }

    /// A new conversation.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn ChatModel> {
        &self.inner.model
    }

    /// The tools.
    pub fn registry(&self) -> &Registry {
        self.inner.gate.registry()
    }

    /// The gate that every call passes.
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }
}

impl AgentInner {
    /// The tools that the model itself may call.
    pub(crate) fn offered(&self, backend: Option<&dyn Backend>) -> &[ToolSpec] {
        let by_code = self.access == ToolAccess::Code && backend.is_some_and(|backend| backend.capabilities().tools);
        if by_code { &[] } else { &self.specs }
    }

    /// What the model is told of the interpreter. `uploads`: files came with the message.
    pub(crate) fn notes(&self, backend: &dyn Backend, uploads: bool) -> InterpreterNotes {
        let can = backend.capabilities().tools;
        let callable = self.access.in_code() && can && !self.specs.is_empty();
        let mut environment = backend.describe();
        if !can && !self.specs.is_empty() {
            // Else a program calls by name what the model sees among its tools, and gets a NameError.
            environment.push_str(" The tools are not there for programs: call them yourself.");
        }
        let functions = if callable { python_stubs(&self.specs) } else { String::new() };
        InterpreterNotes { environment, functions, uploads }
    }

    /// The rules of one turn.
    pub(crate) fn rules(&self, tool_choice: ToolChoice, max_turns: u32, backend: Option<&dyn Backend>) -> TurnRules {
        let concurrency = |spec: &ToolSpec| if spec.serial { Concurrency::Serial } else { Concurrency::Parallel };
        TurnRules {
            max_turns,
            max_retries: self.defaults.max_retries,
            max_repairs: self.defaults.max_repairs,
            tool_choice,
            parallel_calls: self.defaults.parallel_calls,
            interpreter: backend.is_some(),
            tools: self.offered(backend).iter().map(|spec| (spec.name.clone(), concurrency(spec))).collect(),
        }
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("model", self.inner.model.info())
            .field("tools", self.registry())
            .field("interpreter", &self.inner.interpreter.as_ref().map(|backend| backend.name().to_owned()))
            .finish_non_exhaustive()
    }
}
