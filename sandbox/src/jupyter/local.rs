//! Kernels of this machine: the folder, the connection over Unix sockets, and the first answer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jupyter_protocol::connection_info::Transport;
use jupyter_protocol::{ConnectionInfo, InterruptRequest, KernelInfoRequest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::folder::{self, KernelFolder};
use super::kernel::{Incoming, Kernel, Place, WAITING};
use super::message::{Channel, Request, Signer};
use super::process::{self, LocalProcess, Program, Readers, Tail};
use super::running::Running;
use super::zmtp::{self, Reader, SocketType, Writer};
use crate::folder::{Folder, SandboxPath};
use crate::{FileInfo, InterpreterError};

/// How often a socket is looked for that a kernel is about to make.
const LOOK: Duration = Duration::from_millis(2);
/// How long an answer may take before it is asked for again: the first may be published before we are subscribed.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The number of a channel's socket, as the connection file has it; 5 is the heartbeat's. That one is not used: a
/// kernel's death is told by its process, and sooner.
fn number(channel: Channel) -> u16 {
    match channel {
        Channel::Shell => 1,
        Channel::Iopub => 2,
        Channel::Stdin => 3,
        Channel::Control => 4,
    }
}

/// A session's folder on this machine.
pub(super) struct LocalPlace {
    folder: Arc<KernelFolder>,
    program: Arc<Program>,
    start_time: Duration,
}

impl LocalPlace {
    pub(super) fn new(program: Arc<Program>, start_time: Duration) -> Result<Self, InterpreterError> {
        Ok(Self { folder: Arc::new(KernelFolder::new()?), program, start_time })
    }
}

#[async_trait]
impl Place for LocalPlace {
    async fn start(&self) -> Result<Kernel, InterpreterError> {
        let session = Uuid::new_v4().to_string();
        let key = Uuid::new_v4().to_string();
        let run = self.folder.run();
        let connection = ConnectionInfo {
            ip: self.program.inside(&self.folder).run.join("k").to_string_lossy().into_owned(),
            transport: Transport::IPC,
            shell_port: number(Channel::Shell),
            iopub_port: number(Channel::Iopub),
            stdin_port: number(Channel::Stdin),
            control_port: number(Channel::Control),
            hb_port: 5,
            key: key.clone(),
            signature_scheme: "hmac-sha256".to_owned(),
            kernel_name: Some(self.program.spec.name.clone()),
        };
        let json = serde_json::to_vec(&connection).map_err(InterpreterError::backend)?;
        let folder = Arc::clone(&self.folder);
        let renewed =
            tokio::task::spawn_blocking(move || folder.renew(&json)).await.map_err(InterpreterError::backend)?;
        renewed.map_err(InterpreterError::backend)?;

        let (mut child, tail) = self.program.spawn(&self.folder).await?;
        let signer = Signer::new(&key)?;
        let answered = tokio::select! {
            answered = timeout(self.start_time, answer(&run, &session, signer)) => answered.ok(),
            status = child.wait() => {
                // Its last words may still be on their way.
                sleep(Duration::from_millis(50)).await;
                let how = process::ending(status);
                return Err(self.failed(&format!("it ended at once ({how}){}", tail.said())));
            }
        };
        match answered {
            Some(Ok(connected)) => Ok(connected.kernel(&self.program, child, session)),
            Some(Err(error)) => Err(self.given_up(child, &tail, &error.to_string()).await),
            None => {
                let problem = format!("it did not answer within {:?}", self.start_time);
                Err(self.given_up(child, &tail, &problem).await)
            }
        }
    }

    async fn put(&self, path: &str, data: &[u8]) -> Result<(), InterpreterError> {
        let (path, data, limits) = (SandboxPath::new(path)?, data.to_vec(), self.program.limits);
        self.files(move |files| files.put_within(&path, &data, &limits)).await
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, InterpreterError> {
        let (path, limit) = (SandboxPath::new(path)?, self.program.limits.disk);
        self.files(move |files| files.get(&path, limit)).await
    }

    async fn list(&self) -> Result<Vec<FileInfo>, InterpreterError> {
        self.files(Folder::list).await
    }

    async fn clear(&self) -> Result<(), InterpreterError> {
        self.files(|files| files.clear().map_err(InterpreterError::backend)).await
    }
}

impl LocalPlace {
    /// File work, away from the threads that carry messages.
    async fn files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, InterpreterError> + Send + 'static,
    ) -> Result<T, InterpreterError> {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(folder.files())).await.map_err(InterpreterError::backend)?
    }

    async fn given_up(&self, child: Running, tail: &Tail, problem: &str) -> InterpreterError {
        process::discard(child).await;
        self.failed(&format!("{problem}{}", tail.said()))
    }

    fn failed(&self, problem: &str) -> InterpreterError {
        InterpreterError::backend(format!("the kernel `{}` did not start: {problem}", self.program.spec.name))
    }
}

/// A request that a kernel interrupt itself, for those that want it so.
pub(super) fn interrupt_request(
    requests: &mpsc::UnboundedSender<Request>,
    session: &str,
) -> Result<(), InterpreterError> {
    let request = Request::new(Channel::Control, session, InterruptRequest {}, None)?;
    requests.send(request).map_err(|_| InterpreterError::backend("the kernel's connection is closed"))
}

/// A kernel that answered over all its sockets.
struct Connected {
    requests: mpsc::UnboundedSender<Request>,
    incoming: mpsc::Receiver<Incoming>,
    sender: mpsc::Sender<Incoming>,
    readers: Readers,
}

impl Connected {
    fn kernel(self, program: &Program, child: Running, session: String) -> Kernel {
        let Self { requests, incoming, sender, readers } = self;
        let process = LocalProcess::watch(program, child, readers, sender, requests.clone(), session.clone());
        Kernel { requests, incoming, session, process: Box::new(process) }
    }
}

