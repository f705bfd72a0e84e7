//! [`Small`]: the backend.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use wasmtime::Engine;
use wasmtime::component::InstancePre;

use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, SnapshotSupport};

use super::super::Home;
use super::super::engine::ticking_engine;
use super::super::folder::Folder;
use super::super::packages;
use super::super::session::{Command, Current, Session};
use super::super::threads::Threads;
use super::host::Host;
use super::imports::linker;
use super::instance::Instance;
use super::task::Task;
use super::{BACKEND, setup};

/// The small tier's CPython. Cheap to clone; all clones share the machine code and the threads.
#[derive(Clone)]
pub struct Small {
    inner: Arc<Inner>,
}

struct Inner {
    program: Arc<Program>,
    threads: Threads,
    limits: Limits,
}

/// What all sessions share.
pub(super) struct Program {
    pub(super) engine: Engine,
    pub(super) instances: InstancePre<Host>,
    pub(super) packages: Option<PathBuf>,
}

impl std::fmt::Debug for Small {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Small").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

/// Makes a [`Small`]. Made by [`Small::builder`].
#[derive(Debug, Default)]
pub struct Builder {
    home: Option<Home>,
    limits: Limits,
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

    /// A folder of pure-Python wheels, or of such unpacked, which programs can import and not change. Wheels are unpacked
    /// into the cache when the sandbox is built with them for the first time.
    #[must_use]
    pub fn packages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packages = Some(folder.into());
        self
    }

    /// Loads the machine code: some milliseconds.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where it is missing, with the command that makes it.
    pub fn build(self) -> Result<Small, InterpreterError> {
        let home = self.home.map_or_else(Home::from_env, Ok)?;
        let packages = self.packages.map(|folder| packages::prepare(&home, &folder)).transpose()?;
        let engine = ticking_engine()?;
        let component = setup::load(&engine, &setup::compiled(&home, &engine))?;
        let instances = linker(&engine).and_then(|linker| linker.instantiate_pre(&component));
        let instances = instances.map_err(InterpreterError::backend)?;
        let program = Arc::new(Program { engine, instances, packages });
        let threads = Threads::new()?;
        Ok(Small { inner: Arc::new(Inner { program, threads, limits: self.limits }) })
    }
}

impl Small {
    /// Python with the default limits, from the user's cache folder.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where it is missing, with the command that makes it.
    pub fn python() -> Result<Self, InterpreterError> {
        Self::builder().build()
    }

    /// One with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(&self) -> Result<(Session, Task, mpsc::UnboundedReceiver<Command>), InterpreterError> {
        let Inner { program, limits, .. } = &*self.inner;
        let folder = Arc::new(Folder::new().map_err(InterpreterError::backend)?);
        let instance = Instance::new(program, Arc::clone(&folder), *limits).await?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let current = Arc::new(Current::default());
        let session = Session {
            commands,
            current: Arc::clone(&current),
            folder: Arc::clone(&folder),
            limits: *limits,
            capabilities: self.capabilities(),
        };
        let program = Arc::clone(program);
        let task = Task { program, folder, limits: *limits, current, instance: Some(instance), cells: 0, told: None };
        Ok((session, task, receiver))
    }
}

#[async_trait]
impl Backend for Small {
    fn name(&self) -> &str {
        BACKEND
    }

    fn language(&self) -> &str {
        "python"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            interrupt: false,
            snapshot: SnapshotSupport::None,
            files: true,
            tools: true,
            input: true,
            memory_limit: true,
            isolated: true,
        }
    }

    fn describe(&self) -> String {
        "Python 3.14 with its standard library and nothing else: no numpy, pandas or matplotlib. Files lie in /mnt/data, \
         the working folder; there is no network and no other process."
            .to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let (reply, answer) = oneshot::channel();
        let keep = self.clone();
        // On the sandbox's own threads, as everything that runs WebAssembly.
        self.inner.threads.spawn(async move {
            match keep.start().await {
                Ok((session, task, commands)) => {
                    if reply.send(Ok(session)).is_ok() {
                        task.run(commands).await;
                    }
                }
                Err(error) => drop(reply.send(Err(error))),
            }
            drop(keep); // The threads live as long as their last session.
        });
        let session = answer.await.map_err(|_| InterpreterError::backend("the sandbox's threads are gone"))??;
        Ok(Arc::new(session))
    }
}
