//! A conversation.

use std::sync::Arc;

use glassbox_model::{Message, Sampling};
use glassbox_sandbox::Interpreter;

use crate::driver::Driver;
use crate::{Agent, Error, EventStream, IntoShared, Reply, TurnOptions};

/// A conversation with an [`Agent`].
///
/// Messages enter the history when they are final, in order. What a turn leaves behind:
///
/// | the turn | the history |
/// |---|---|
/// | ends by itself | the user's message, and all replies and observations |
/// | is cancelled, by token or by dropping its future or stream | the user's message; every finished reply and observation; the prose of the reply that was being written (empty where there was none and no other reply); "cancelled" as the observation of each call that was not finished |
/// | is refused ([`Error::ContextOverflow`], [`Error::UnknownChoice`], [`Error::NothingToCall`]) | nothing |
/// | fails before the first reply is finished | nothing: the same message can be sent again |
/// | fails later | the user's message, and every finished reply and observation |
///
/// After each of these the session takes the next message.
#[derive(Clone)]
pub struct Session {
    pub(crate) agent: Agent,
    pub(crate) system: Option<String>,
    pub(crate) sampling: Sampling,
    pub(crate) interpreter: Option<Arc<dyn Interpreter>>,
    pub(crate) messages: Vec<Message>,
    pub(crate) next_call: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("agent", &self.agent)
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(agent: Agent) -> Self {
        let defaults = &agent.inner.defaults;
        Self {
            system: defaults.system.clone(),
            sampling: defaults.sampling.clone(),
            interpreter: agent.inner.interpreter.clone(),
            messages: Vec::new(),
            next_call: 1,
            agent,
        }
    }

    /// Sends a message and waits for the reply. Dropping the future cancels the turn.
    ///
    /// # Errors
    /// [`Error`]; the table above says what the session holds then.
    pub async fn send(&mut self, text: impl Into<String>) -> Result<Reply, Error> {
        self.send_with(text, TurnOptions::default()).await
    }

    /// [`Session::send`] with options for this turn.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn send_with(&mut self, text: impl Into<String>, options: TurnOptions) -> Result<Reply, Error> {
        self.stream_with(text, options).reply().await
    }

    /// Sends a message and gives the events of the turn as they happen. The turn goes on only while the stream is
    /// polled; dropping it cancels the turn.
    pub fn stream(&mut self, text: impl Into<String>) -> EventStream<'_> {
        self.stream_with(text, TurnOptions::default())
    }

    /// [`Session::stream`] with options for this turn.
    pub fn stream_with(&mut self, text: impl Into<String>, options: TurnOptions) -> EventStream<'_> {
        let (driver, turn, events) = Driver::new(self, Message::user(text), options);
        EventStream::new(self, driver, turn, events)
    }

    /// The conversation so far, oldest first, without the system prompt.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Forgets the conversation. The system prompt, the sampling and the interpreter's variables stay.
    pub fn clear(&mut self) {
        self.messages.clear();
    }

    /// The system prompt.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Sets the system prompt from the next message on; an empty one removes it. The whole prompt is then read anew.
    pub fn set_system(&mut self, system: impl Into<String>) {
        self.system = Some(system.into()).filter(|system| !system.is_empty());
    }

    /// How tokens are chosen.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Sets how tokens are chosen from the next message on.
    pub fn set_sampling(&mut self, sampling: Sampling) {
        self.sampling = sampling;
    }

    /// Gives this session an interpreter of its own.
    pub fn set_interpreter<How>(&mut self, interpreter: impl IntoShared<dyn Interpreter, How>) {
        self.interpreter = Some(interpreter.into_shared());
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }
}
