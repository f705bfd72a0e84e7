//! A worker process, as its sessions hold it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::ChildStderr;
use tokio::sync::mpsc;

use super::frame::{self, Broken, Frame};
use super::link::Link;
use super::protocol::{Act, Ask, Fault, Say, Start, caps};
use super::{HOME, PACKAGES};
use crate::launch::{Child, Resources, Scratch, WorkerPlan};
use crate::wasm::{Home, Image};
use crate::{Capabilities, InterpreterError, Limits, Snapshot};

/// How long a worker may take to begin: it maps machine code, which takes milliseconds.
const START_TIME: Duration = Duration::from_secs(60);
/// How long a worker that hung up may take to end.
const END_TIME: Duration = Duration::from_secs(2);
/// Bytes of its standard error that are kept for messages.
const STDERR: usize = 2 << 10;

/// What a worker needs beside its sessions: code, stacks, tables.
const BASE_MEMORY: u64 = 1 << 30;
/// Threads of a worker beside one a core.
const THREADS: u64 = 64;
/// Descriptors of a worker beside its sessions'.
const BASE_FILES: u64 = 256;

/// What workers are like.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) home: Home,
    pub(super) limits: Limits,
    pub(super) image: Image,
    pub(super) packages: Option<PathBuf>,
    /// Sessions of each.
    pub(super) sessions: usize,
}

impl Settings {
    /// The walls and what is inside.
    fn plan(&self) -> WorkerPlan {
        let mut folders = vec![(self.home.root().to_owned(), HOME.into())];
        folders.extend(self.packages.clone().map(|folder| (folder, PACKAGES.into())));
        let (limits, sessions) = (&self.limits, self.sessions as u64);
        let each = |bytes: u64| bytes.saturating_mul(sessions);
        // A session's memory, two copies while a state is saved or restored, and one while it is sent; its files likewise.
        let one = limits.memory.saturating_add(limits.disk).saturating_add(limits.display).saturating_mul(4);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let resources = Resources {
            memory: None,
            data: Some(BASE_MEMORY.saturating_add(each(one))),
            file_size: limits.disk.saturating_add(1 << 20),
            open_files: BASE_FILES.saturating_add(each(u64::from(limits.open_files))),
            processes: THREADS.saturating_add(cores),
        };
        // Half as much again: replaced files exist twice for a moment, and a file takes whole pages.
        let files = each(u64::from(limits.files).saturating_mul(2).saturating_add(64));
        let bytes =
            limits.disk.saturating_add(limits.disk / 2).saturating_add(u64::from(limits.files).saturating_mul(4096));
        WorkerPlan { folders, scratch: Scratch { bytes: each(bytes), files }, resources }
    }
}

/// A worker process. Dropped, it is killed.
pub(super) struct Process {
    pub(super) link: Arc<Link>,
    pub(super) capabilities: Capabilities,
    pid: u32,
    most: usize,
    sessions: AtomicUsize,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.link.kill("the worker process was ended");
    }
}

impl Process {
    /// Starts one.
    pub(super) async fn start(settings: &Settings) -> Result<Arc<Self>, InterpreterError> {
        let mut child = settings.plan().spawn().await?;
        let begun = begin(&mut child, settings).await;
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let _ = child.kill().await;
                return Err(error);
            }
        };
        let pid = child.pid();
        let link = Arc::clone(&begun.link);
        tokio::spawn(watch(child, begun.link, begun.reader, begun.stderr));
        let (most, sessions) = (settings.sessions, AtomicUsize::new(0));
        Ok(Arc::new(Self { link, capabilities: begun.capabilities, pid, most, sessions }))
    }

    /// Its process id outside the sandbox.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Takes room for one more session, where there is some.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let more = |sessions: usize| (sessions < self.most).then(|| sessions.saturating_add(1));
        let alive = self.link.reason().is_none();
        let taken = alive && self.sessions.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        taken.then(|| Seat { session: self.link.number(), process: Arc::clone(self) })
    }
}

/// A session's place in a worker. Dropped, the session is closed.
pub(super) struct Seat {
    pub(super) process: Arc<Process>,
    pub(super) session: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.process.sessions.fetch_sub(1, Ordering::AcqRel);
        self.process.link.release(self.session);
    }
}

impl Seat {
    /// Opens the session, in a saved state where one is given.
    pub(super) async fn open(&self, saved: Option<&Snapshot>) -> Result<(), InterpreterError> {
        let body = saved.map(|saved| saved.data.clone());
        self.process.link.open(self.session, body.is_some(), body.unwrap_or_default()).await
    }

