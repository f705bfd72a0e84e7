//! [`Sandbox`]: the backend.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, Snapshot, SnapshotSupport};

use super::folder::Folder;
use super::home::Home;
use super::program::Program;
use super::saved::Saved;
use super::saved_files::SavedFiles;
use super::session::{Current, Session};
use super::task::{Task, check_base};
use super::threads::Threads;
use super::{BACKEND, Image};

/// What sessions can do where the artifact is as it should be.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    interrupt: true,
    snapshot: SnapshotSupport::Exact,
    files: true,
    tools: true,
    input: true,
    memory_limit: true,
    isolated: true,
};

/// What the model is told.
pub(crate) const DESCRIPTION: &str = "\
    Python 3.15 with numpy, pandas, scipy, sklearn, statsmodels, matplotlib, PIL, sympy, networkx and sqlite3. \
    Files lie in /mnt/data, the working folder; there is no network and no other process.";

/// CPython in WebAssembly. Cheap to clone; all clones share the machine code and the threads.
///
/// Programs run on threads of the sandbox's own, so that they hold up no runtime of the caller's.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    program: Arc<Program>,
    threads: Threads,
    limits: Limits,
    image: Image,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = &self.inner;
        f.debug_struct("Sandbox").field("image", &inner.image).field("limits", &inner.limits).finish_non_exhaustive()
    }
}

/// Makes a [`Sandbox`]. Made by [`Sandbox::builder`].
#[derive(Debug, Default)]
pub struct Builder {
    home: Option<Home>,
    limits: Limits,
    image: Image,
    packages: Option<PathBuf>,
}

impl Builder {
    /// Where artifacts lie. Default: [`Home::from_env`].
    #[must_use]
    pub fn home(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// What each session may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What sessions start from. Default: [`Image::Bare`].
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// A folder of pure-Python wheels, or of such unpacked, which programs can import and not change. Wheels are unpacked
    /// into the cache when the sandbox is built with them for the first time.
    #[must_use]
    pub fn packages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packages = Some(folder.into());
        self
    }

    /// Loads the machine code: tens of milliseconds.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where something is missing, with the command that makes it.
    pub fn build(self) -> Result<Sandbox, InterpreterError> {
        let home = self.home.map_or_else(Home::from_env, Ok)?;
        let program = Arc::new(Program::load(home, self.image, self.packages)?);
        let threads = Threads::new()?;
        Ok(Sandbox { inner: Arc::new(Inner { program, threads, limits: self.limits, image: self.image }) })
    }
}

impl Sandbox {
    /// Python with the default limits, from the user's cache folder.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where something is missing, with the command that makes it.
    pub fn python() -> Result<Self, InterpreterError> {
        Self::builder().build()
    }

    /// One with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens a session, in a saved state where one is given.
    pub(super) fn open_session(&self, saved: Option<Saved>) -> BoxFuture<'static, Result<Session, InterpreterError>> {
        let sandbox = self.clone();
        // On the sandbox's own threads, as everything that runs WebAssembly.
        Box::pin(async move { sandbox.clone().inner.threads.run(sandbox.start_session(saved)).await })
    }

    async fn start_session(self, saved: Option<Saved>) -> Result<Session, InterpreterError> {
        let Inner { program, limits, .. } = &*self.inner;
        let (program, limits) = (Arc::clone(program), *limits);
        let folder = Arc::new(Folder::new().map_err(InterpreterError::backend)?);
        let current = Arc::new(Current::default());
        let mut task = Task {
            sandbox: self.clone(),
            program,
            folder: Arc::clone(&folder),
            limits,
            current: Arc::clone(&current),
            instance: None,
            number: 0,
            cells: 0,
            told: None,
            checkpoint: None,
            files: SavedFiles::default(),
            changed: false,
            spent: Duration::ZERO,
            cost: Duration::ZERO,
        };
        task.open(saved).await?;
        let (commands, receiver) = mpsc::unbounded_channel();
        self.inner.threads.spawn(task.run(receiver));
        Ok(Session { commands, current, folder, limits, capabilities: self.capabilities() })
    }
}

#[async_trait]
impl Backend for Sandbox {
    fn name(&self) -> &str {
        BACKEND
    }

    fn language(&self) -> &str {
        "python"
    }

    fn capabilities(&self) -> Capabilities {
        // The artifact's own, unless it was tried out and did not hold.
        let interrupt = self.inner.program.checks.get().is_none_or(|checks| checks.interrupt);
        Capabilities { interrupt, ..CAPABILITIES }
    }

    fn describe(&self) -> String {
        DESCRIPTION.to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Arc::new(self.open_session(None).await?))
    }

    async fn reopen(&self, snapshot: &Snapshot) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let saved = Saved::read(snapshot, &self.inner.limits)?;
        check_base(&saved, &self.inner.program)?;
        Ok(Arc::new(self.open_session(Some(saved)).await?))
    }
}
