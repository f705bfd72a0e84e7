//! A session's folder on a Jupyter server, and the kernels in it.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use jupyter_protocol::KernelInfoRequest;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use super::super::kernel::{Incoming, Kernel, Place, Process, WAITING};
use super::super::message::{Channel, Request};
use super::server::{Refusal, Server};
use super::socket::{Carrier, Socket};
use crate::folder::SandboxPath;
use crate::{FileInfo, InterpreterError, Limits};

/// How long an answer may take before it is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a kernel may take to answer for the first time.
const START_TIME: Duration = Duration::from_secs(60);
/// Folders deeper than this are not listed.
const MAX_DEPTH: u32 = 16;

/// A session's folder. Without files, there is none, and its kernels run where the server wants.
pub(super) struct RemotePlace {
    server: Server,
    kernel: String,
    limits: Limits,
    /// Its name below the server's root.
    folder: Option<String>,
}

impl RemotePlace {
    pub(super) async fn new(
        server: Server,
        kernel: String,
        limits: Limits,
        files: bool,
    ) -> Result<Self, InterpreterError> {
        let folder = files.then(|| format!("glassbox-{}", Uuid::new_v4()));
        if let Some(folder) = &folder {
            server.make_folder(&[folder]).await?;
        }
        Ok(Self { server, kernel, limits, folder })
    }

    fn folder(&self) -> Result<&str, InterpreterError> {
        self.folder.as_deref().ok_or(InterpreterError::Unsupported { action: "keep files" })
    }

    /// The names on the server of a path of the session.
    fn names<'a>(&'a self, path: &'a SandboxPath) -> Result<Vec<&'a str>, InterpreterError> {
        let (top, names) = path.names();
        if top != "/mnt/data" {
            return Err(path.bad("a server's /tmp cannot be reached"));
        }
        Ok(std::iter::once(self.folder()?).chain(names.iter().map(String::as_str)).collect())
    }

    /// Waits until the kernel has answered.
    async fn ready(
        session: &str,
        requests: &mpsc::UnboundedSender<Request>,
        incoming: &mut mpsc::Receiver<Incoming>,
    ) -> Result<(), InterpreterError> {
        loop {
            let request = Request::new(Channel::Shell, session, KernelInfoRequest {}, None)?;
            requests.send(request).map_err(InterpreterError::backend)?;
            let answered = async {
                loop {
                    match incoming.recv().await {
                        Some(Incoming::Message(message)) if message.kind == "kernel_info_reply" => return Ok(()),
                        Some(Incoming::Message(_)) => {}
                        Some(Incoming::Lost(how)) => return Err(InterpreterError::backend(how)),
                        None => return Err(InterpreterError::backend("the connection closed")),
                    }
                }
            };
            if let Ok(answered) = timeout(ASK_AGAIN, answered).await {
                return answered;
            }
        }
    }

    /// Adds the files below a folder.
    fn walk<'a>(
        &'a self,
        path: Vec<String>,
        depth: u32,
        files: &'a mut Vec<FileInfo>,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            for entry in self.server.list_folder(&names).await? {
                let mut below = path.clone();
                below.push(entry.name);
                if entry.kind != "directory" {
                    let inside = below.get(1..).unwrap_or_default().join("/");
                    let version = entry.last_modified.unwrap_or_default();
                    let path = format!("/mnt/data/{inside}");
                    files.push(FileInfo { path, bytes: entry.size.unwrap_or_default(), version });
                } else if depth > 0 {
                    self.walk(below, depth.saturating_sub(1), files).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// Removes what is below a folder.
    fn empty<'a>(server: &'a Server, path: Vec<String>, depth: u32) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            for entry in server.list_folder(&names).await? {
                let mut below = path.clone();
                below.push(entry.name);
                if entry.kind == "directory" && depth > 0 {
                    Self::empty(server, below.clone(), depth.saturating_sub(1)).await?;
                }
                let below: Vec<&str> = below.iter().map(String::as_str).collect();
                server.remove(&below).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

#[async_trait]
impl Place for RemotePlace {
    async fn start(&self) -> Result<Kernel, InterpreterError> {
        let session = Uuid::new_v4().to_string();
        let id = self.server.start(&self.kernel, self.folder.as_deref()).await?;
        let process = RemoteProcess { server: self.server.clone(), id: id.clone(), ended: false };
        let socket = Socket::connect(&self.server, &id, &session).await?;
        let (sender, mut incoming) = mpsc::channel(WAITING);
        let (requests, outgoing) = mpsc::unbounded_channel();
        let carrier = Carrier {
            server: self.server.clone(),
            kernel: id,
            session: session.clone(),
            incoming: sender,
            requests: outgoing,
        };
        tokio::spawn(carrier.carry(socket));
        let ready = timeout(START_TIME, Self::ready(&session, &requests, &mut incoming)).await;
        ready.map_err(|_| {
            InterpreterError::backend(format!("the kernel `{}` did not answer within {START_TIME:?}", self.kernel))
        })??;
        Ok(Kernel { requests, incoming, session, process: Box::new(process) })
    }

    async fn put(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        let path = SandboxPath::new(path)?;
        let names = self.names(&path)?;
        if data.len() as u64 > self.limits.disk {
            let limit = format!("{} bytes of files", self.limits.disk);
            return Err(InterpreterError::Limit { what: format!("a file of {} bytes", data.len()), limit });
        }
        for depth in 2..names.len() {
            self.server.make_folder(names.get(..depth).unwrap_or_default()).await?;
        }
        Ok(self.server.put_file(&names, data).await?)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let path = SandboxPath::new(path)?;
        match self.server.get_file(&self.names(&path)?).await {
            Err(refusal) if refusal.not_found() => Err(InterpreterError::NoFile { path: path.text().to_owned() }),
            got => Ok(got?),
        }
    }

    async fn list(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        let mut files = Vec::new();
        if let Some(folder) = &self.folder {
            self.walk(vec![folder.clone()], MAX_DEPTH, &mut files).await?;
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    async fn clear(&self) -> Result<(), InterpreterError> {
        match &self.folder {
            Some(folder) => Ok(Self::empty(&self.server, vec![folder.clone()], MAX_DEPTH).await?),
            None => Ok(()),
        }
    }

    async fn remove(&self) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = self.clear().await {
            tracing::warn!(%error, folder, "a session's folder is left on the server");
            return;
        }
        let _ = self.server.remove(&[folder]).await;
    }
}

/// A kernel of the server.
struct RemoteProcess {
    server: Server,
    id: String,
    ended: bool,
}

#[async_trait]
impl Process for RemoteProcess {
    async fn interrupt(&mut self) -> Result<(), InterpreterError> {
        Ok(self.server.interrupt(&self.id).await?)
    }

    async fn kill(&mut self) {
        self.ended = true;
        match self.server.delete(&self.id).await {
            Err(refusal) if !refusal.not_found() => {
                tracing::warn!(%refusal, id = self.id, "a kernel is left on the server");
            }
            _ => {}
        }
    }

    fn memory(&self) -> u64 {
        0
    }
}

impl Drop for RemoteProcess {
    fn drop(&mut self) {
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (server, id) = (self.server.clone(), self.id.clone());
            runtime.spawn(async move { server.delete(&id).await });
        }
    }
}
