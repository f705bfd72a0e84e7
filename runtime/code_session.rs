//! The interpreter session of a conversation: opened when it is first needed, closed when nobody needs it any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use glassbox_sandbox::{Backend, FileInfo, Interpreter, InterpreterError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// The most files that are named after one cell; the rest is counted.
const NAMED_FILES: usize = 20;

/// A conversation's place at a backend.
///
/// A branch of a conversation shares the session until one of both uses it again: that one goes on in a fork, the other
/// keeps the original. So a branch that runs nothing costs nothing.
pub(crate) struct CodeSession {
    backend: Arc<dyn Backend>,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    open: Option<Arc<Open>>,
    /// Files as they were after the last cell or upload.
    files: Files,
    /// The conversation believes in a session that is gone.
    lost: bool,
}

/// An open session, closed with its last conversation.
struct Open {
    interpreter: Arc<dyn Interpreter>,
    /// False where others use the session too.
    own: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.own {
            return;
        }
        // Outside of a runtime nothing can be awaited; the backend's own `Drop` has to do then.
        if let Ok(runtime) = Handle::try_current() {
            let interpreter = Arc::clone(&self.interpreter);
            runtime.spawn(async move { interpreter.close().await });
        }
    }
}

/// What a cell did to the session's files.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// New ones and such that were written again, in order of their paths.
    pub(crate) files: Vec<FileInfo>,
}

impl CodeSession {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self::anew(backend, false)
    }

    /// For a conversation whose interpreter is gone, where it had one (`lost`).
    pub(crate) fn anew(backend: Arc<dyn Backend>, lost: bool) -> Self {
        Self { backend, state: Mutex::new(State { lost, ..State::default() }) }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// For a branch of the conversation.
    pub(crate) fn branch(&self) -> Self {
        // Held only while a turn runs or a file is fetched, and those have borrowed the conversation.
        let state = self.state.try_lock().map(|state| state.clone()).unwrap_or_default();
        Self { backend: Arc::clone(&self.backend), state: Mutex::new(state) }
    }

    /// The session, opened or forked where need be.
    ///
    /// # Errors
    /// What kept the backend from opening it.
    pub(crate) async fn ready(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let mut state = self.state.lock().await;
        let own = !self.backend.is_shared();
        let interpreter = match &state.open {
            Some(open) if !own || Arc::strong_count(open) == 1 => return Ok(Arc::clone(&open.interpreter)),
            Some(open) => match open.interpreter.fork().await {
                Ok(fork) => fork,
                Err(InterpreterError::Unsupported { .. }) => {
                    let anew = self.backend.open().await?;
                    state.lost = true;
                    anew
                }
                Err(error) => return Err(error),
            },
            None => self.backend.open().await?,
        };
        state.open = Some(Arc::new(Open { interpreter: Arc::clone(&interpreter), own }));
        state.files = files(interpreter.as_ref()).await;
        Ok(interpreter)
    }

    /// Whether the next cell lacks what the conversation believes to be there. Says so once: whoever asks tells it.
    pub(crate) async fn take_lost(&self) -> bool {
        std::mem::take(&mut self.state.lock().await.lost)
    }

    /// Begins the session anew, where one is open.
    ///
    /// # Errors
    /// What the backend says.
    pub(crate) async fn restart(&self) -> Result<(), InterpreterError> {
        if self.state.lock().await.open.is_none() {
            return Ok(());
        }
        // A branch restarts its own, not the one that it was branched from.
        let interpreter = self.ready().await?;
        interpreter.restart().await?;
        let mut state = self.state.lock().await;
        state.lost = true;
        state.files = files(interpreter.as_ref()).await;
        Ok(())
    }

    /// The session that is open, if one is.
    pub(crate) async fn opened(&self) -> Option<Arc<dyn Interpreter>> {
        self.state.lock().await.open.as_ref().map(|open| Arc::clone(&open.interpreter))
    }

    /// Looks at the files, and tells what is not as it was at the last look.
    pub(crate) async fn look(&self) -> Changes {
        let mut state = self.state.lock().await;
        let Some(open) = &state.open else { return Changes::default() };
        let now = files(open.interpreter.as_ref()).await;
        let changed = now.iter().filter(|(path, state_of)| state.files.get(*path) != Some(*state_of));
        let changed = changed.map(|(path, (bytes, _))| FileInfo::new(path, *bytes)).collect();
        state.files = now;
        Changes { files: changed }
    }
}

impl Changes {
    /// The lines that tell the model of files below `/mnt/data`; what lies in `/tmp` is the program's own affair.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept: Vec<&FileInfo> = self.files.iter().filter(|file| file.path.starts_with("/mnt/data/")).collect();
        let mut lines: Vec<String> =
            kept.iter().take(NAMED_FILES).map(|file| format!("[File {}, {} bytes]", file.path, file.bytes)).collect();
        let more = kept.len().saturating_sub(NAMED_FILES);
        if more > 0 {
            lines.push(format!("[{more} more files]"));
        }
        lines
    }
}

/// Sizes and versions of files, by path.
type Files = BTreeMap<String, (u64, String)>;

/// The files by path; none where the backend has none or cannot tell.
async fn files(interpreter: &dyn Interpreter) -> Files {
    if !interpreter.capabilities().files {
        return Files::new();
    }
    match interpreter.list_files().await {
        Ok(files) => files.into_iter().map(|file| (file.path, (file.bytes, file.version))).collect(),
        Err(error) => {
            tracing::warn!(%error, "the interpreter's files could not be listed");
            Files::new()
        }
    }
}
