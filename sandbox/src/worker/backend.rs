//! [`Worker`]: the backend.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;

use super::BACKEND;
use super::process::{Process, Seat, Settings};
use super::session::{self, Session};
use crate::wasm::{CAPABILITIES, DESCRIPTION, Home, Image, is_built, is_compiled, missing, prepare_packages};
use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, Snapshot};

/// CPython in WebAssembly, in processes of its own that are kept in as Jupyter kernels are (Linux). Cheap to clone; all
/// clones share the processes.
///
/// Where a process dies, its sessions begin anew: from the state that was last saved ([`Interpreter::snapshot`],
/// [`Interpreter::restore`], [`Backend::reopen`], [`Interpreter::fork`]), else from nothing. The host keeps a copy of that state
/// for it.
#[derive(Clone)]
pub struct Worker {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("settings", &self.pool.settings).finish_non_exhaustive()
    }
}

/// Makes a [`Worker`]. Made by [`Worker::builder`].
#[derive(Debug)]
pub struct Builder {
    home: Option<Home>,
    limits: Limits,
    image: Image,
    packages: Option<PathBuf>,
    sessions: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self { home: None, limits: Limits::default(), image: Image::default(), packages: None, sessions: 1 }
    }
}

impl Builder {
    /// Where artifacts lie. Default: [`Home::from_env`]. Workers read it, and never write it.
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

    /// A folder of pure-Python wheels, or of such unpacked, which programs can import and not change, as
    /// [`Sandbox`](crate::Sandbox) takes it.
    #[must_use]
    pub fn packages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packages = Some(folder.into());
        self
    }

    /// How many sessions share a process. Default 1: each session has its own walls. With more, WebAssembly alone is
    /// between the sessions of one process, and they are lost together.
    #[must_use]
    pub fn sessions_per_worker(mut self, sessions: usize) -> Self {
        self.sessions = sessions.max(1);
        self
    }

    /// Looks whether what a set-up makes is there. The first process is started with the first session.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where something is missing, with the command that makes it.
    pub fn build(self) -> Result<Worker, InterpreterError> {
        let home = self.home.map_or_else(Home::from_env, Ok)?;
        home.check_library()?;
        if !is_compiled(&home) {
            return Err(missing(format!("{} holds no compiled Python for this machine", home.root().display())));
        }
        // Sessions start without the image of `Bare`, only slower; without another they would lack what was asked for.
        if self.image != Image::Bare && !is_built(&home, self.image) {
            let (root, image) = (home.root().display(), self.image.name());
            return Err(missing(format!("{root} holds no {image} image for this machine")));
        }
        let Self { limits, image, packages, sessions, .. } = self;
        // Here, where the cache can be written.
        let packages = packages.map(|folder| prepare_packages(&home, &folder)).transpose()?;
        let settings = Settings { home, limits, image, packages, sessions };
        Ok(Worker { pool: Arc::new(Pool { settings, processes: Mutex::default() }) })
    }
}

impl Worker {
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

    /// The ids of the worker processes that live.
    pub fn pids(&self) -> Vec<u32> {
        let alive = |process: Arc<Process>| process.link.reason().is_none().then(|| process.pid());
        self.pool.each().into_iter().filter_map(alive).collect()
    }
}

/// The processes, and what starts more.
pub(super) struct Pool {
    settings: Settings,
    processes: Mutex<Vec<Weak<Process>>>,
}

impl Pool {
    fn each(&self) -> Vec<Arc<Process>> {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.retain(|process| process.strong_count() > 0);
        processes.iter().filter_map(Weak::upgrade).collect()
    }

    /// What each session may use.
    pub(super) fn limits(&self) -> Limits {
        self.settings.limits
    }

    /// Opens a session in some worker, in a saved state where one is given.
    pub(super) async fn open(&self, saved: Option<&Snapshot>) -> Result<Seat, InterpreterError> {
        let free = self.each().iter().find_map(Process::take);
        let seat = match free {
            Some(seat) => seat,
            None => {
                let process = Process::start(&self.settings).await?;
                let seat = process.take().ok_or_else(|| {
                    InterpreterError::backend(process.link.reason().unwrap_or("the worker process died at once"))
                })?;
                self.processes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&process));
                seat
            }
        };
        seat.open(saved).await?;
        Ok(seat)
    }
}

#[async_trait]
impl Backend for Worker {
    fn name(&self) -> &str {
        BACKEND
    }

    fn language(&self) -> &str {
        "python"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn describe(&self) -> String {
        DESCRIPTION.to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Arc::new(Session::open(Arc::clone(&self.pool), None).await?))
    }

    async fn reopen(&self, snapshot: &Snapshot) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        session::check(snapshot)?;
        Ok(Arc::new(Session::open(Arc::clone(&self.pool), Some(Arc::new(snapshot.clone()))).await?))
    }
}
