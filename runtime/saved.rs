//! Conversations in files.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glassbox_model::{AdapterChoice, AssistantPart, Message, Sampling};
use glassbox_sandbox::FileInfo;
use glassbox_tools::ToolSpec;
use serde::{Deserialize, Serialize};

use crate::code_session::CodeSession;
use crate::driver::Driver;
use crate::{Agent, Error, Session, TurnOptions};

/// The version of the file. Another is refused.
const FORMAT: u32 = 1;

/// A conversation as it stands in its file: JSON.
#[derive(Serialize, Deserialize)]
struct File {
    glassbox_session: u32,
    system: Option<String>,
    sampling: Sampling,
    #[serde(default)]
    adapter: AdapterChoice,
    next_call: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uploads: Vec<FileInfo>,
    /// What the model was shown, for those who fine-tune with it. A conversation goes on with its agent's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolSpec>,
    messages: Vec<Message>,
}

impl File {
    fn read(text: &[u8]) -> Result<Self, String> {
        let file: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if file.glassbox_session == FORMAT {
            Ok(file)
        } else {
            Err(format!("it has version {}, and this build reads {FORMAT}", file.glassbox_session))
        }
    }
}

/// What a conversation was, as [`Session::save`] wrote it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// The system prompt.
    pub system: Option<String>,
    /// The tools that the model was shown; none where the file is of a build that did not write them.
    pub tools: Vec<ToolSpec>,
    /// The messages, oldest first, without the system prompt.
    pub messages: Vec<Message>,
}

impl Recorded {
    /// Reads a conversation that [`Session::save`] wrote, without going on with it. [`finetune::recorded`] makes a sample
    /// of it.
    ///
    /// [`finetune::recorded`]: glassbox_model::finetune::recorded
    ///
    /// # Errors
    /// [`Error::SavedSession`] where there is no such file, or it is no saved conversation.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |problem: String| Error::SavedSession { path: path.to_owned(), problem };
        let text = std::fs::read(path).map_err(|error| failed(format!("reading it failed: {error}")))?;
        let File { system, tools, messages, .. } = File::read(&text).map_err(failed)?;
        Ok(Self { system, tools, messages })
    }
}

/// A conversation that goes on, by [`Agent::resume`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Resumed {
    /// The conversation.
    pub session: Session,
    /// Tokens that the next turn need not read again, 0 where none were saved; or why the saved ones are of no use, and
    /// all is read again.
    pub reused_tokens: Result<u32, Error>,
}

impl Session {
    /// Writes the conversation to `path` as JSON, whole or not at all, and what the model's KV cache holds of it beside
    /// it, to `path` with `.kv` added: some ten KB a token of a small model. Gives the number of tokens there. Variables
    /// and files of the interpreter are not in it: see [`Interpreter::snapshot`](crate::Interpreter::snapshot).
    ///
    /// # Errors
    /// [`Error::SavedSession`] and [`Error::Model`] where a file cannot be written, or the model is busy.
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<u32, Error> {
        let path = path.as_ref();
        let failed = |problem: String| Error::SavedSession { path: path.to_owned(), problem };
        // What the next turn begins with.
        let (driver, ..) = Driver::new(self, Message::user(""), TurnOptions::default());
        let request = driver.request(self.agent.inner.defaults.tool_choice.clone(), &[]);
        let file = File {
            glassbox_session: FORMAT,
            system: self.system.clone(),
            sampling: self.sampling.clone(),
            adapter: self.adapter.clone(),
            next_call: self.next_call,
            uploads: self.uploads.clone(),
            tools: request.tools.clone(),
            messages: self.messages.clone(),
        };
        let text = serde_json::to_vec(&file).map_err(|error| failed(error.to_string()))?;
        let part = added(path, &format!(".{}.part", std::process::id()));
        let written = match tokio::fs::write(&part, text).await {
            Ok(()) => tokio::fs::rename(&part, path).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            // It may never have been there.
            let _ = tokio::fs::remove_file(&part).await;
            return Err(failed(format!("writing it failed: {error}")));
        }
        let kv = added(path, ".kv");
        // One of an earlier save would be of another state.
        match tokio::fs::remove_file(&kv).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::SavedSession { path: kv, problem: format!("removing the old one failed: {error}") });
            }
            _ => {}
        }
        if self.messages.is_empty() {
            return Ok(0);
        }
        Ok(self.agent.inner.model.save_kv(&request, &kv).await?)
    }
}

impl Agent {
    /// Goes on with a conversation that [`Session::save`] wrote, with this agent's model and tools. The interpreter begins
    /// anew, and the model is told so when it next runs code.
    ///
    /// # Errors
    /// [`Error::SavedSession`] where there is no such file, or it is no saved conversation.
    pub async fn resume(&self, path: impl AsRef<Path>) -> Result<Resumed, Error> {
        let path = path.as_ref();
        let failed = |problem: String| Error::SavedSession { path: path.to_owned(), problem };
        let text = tokio::fs::read(path).await.map_err(|error| failed(format!("reading it failed: {error}")))?;
        let file = File::read(&text).map_err(failed)?;
        let ran_code = file.messages.iter().any(|message| match message {
            Message::Assistant(reply) => reply.parts.iter().any(|part| matches!(part, AssistantPart::Code { .. })),
            _ => false,
        });
        let backend = self.inner.interpreter.clone();
        let session = Session {
            agent: self.clone(),
            system: file.system,
            sampling: file.sampling,
            adapter: file.adapter,
            code: backend.map(|backend| Arc::new(CodeSession::anew(backend, ran_code || !file.uploads.is_empty()))),
            uploads: file.uploads,
            messages: file.messages,
            next_call: file.next_call,
        };
        let kv = added(path, ".kv");
        let reused_tokens = if tokio::fs::try_exists(&kv).await.unwrap_or(true) {
            self.inner.model.restore_kv(&kv).await.map_err(Error::from)
        } else {
            Ok(0)
        };
        if let Err(error) = &reused_tokens {
            tracing::warn!(%error, "the conversation is read again");
        }
        Ok(Resumed { session, reused_tokens })
    }
}

fn added(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
