//! The backend `jupyter`: kernels of this machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::kernel::{Place, Source};
use super::kernelspec;
use super::local::LocalPlace;
use super::process::{Isolation, Program};
use super::remote::JupyterRemoteBuilder;
use super::session::Session;
use super::state::State;
use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, Snapshot, SnapshotSupport};

/// Jupyter kernels of this machine: any kernelspec, one kernel a session.
#[derive(Debug, Clone)]
pub struct Jupyter {
    program: Arc<Program>,
    start_time: Duration,
}

/// Builds a [`Jupyter`].
#[derive(Debug, Clone)]
pub struct JupyterBuilder {
    kernel: Option<String>,
    environment: Option<PathBuf>,
    data_folders: Vec<PathBuf>,
    limits: Limits,
    isolation: Isolation,
    env: Vec<(String, String)>,
    start_time: Duration,
}

impl Default for JupyterBuilder {
    fn default() -> Self {
        Self {
            kernel: None,
            environment: None,
            data_folders: Vec::new(),
            limits: Limits { memory: 2 << 30, ..Limits::default() },
            isolation: Isolation::default(),
            env: Vec::new(),
            start_time: Duration::from_secs(60),
        }
    }
}

impl JupyterBuilder {
    /// The kernel's name. Default: the variable `IPYKERNEL`, else `python3`.
    #[must_use]
    pub fn kernel(mut self, name: impl Into<String>) -> Self {
        self.kernel = Some(name.into());
        self
    }

    /// Takes the kernel of this virtual environment, and no other. Default: Jupyter's data folders (`JUPYTER_PATH`, the
    /// user's, those of `VIRTUAL_ENV` and `CONDA_PREFIX`, the system's).
    #[must_use]
    pub fn environment(mut self, folder: impl Into<PathBuf>) -> Self {
        self.environment = Some(folder.into());
        self
    }

    /// Looks into this data folder (with a `kernels` folder in it) before Jupyter's own.
    #[must_use]
    pub fn data_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_folders.push(folder.into());
        self
    }

    /// The limits of each session. Default: those of [`Limits`], but 2 GiB of memory. What is held: time, output,
    /// display, and, sandboxed, memory and the size of each file; the sum of the files is looked at after each cell.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How kernels are kept in. Default: [`Isolation::Sandboxed`].
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// One more environment variable of the kernel.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// How long a kernel may take to answer for the first time. Default 60 s.
    #[must_use]
    pub fn start_time(mut self, time: Duration) -> Self {
        self.start_time = time;
        self
    }

    /// Finds the kernel.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where there is none of this name, with what there is instead and the command that
    /// installs one; [`InterpreterError::SetUp`] where its `kernel.json` cannot be read.
    pub fn build(self) -> Result<Jupyter, InterpreterError> {
        let name = self.kernel.unwrap_or_else(kernelspec::default_name);
        let spec = kernelspec::find(&name, self.environment.as_deref(), &self.data_folders)?;
        let program = Program { spec, isolation: self.isolation, limits: self.limits, env: self.env };
        Ok(Jupyter { program: Arc::new(program), start_time: self.start_time })
    }
}

impl Jupyter {
    /// Chooses a kernel.
    pub fn builder() -> JupyterBuilder {
        JupyterBuilder::default()
    }

    /// Kernels behind a Jupyter Server or an Enterprise Gateway. `url` is the one a browser would open; a token in it is
    /// taken where none is given.
    pub fn remote(url: impl Into<String>, token: Option<String>) -> JupyterRemoteBuilder {
        JupyterRemoteBuilder::new(url.into(), token)
    }
}

/// What sessions need of the backend.
#[derive(Debug)]
struct LocalSource {
    jupyter: Jupyter,
}

#[async_trait]
impl Source for LocalSource {
    fn name(&self) -> &'static str {
        "jupyter"
    }

    fn language(&self) -> &str {
        &self.jupyter.program.spec.language
    }

    fn limits(&self) -> Limits {
        self.jupyter.program.limits
    }

    fn capabilities(&self) -> Capabilities {
        let isolated = self.jupyter.program.isolation != Isolation::Unsandboxed;
        Capabilities {
            interrupt: true,
            snapshot: SnapshotSupport::Replay,
            files: true,
            tools: false,
            input: true,
            memory_limit: isolated,
            isolated,
        }
    }

    async fn place(&self) -> Result<Arc<dyn Place>, InterpreterError> {
        Ok(Arc::new(LocalPlace::new(Arc::clone(&self.jupyter.program), self.jupyter.start_time)?))
    }
}

impl Jupyter {
    fn source(&self) -> Arc<LocalSource> {
        Arc::new(LocalSource { jupyter: self.clone() })
    }
}

#[async_trait]
impl Backend for Jupyter {
    fn name(&self) -> &str {
        "jupyter"
    }

    fn language(&self) -> &str {
        &self.program.spec.language
    }

    fn capabilities(&self) -> Capabilities {
        self.source().capabilities()
    }

    fn describe(&self) -> String {
        let spec = &self.program.spec;
        let walls = match self.program.isolation {
            Isolation::Unsandboxed => "It is not sandboxed.",
            _ => "It has no network.",
        };
        format!(
            "The Jupyter kernel `{}` ({}). Files lie in the working folder; name them by relative paths. {walls}",
            spec.display_name, spec.language
        )
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Session::open(self.source(), None).await?)
    }

    async fn reopen(&self, snapshot: &Snapshot) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let state = State::read(snapshot, "jupyter", self.language())?;
        Ok(Session::open(self.source(), Some(&state)).await?)
    }
}
