//! How an agent is put together.

use std::sync::Arc;

use glassbox_model::{AdapterChoice, ChatModel, Sampling, ToolChoice};
use glassbox_sandbox::{Backend, InputSource};
use glassbox_tools::{Approver, BoxTool, DenyApprover, Gate, IntoTools, Limits, OutputStore, Registry};

use crate::agent::{AgentInner, Defaults};
use crate::{Agent, Error, IntoShared, ToolAccess};

/// Puts an [`Agent`] together. What is left out has the default that its method names.
#[must_use = "an agent comes from `build()`"]
pub struct AgentBuilder {
    model: Arc<dyn ChatModel>,
    registry: Registry,
    tools: Vec<BoxTool>,
    interpreter: Option<Arc<dyn Backend>>,
    access: ToolAccess,
    input: Option<Arc<dyn InputSource>>,
    approver: Arc<dyn Approver>,
    limits: Limits,
    outputs: OutputStore,
    defaults: Defaults,
}

impl std::fmt::Debug for AgentBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentBuilder")
            .field("model", self.model.info())
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}

impl AgentBuilder {
    pub(crate) fn new(model: Arc<dyn ChatModel>) -> Self {
        Self {
            model,
            registry: Registry::new(),
            tools: Vec::new(),
            interpreter: None,
            access: ToolAccess::default(),
            input: None,
            approver: Arc::new(DenyApprover),
            limits: Limits::default(),
            outputs: OutputStore::default(),
            defaults: Defaults {
                system: None,
                sampling: Sampling::default(),
                adapter: AdapterChoice::default(),
                tool_choice: ToolChoice::Auto,
                max_turns: 8,
                max_retries: 2,
                max_repairs: 3,
                max_tokens: None,
                stop_repetition: true,
                stop: Vec::new(),
                parallel_calls: true,
            },
        }
    }

    /// Adds tools, in the order in which the model shall read them: `tools![a, b]`, a list, one tool.
    pub fn tools(mut self, tools: impl IntoTools) -> Self {
        self.tools.extend(tools.into_tools());
        self
    }

    /// Adds one tool that is a value. A `#[tool]` function is added with `tools(tools![function])`.
    pub fn tool(self, tool: impl IntoTools) -> Self {
        self.tools(tool)
    }

    /// Takes the tools of `registry`; those of [`AgentBuilder::tools`] come after them. Default: none.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Lets the model run code. Each session opens an interpreter session of its own, when its first program or file
    /// comes, and closes it at its end. [`Shared`](glassbox_sandbox::Shared) makes a backend of one session that all
    /// use. Default: none.
    pub fn interpreter<How>(mut self, backend: impl IntoShared<dyn Backend, How>) -> Self {
        self.interpreter = Some(backend.into_shared());
        self
    }

    /// How the model gets at the tools where it has an interpreter. Default: [`ToolAccess::Both`].
    pub fn tool_access(mut self, access: ToolAccess) -> Self {
        self.access = access;
        self
    }

    /// How often in a row the model may correct a program that failed. It reads how many attempts are left; after the
    /// last it is asked for an answer in words. Default: 3.
    pub fn max_repairs(mut self, max_repairs: u32) -> Self {
        self.defaults.max_repairs = max_repairs;
        self
    }

    /// The system prompt that sessions begin with. Default: none, or the dialect's own.
    pub fn system(mut self, system: impl Into<String>) -> Self {
        self.defaults.system = Some(system.into());
        self
    }

    /// Who says yes to a call. Default: [`DenyApprover`], which denies tools marked `destructive`.
    pub fn approver<How>(mut self, approver: impl IntoShared<dyn Approver, How>) -> Self {
        self.approver = approver.into_shared();
        self
    }

    /// Who answers a program that calls `input()`. Default: nobody, and the program gets an `EOFError` that says what to
    /// do instead.
    pub fn input<How>(mut self, input: impl IntoShared<dyn InputSource, How>) -> Self {
        self.input = Some(input.into_shared());
        self
    }

    /// How tokens are chosen. Default: the likeliest token.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.defaults.sampling = sampling;
        self
    }

    /// Which LoRA adapter acts, of those that were loaded with the model. Default: [`AdapterChoice::AsLoaded`]. A name that
    /// was not loaded is an error of each turn.
    pub fn adapter(mut self, adapter: AdapterChoice) -> Self {
        self.defaults.adapter = adapter;
        self
    }

    /// The most generations for one message; a turn that would need more ends with
    /// [`StopReason::MaxTurns`](crate::StopReason::MaxTurns). 0 counts as 1. Default: 8.
    pub fn max_turns(mut self, max_turns: u32) -> Self {
        self.defaults.max_turns = max_turns;
        self
    }

    /// The most forced generations in a row after calls that could not be used. Default: 2.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.defaults.max_retries = max_retries;
        self
    }

    /// The most tokens of one generation. Default: what the context holds.
    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.defaults.max_tokens = Some(max_tokens);
        self
    }

    /// Whether a reply is stopped once its end is one passage at least ten times over, of 2000 characters or more, of 8000
    /// in rows without a letter ([`StopReason::Repetition`](crate::StopReason::Repetition)). Small models do not get out of such a circle before the
    /// context is full. Default: true; turn it off where a reply may have to be that uniform.
    pub fn stop_repetition(mut self, stop: bool) -> Self {
        self.defaults.stop_repetition = stop;
        self
    }

    /// Texts that end a reply; they are not part of it. Default: none.
    pub fn stop<S: Into<String>>(mut self, stop: impl IntoIterator<Item = S>) -> Self {
        self.defaults.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// What a tool call may use. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where outputs are kept that are too long for the model. Give the same store to
    /// [`ReadOutput`](glassbox_tools::builtin::ReadOutput) among the tools, and the model can read on. Default: a store
    /// of the agent's own.
    pub fn outputs(mut self, outputs: OutputStore) -> Self {
        self.outputs = outputs;
        self
    }

    /// Whether the model may or must call. `Required` and `Named` hold for the first generation of a turn. Default:
    /// [`ToolChoice::Auto`].
    pub fn tool_choice(mut self, tool_choice: ToolChoice) -> Self {
        self.defaults.tool_choice = tool_choice;
        self
    }

    /// Whether the model may write several calls in one reply, which then run beside each other. Default: true.
    pub fn parallel_calls(mut self, parallel_calls: bool) -> Self {
        self.defaults.parallel_calls = parallel_calls;
        self
    }

    /// The agent.
    ///
    /// # Errors
    /// [`Error::Tool`] where two tools have one name, or a name or a schema cannot be used.
    pub fn build(self) -> Result<Agent, Error> {
        let mut registry = self.registry;
        registry.register(self.tools)?;
        let specs = registry.specs();
        let gate = Gate::new(registry, self.approver, self.limits).with_outputs(self.outputs);
        Ok(Agent {
            inner: Arc::new(AgentInner {
                model: self.model,
                gate,
                specs,
                interpreter: self.interpreter,
                access: self.access,
                input: self.input,
                defaults: self.defaults,
            }),
        })
    }
}