    /// Does something with it.
    pub(super) async fn act(
        &self,
        act: Act,
        body: Vec<u8>,
    ) -> Result<(Vec<crate::FileInfo>, Vec<u8>), InterpreterError> {
        self.process.link.act(self.session, act, body).await
    }

    /// Why the worker is gone, if it is.
    pub(super) fn lost(&self) -> Option<String> {
        self.process.link.reason().map(str::to_owned)
    }
}

/// A worker that is ready.
struct Begun {
    link: Arc<Link>,
    reader: BufReader<OwnedReadHalf>,
    stderr: Option<ChildStderr>,
    capabilities: Capabilities,
}

async fn begin(child: &mut Child, settings: &Settings) -> Result<Begun, InterpreterError> {
    let failed = |problem: &dyn std::fmt::Display| {
        InterpreterError::backend(format!("the worker process did not begin: {problem}"))
    };
    let stream = child.stream.take().ok_or_else(|| failed(&"it has no socket"))?;
    let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    let (reader, mut writer) = stream.map_err(|error| failed(&error))?.into_split();
    let caps = caps(&settings.limits);
    let (out, mut frames) = mpsc::unbounded_channel::<Frame>();
    let link = Arc::new(Link::new(out, caps));
    tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            if frame::write(&mut writer, &frame).await.is_err() {
                return;
            }
        }
    });
    let (limits, image) = (settings.limits, Start::from(settings.image));
    link.send(&Ask::Begin { limits, image, packages: settings.packages.is_some() }, Vec::new());
    let mut reader = BufReader::new(reader);
    let first = tokio::time::timeout(START_TIME, frame::read(&mut reader, caps)).await;
    let stderr = child.stderr.take();
    let first = match first.map_err(|_| failed(&"it says nothing"))? {
        Ok(Some(first)) => first,
        // How it ended says more than that its socket did.
        Ok(None) | Err(Broken::Stream(_)) => {
            let ended = ended(child).await;
            let words = tokio::time::timeout(END_TIME, said(stderr)).await.unwrap_or_default();
            return Err(failed(&format!("it {ended}{words}")));
        }
        Err(broken) => return Err(failed(&broken)),
    };
    match first.message().map_err(|error| failed(&error))? {
        Say::Ready { capabilities } => Ok(Begun { link, reader, stderr, capabilities }),
        Say::Failed { fault } => Err(outside(fault, settings.home.root()).into()),
        _ => Err(failed(&"it says something else first")),
    }
}

/// Paths inside mean nothing to who reads the message.
fn outside(fault: Fault, home: &Path) -> Fault {
    match fault {
        Fault::NotSetUp { problem } => Fault::NotSetUp { problem: problem.replace(HOME, &home.to_string_lossy()) },
        other => other,
    }
}

/// How a worker ended that hung up.
async fn ended(child: &mut Child) -> String {
    match tokio::time::timeout(END_TIME, child.wait()).await {
        Ok(Ok(status)) => format!("died ({status})"),
        Ok(Err(error)) => format!("died ({error})"),
        Err(_) => "hung up, and was killed".to_owned(),
    }
}

/// Listens to a worker until it ends, breaks a rule, or is to end; tells its link, and sees that it is gone.
async fn watch(mut child: Child, link: Arc<Link>, reader: BufReader<OwnedReadHalf>, stderr: Option<ChildStderr>) {
    let words = tokio::spawn(said(stderr));
    let reason = tokio::select! {
        biased;
        reason = link.stopped() => reason,
        heard = link.listen(reader) => match heard {
            Err(Broken::Stream(_)) | Ok(()) => format!("the worker process {}", ended(&mut child).await),
            Err(broken) => format!("the worker process said what no worker says, and was killed: {broken}"),
        },
    };
    let _ = child.kill().await;
    let words = tokio::time::timeout(END_TIME, words).await.ok().and_then(Result::ok).unwrap_or_default();
    if !words.is_empty() {
        tracing::warn!(reason, words, "a worker process wrote something before it ended");
    }
    link.died(reason);
}

/// The beginning of what it writes to its standard error, as the end of a sentence. The rest is read and dropped, so that
/// it waits for nobody.
async fn said(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let (mut kept, mut part) = (Vec::new(), [0; 1024]);
    while let Ok(bytes @ 1..) = stderr.read(&mut part).await {
        let room = STDERR.saturating_sub(kept.len()).min(bytes);
        kept.extend_from_slice(part.get(..room).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&kept);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("; it wrote: {text}") }
}
