//! The backend `jupyter-remote`: kernels behind a Jupyter Server or an Enterprise Gateway.

mod frames;
mod place;
mod server;
mod socket;

use std::sync::Arc;

use async_trait::async_trait;

use self::place::RemotePlace;
use self::server::Server;
use super::kernel::{Place, Source};
use super::kernelspec;
use super::session::Session;
use super::state::State;
use crate::{Backend, Capabilities, Interpreter, InterpreterError, Limits, Snapshot, SnapshotSupport};

/// Kernels behind a Jupyter Server or an Enterprise Gateway, one a session. What keeps their programs in is the
/// server's matter; time, output and display are limited here.
#[derive(Debug, Clone)]
pub struct JupyterRemote {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Server,
    kernel: String,
    display_name: String,
    language: String,
    limits: Limits,
    files: bool,
}

/// Builds a [`JupyterRemote`].
#[derive(Debug, Clone)]
pub struct JupyterRemoteBuilder {
    url: String,
    token: Option<String>,
    kernel: Option<String>,
    limits: Limits,
    files: bool,
}

impl JupyterRemoteBuilder {
    pub(super) fn new(url: String, token: Option<String>) -> Self {
        Self { url, token, kernel: None, limits: Limits::default(), files: true }
    }

    /// The kernel's name. Default: the server's.
    #[must_use]
    pub fn kernel(mut self, name: impl Into<String>) -> Self {
        self.kernel = Some(name.into());
        self
    }

    /// The limits of each session. Memory, disk and open files are the server's matter and not held.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// For servers without the contents interface, such as an Enterprise Gateway: sessions have no files and no folder
    /// of their own.
    #[must_use]
    pub fn without_files(mut self) -> Self {
        self.files = false;
        self
    }

    /// Asks the server for its kernels.
    ///
    /// # Errors
    /// [`InterpreterError::SetUp`] where the address is none, the token is refused, or there is no such kernel;
    /// [`InterpreterError::Backend`] where the server cannot be reached.
    pub async fn connect(self) -> Result<JupyterRemote, InterpreterError> {
        let server = Server::new(&self.url, self.token.as_deref())?;
        let (default, specs) = server.specs().await?;
        let kernel = self.kernel.unwrap_or(if default.is_empty() { kernelspec::default_name() } else { default });
        let Some((_, spec)) = specs.iter().find(|(name, _)| *name == kernel) else {
            let names = specs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let problem = format!("the Jupyter server has no kernel `{kernel}`; it has: {names}");
            return Err(InterpreterError::SetUp { backend: "jupyter-remote", problem });
        };
        Ok(JupyterRemote {
            shared: Arc::new(Shared {
                server,
                kernel,
                display_name: spec.display_name.clone(),
                language: spec.language.clone(),
                limits: self.limits,
                files: self.files,
            }),
        })
    }
}

#[async_trait]
impl Source for Shared {
    fn name(&self) -> &'static str {
        "jupyter-remote"
    }

    fn language(&self) -> &str {
        &self.language
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            interrupt: true,
            snapshot: SnapshotSupport::Replay,
            files: self.files,
            input: true,
            ..Capabilities::default()
        }
    }

    async fn place(&self) -> Result<Arc<dyn Place>, InterpreterError> {
        let place = RemotePlace::new(self.server.clone(), self.kernel.clone(), self.limits, self.files).await?;
        Ok(Arc::new(place))
    }
}

#[async_trait]
impl Backend for JupyterRemote {
    fn name(&self) -> &str {
        self.shared.name()
    }

    fn language(&self) -> &str {
        &self.shared.language
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.capabilities()
    }

    fn describe(&self) -> String {
        let Shared { display_name, language, files, .. } = &*self.shared;
        let files = if *files { " Files lie in the working folder; name them by relative paths." } else { "" };
        format!("The Jupyter kernel `{display_name}` ({language}) of a server.{files}")
    }

    async fn open(&self) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        Ok(Session::open(Arc::clone(&self.shared) as Arc<dyn Source>, None).await?)
    }

    async fn reopen(&self, snapshot: &Snapshot) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        let state = State::read(snapshot, self.shared.name(), &self.shared.language)?;
        Ok(Session::open(Arc::clone(&self.shared) as Arc<dyn Source>, Some(&state)).await?)
    }
}
