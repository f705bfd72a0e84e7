//! A conversation.

use std::sync::Arc;

use glassbox_model::{AdapterChoice, Message, Sampling};
use glassbox_sandbox::{Backend, FileInfo, Interpreter, InterpreterError};

use crate::code_session::CodeSession;
use crate::driver::Driver;
use crate::{Agent, Error, EventStream, IntoShared, Reply, TurnOptions, upload};

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
///
/// # The interpreter's session
/// It is opened when the first program runs or the first file is put, and closed when the conversation is dropped (within
/// a Tokio runtime; elsewhere by what the backend does when its session is dropped).
///
/// A clone is a branch of the conversation: same history, same variables and files, and from there on each its own. The
/// interpreter is forked when one of both uses it next; where the backend cannot fork, that one goes on in a new session,
/// and the model is told so. A [`Shared`](glassbox_sandbox::Shared) interpreter stays shared.
pub struct Session {
    pub(crate) agent: Agent,
    pub(crate) system: Option<String>,
    pub(crate) sampling: Sampling,
    pub(crate) adapter: AdapterChoice,
    pub(crate) code: Option<Arc<CodeSession>>,
    /// Files that the next message announces.
    pub(crate) uploads: Vec<FileInfo>,
    pub(crate) messages: Vec<Message>,
    pub(crate) next_call: u64,
}

impl Clone for Session {
    fn clone(&self) -> Self {
        Self {
            agent: self.agent.clone(),
            system: self.system.clone(),
            sampling: self.sampling.clone(),
            adapter: self.adapter.clone(),
            code: self.code.as_ref().map(|code| Arc::new(code.branch())),
            uploads: self.uploads.clone(),
            messages: self.messages.clone(),
            next_call: self.next_call,
        }
    }
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
            adapter: defaults.adapter.clone(),
            code: agent.inner.interpreter.clone().map(|backend| Arc::new(CodeSession::new(backend))),
            uploads: Vec::new(),
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
        let text = upload::announce(&self.uploads, text.into());
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

    /// Which LoRA adapter acts.
    pub fn adapter(&self) -> &AdapterChoice {
        &self.adapter
    }

    /// Sets which LoRA adapter acts from the next message on. The whole prompt is then read anew. A name that was not loaded
    /// with the model is an error of the next turn, which leaves the conversation as it was.
    pub fn set_adapter(&mut self, adapter: AdapterChoice) {
        self.adapter = adapter;
    }

    /// Gives this session another interpreter than the agent's. The one it had is closed.
    pub fn set_interpreter<How>(&mut self, backend: impl IntoShared<dyn Backend, How>) {
        self.code = Some(Arc::new(CodeSession::new(backend.into_shared())));
        self.uploads.clear();
    }

    /// The interpreter's session, opened if it was not yet. Opening it early tells early what keeps it from opening.
    ///
    /// # Errors
    /// [`Error::NoInterpreter`], [`Error::Interpreter`].
    pub async fn interpreter(&mut self) -> Result<Arc<dyn Interpreter>, Error> {
        let code = self.code.as_ref().ok_or(Error::NoInterpreter)?;
        Ok(code.ready().await?)
    }

    /// Begins the interpreter's session anew, without variables and files; the model is told with its next program.
    /// Nothing is done where none was opened yet. The conversation stays.
    ///
    /// # Errors
    /// [`Error::NoInterpreter`]; [`Error::Interpreter`] where the backend cannot.
    pub async fn restart_interpreter(&mut self) -> Result<(), Error> {
        let code = self.code.as_ref().ok_or(Error::NoInterpreter)?;
        code.restart().await?;
        // Files that were put there and not yet announced are gone too.
        self.uploads.clear();
        Ok(())
    }

    /// Puts a file into the interpreter's session, as `/mnt/data/NAME`; the next message announces it to the model.
    ///
    /// # Errors
    /// [`Error::NoInterpreter`]; [`Error::Interpreter`] where the name is none or the file does not fit.
    pub async fn upload(&mut self, name: &str, data: &[u8]) -> Result<FileInfo, Error> {
        let interpreter = self.interpreter().await?;
        let file = upload::file(name, data)?;
        interpreter.put_file(&file.path, data).await?;
        if let Some(code) = &self.code {
            // So that the next cell does not seem to have written it.
            code.look().await;
        }
        self.uploads.retain(|other| other.path != file.path);
        self.uploads.push(file.clone());
        Ok(file)
    }

    /// The files of the interpreter's session, in order of their paths; none where it was never opened.
    ///
    /// # Errors
    /// [`Error::NoInterpreter`], [`Error::Interpreter`].
    pub async fn files(&self) -> Result<Vec<FileInfo>, Error> {
        let code = self.code.as_ref().ok_or(Error::NoInterpreter)?;
        match code.opened().await {
            Some(interpreter) => Ok(interpreter.list_files().await?),
            None => Ok(Vec::new()),
        }
    }

    /// The bytes of a file of the interpreter's session. A relative path is one below `/mnt/data`.
    ///
    /// # Errors
    /// [`Error::NoInterpreter`], [`Error::Interpreter`].
    pub async fn file(&self, path: &str) -> Result<Vec<u8>, Error> {
        let code = self.code.as_ref().ok_or(Error::NoInterpreter)?;
        match code.opened().await {
            Some(interpreter) => Ok(interpreter.get_file(path).await?),
            None => Err(InterpreterError::NoFile { path: path.to_owned() }.into()),
        }
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }
}