/// Connects to the sockets that a kernel is about to make, and waits until it has answered over shell and over IOPub.
async fn answer(run: &Path, session: &str, signer: Signer) -> Result<Connected, InterpreterError> {
    let identity = session.as_bytes();
    let mut iopub = connect(run, Channel::Iopub, SocketType::Sub, b"").await?;
    iopub.1.subscribe().await.map_err(InterpreterError::backend)?;
    // A kernel sends its questions to the identity that a request came from.
    let shell = connect(run, Channel::Shell, SocketType::Dealer, identity).await?;
    let stdin = connect(run, Channel::Stdin, SocketType::Dealer, identity).await?;
    let control = connect(run, Channel::Control, SocketType::Dealer, identity).await?;

    let (sender, incoming) = mpsc::channel(WAITING);
    let (first_sender, first) = oneshot::channel();
    let first_sender = Arc::new(std::sync::Mutex::new(Some(first_sender)));
    let mut all = JoinSet::new();
    let mut outlets = Vec::new();
    for (channel, (reader, writer)) in
        [(Channel::Iopub, iopub), (Channel::Shell, shell), (Channel::Stdin, stdin), (Channel::Control, control)]
    {
        let (sender, first, signer_of_requests) = (sender.clone(), Arc::clone(&first_sender), signer.clone());
        let signer = signer.clone();
        all.spawn(async move {
            read(channel, reader, &signer, &sender).await;
            drop(first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        });
        let (outlet, requests) = mpsc::unbounded_channel();
        tokio::spawn(write(writer, requests, signer_of_requests.clone()));
        outlets.push((channel, outlet));
    }
    let (requests, mut outgoing) = mpsc::unbounded_channel::<Request>();
    tokio::spawn(async move {
        while let Some(request) = outgoing.recv().await {
            if let Some((_, outlet)) = outlets.iter().find(|(channel, _)| *channel == request.channel) {
                let _ = outlet.send(request);
            }
        }
    });
    let mut connected = Connected { requests, incoming, sender, readers: Readers { first, all } };
    connected.ready(session).await?;
    Ok(connected)
}

impl Connected {
    /// Asks until both an answer and something published have come.
    async fn ready(&mut self, session: &str) -> Result<(), InterpreterError> {
        let (mut replied, mut published) = (false, false);
        while !(replied && published) {
            let request = Request::new(Channel::Shell, session, KernelInfoRequest {}, None)?;
            self.requests.send(request).map_err(InterpreterError::backend)?;
            let both = async {
                while !(replied && published) {
                    match self.incoming.recv().await {
                        Some(Incoming::Message(message)) => {
                            replied |= message.kind == "kernel_info_reply";
                            published |= message.channel == Channel::Iopub;
                        }
                        Some(Incoming::Lost(how)) => return Err(InterpreterError::backend(how)),
                        None => return Err(InterpreterError::backend("its connection closed")),
                    }
                }
                Ok(())
            };
            if let Ok(done) = timeout(ASK_AGAIN, both).await {
                done?;
            }
        }
        Ok(())
    }
}

/// Both ends of one connected socket.
type Connection = (Reader<OwnedReadHalf>, Writer<OwnedWriteHalf>);

/// Connects as soon as the kernel has made the socket. Waits for ever; the caller does not.
async fn connect(
    run: &Path,
    channel: Channel,
    socket: SocketType,
    identity: &[u8],
) -> Result<Connection, InterpreterError> {
    let path = folder::socket(run, number(channel));
    let stream = loop {
        match open(&path).await {
            Ok(stream) => break stream,
            Err(_) => sleep(LOOK).await,
        }
    };
    let (reader, writer) = stream.into_split();
    let shaken = zmtp::handshake(reader, writer, socket, identity).await;
    shaken.map_err(|error| InterpreterError::backend(format!("its {} socket: {error}", channel.name())))
}

/// Connects to the socket itself: a program may have put a link to a socket of the host in its place.
async fn open(path: &Path) -> std::io::Result<UnixStream> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;

        use rustix::fs::{FileType, Mode, OFlags, fstat};

        let found = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Socket {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        // By its descriptor: the name may lead elsewhere by now.
        UnixStream::connect(format!("/proc/self/fd/{}", found.as_raw_fd())).await
    }
    #[cfg(not(target_os = "linux"))]
    UnixStream::connect(path).await
}

/// Writes to a socket what is asked for. Each has its own task: a kernel that does not read one must still hear the others.
async fn write(mut writer: Writer<OwnedWriteHalf>, mut requests: mpsc::UnboundedReceiver<Request>, signer: Signer) {
    while let Some(request) = requests.recv().await {
        let frames = signer.frames(&request);
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        if let Err(error) = writer.message(&frames).await {
            tracing::debug!(%error, channel = request.channel.name(), "a request could not be sent");
            return;
        }
    }
}

/// Reads a socket to its end. What is no message is passed over: it may be the program's, and the kernel's next is not.
async fn read(channel: Channel, mut reader: Reader<OwnedReadHalf>, signer: &Signer, sender: &mpsc::Sender<Incoming>) {
    loop {
        let frames = match reader.message().await {
            Ok(frames) => frames,
            Err(error) => {
                tracing::debug!(%error, channel = channel.name(), "a kernel's socket ended");
                return;
            }
        };
        match signer.message(channel, frames) {
            Ok(message) => {
                if sender.send(Incoming::Message(message)).await.is_err() {
                    return;
                }
            }
            Err(problem) => tracing::debug!(%problem, channel = channel.name(), "passed over what is no message"),
        }
    }
}
