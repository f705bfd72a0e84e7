//! [`Sandbox`]: the backend.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, SnapshotSupport};

use super::folder::Folder;
use super::home::Home;
use super::program::Program;
use super::session::{Current, Session};
use super::task::{Task, start};
use super::{BACKEND, Image};

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

/// The sandbox's own runtime.
struct Threads(Option<Runtime>);

impl Threads {
    fn new() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = RuntimeBuilder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("glassbox-wasm")
            .enable_time()
            // A program gives way every 10 ms, so timers and other sessions are looked at each time.
            .event_interval(1)
            .global_queue_interval(1)
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for it is not allowed where the last session ends, on one of its own threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
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

    /// A folder of unpacked pure-Python wheels, which programs can import and not change.
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
        let program = Arc::new(Program::load(home, self.packages)?);
        let threads = Threads::new().map_err(InterpreterError::backend)?;
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

    async fn open_session(&self) -> Result<Session, InterpreterError> {
        let (reply, answer) = oneshot::channel();
        let keep = self.clone();
        // On the sandbox's own threads, as everything that runs WebAssembly.
        self.inner.threads.spawn(async move {
            match keep.start_session().await {
                Ok((session, task, commands)) => {
                    if reply.send(Ok(session)).is_ok() {
                        task.run(commands).await;
                    }
                }
                Err(error) => drop(reply.send(Err(error))),
            }
            drop(keep); // The threads live as long as their last session.
        });
        answer.await.map_err(|_| InterpreterError::backend("the sandbox's threads are gone"))?
    }

    async fn start_session(
        &self,
    ) -> Result<(Session, Task, mpsc::UnboundedReceiver<super::session::Command>), InterpreterError> {
        let Inner { program, limits, .. } = &*self.inner;
        let folder = Arc::new(Folder::new().map_err(InterpreterError::backend)?);
        let instance = start(program, &folder, *limits).await?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let current = Arc::new(Current::default());
        let session = Session {
            commands,
            current: Arc::clone(&current),
            folder: Arc::clone(&folder),
            limits: *limits,
            capabilities: self.capabilities(),
        };
        let (program, limits) = (Arc::clone(program), *limits);
        let task = Task { program, folder, limits, current, instance: Some(instance), cells: 0, told: None };
        Ok((session, task, receiver))
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
        Capabilities {
            interrupt: true,
            snapshot: SnapshotSupport::None,
            files: true,
            tools: true,
            input: true,
            memory_limit: true,
            isolated: true,
        }
    }

    fn describe(&self) -> String {
        "Python 3.15 with numpy, pandas, scipy, scikit-learn, statsmodels, matplotlib, Pillow, sympy, networkx and sqlite3. \
         Files lie in /mnt/data, the working folder; there is no network and no other process."
            .to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Arc::new(self.open_session().await?))
    }
}
