//! The worker's side: what runs behind the walls.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use tokio::io::BufReader;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::frame::{self, Broken, Caps, Frame, fits};
use super::protocol::{Act, Ask, Fault, Say, caps};
use super::remote::{Calls, RemoteInput, RemoteTools};
use super::{HOME, PACKAGES};
use crate::wasm::{Home, Sandbox};
use crate::{Backend, CellEvent, ExecuteRequest, HostTools, Interpreter, InterpreterError, Limits, Output, Snapshot};

/// Threads that read, write and look at files; programs have the sandbox's own.
const THREADS: usize = 2;
/// Threads for what blocks, at most.
const BLOCKING_THREADS: usize = 16;
/// The first frame is a small one.
const FIRST: Caps = Caps { head: 1 << 20, body: 0 };

/// Serves the host until it has no more to ask; gives the exit code.
pub(crate) fn run() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            // The host keeps the last lines.
            let _ = writeln!(io::stderr(), "{error}");
            1
        }
    }
}

fn serve() -> Result<(), Broken> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(THREADS).max_blocking_threads(BLOCKING_THREADS).thread_name("glassbox-worker");
    runtime.enable_io().enable_time().build()?.block_on(async {
        let (reader, mut writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let (out, mut frames) = mpsc::unbounded_channel::<Frame>();
        let writing = tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if frame::write(&mut writer, &frame).await.is_err() {
                    return;
                }
            }
        });
        let served = answer_all(BufReader::new(reader), out).await;
        // What is said already is still sent: why no session can be opened.
        if served.is_ok() {
            let _ = writing.await;
        }
        served
    })
}

/// Answers the host until it hangs up.
async fn answer_all(mut reader: impl tokio::io::AsyncRead + Unpin, out: UnboundedSender<Frame>) -> Result<(), Broken> {
    let Some(first) = frame::read(&mut reader, FIRST).await? else { return Ok(()) };
    let Ask::Begin { limits, image, packages } = first.message()? else {
        return Err(Broken::NoMessage("the first message begins nothing".to_owned()));
    };
    let mut builder = Sandbox::builder().home(Home::at(HOME)).limits(limits).image(image.into());
    if packages {
        builder = builder.packages(PACKAGES);
    }
    let caps = caps(&limits);
    let voice = Voice { out, caps };
    let sandbox = match builder.build() {
        Ok(sandbox) => sandbox,
        Err(error) => {
            voice.say(&Say::Failed { fault: error.into() });
            return Ok(());
        }
    };
    voice.say(&Say::Ready { capabilities: sandbox.capabilities() });
    let server =
        Server { sandbox, limits, voice: voice.clone(), calls: Arc::new(Calls::new(voice)), open: Mutex::default() };
    let server = Arc::new(server);
    while let Some(frame) = frame::read(&mut reader, caps).await? {
        let ask = frame.message()?;
        Arc::clone(&server).take(ask, frame.body);
    }
    Ok(())
}

/// What speaks to the host. Nothing here waits: what programs write is bounded by the limits of their cells.
#[derive(Clone)]
pub(super) struct Voice {
    out: UnboundedSender<Frame>,
    caps: Caps,
}

impl Voice {
    /// Says something; false where it is longer than what the host reads.
    pub(super) fn say(&self, say: &Say) -> bool {
        self.say_with(say, Vec::new())
    }

    fn say_with(&self, say: &Say, body: Vec<u8>) -> bool {
        match Frame::new(say, body) {
            Ok(frame) if fits(&frame, self.caps) => self.out.send(frame).is_ok(),
            _ => false,
        }
    }
}

struct Server {
    sandbox: Sandbox,
    limits: Limits,
    voice: Voice,
    calls: Arc<Calls>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    sessions: HashMap<u64, Arc<dyn Interpreter>>,
    cells: HashMap<u64, CancellationToken>,
}

impl Server {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, session: u64) -> Result<Arc<dyn Interpreter>, InterpreterError> {
        self.open().sessions.get(&session).cloned().ok_or(InterpreterError::Closed)
    }

    /// Starts what is asked for.
    fn take(self: Arc<Self>, ask: Ask, body: Vec<u8>) {
        match ask {
            Ask::Begin { .. } => {}
            Ask::Answer { call, answer } => self.calls.answer(call, answer),
            Ask::Line { call, line } => self.calls.line(call, line),
            Ask::Cancel { id } => {
                if let Some(token) = self.open().cells.get(&id) {
                    token.cancel();
                }
            }
            Ask::Run { id, session, source, tools, input } => {
                let cancellation = CancellationToken::new();
                // Before anything else is read, such as its cancellation.
                self.open().cells.insert(id, cancellation.clone());
                let mut request = ExecuteRequest::new(source).with_cancellation(cancellation);
                if let Some(specs) = tools {
                    let way = RemoteTools { cell: id, specs, calls: Arc::clone(&self.calls) };
                    request = request.with_tools(HostTools::by(Arc::new(way)));
                }
                if input {
                    request = request.with_input(Arc::new(RemoteInput { cell: id, calls: Arc::clone(&self.calls) }));
                }
                tokio::spawn(self.run(id, session, request));
            }
            Ask::Open { id, session, saved } => {
                tokio::spawn(async move {
                    let opened =
                        if saved { self.sandbox.reopen(&inner(body)).await } else { self.sandbox.open().await };
                    let result = opened.map(|opened| {
                        self.open().sessions.insert(session, opened);
                        Vec::new()
                    });
                    self.voice.say(&Say::Done { id, result: result.map_err(Fault::from) });
                });
            }
            Ask::Do { id, session, act } => {
                tokio::spawn(async move {
                    let (result, body) = match self.act(session, act, body).await {
                        Ok((files, body)) => (Ok(files), body),
                        Err(error) => (Err(Fault::from(error)), Vec::new()),
                    };
                    if !self.voice.say_with(&Say::Done { id, result }, body) {
                        let problem = "the answer is longer than what the host reads".to_owned();
                        self.voice.say(&Say::Done { id, result: Err(Fault::Backend { problem }) });
                    }
                });
            }
        }
    }

    async fn run(self: Arc<Self>, id: u64, session: u64, request: ExecuteRequest) {
        let session = match self.session(session) {
            Ok(session) => session,
            Err(error) => {
                self.voice.say(&Say::Over { id, fault: error.into() });
                return;
            }
        };
        let mut events = session.execute(request);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.event(id, event),
                Err(error) => {
                    self.voice.say(&Say::Over { id, fault: error.into() });
                }
            }
        }
        self.open().cells.remove(&id);
    }

    /// Passes an event on. A display that the host would not read counts as one past the limit.
    fn event(&self, id: u64, event: CellEvent) {
        let event = Say::Event { id, event };
        if !self.voice.say(&event) {
            let output = Output::Truncated { stream: "display".to_owned(), bytes: self.limits.display };
            self.voice.say(&Say::Event { id, event: CellEvent::Output { output } });
        }
    }

    async fn act(
        &self,
        session: u64,
        act: Act,
        body: Vec<u8>,
    ) -> Result<(Vec<crate::FileInfo>, Vec<u8>), InterpreterError> {
        let id = session;
        let session = self.session(session)?;
        let nothing = (Vec::new(), Vec::new());
        Ok(match act {
            Act::Restart => session.restart().await.map(|()| nothing)?,
            Act::Snapshot => (Vec::new(), session.snapshot().await?.data),
            Act::Restore => session.restore(&inner(body)).await.map(|()| nothing)?,
            Act::Put { path } => session.put_file(&path, &body).await.map(|()| nothing)?,
            Act::Get { path } => (Vec::new(), session.get_file(&path).await?),
            Act::List => (session.list_files().await?, Vec::new()),
            Act::Close => {
                session.close().await;
                self.open().sessions.remove(&id);
                nothing
            }
        })
    }
}

/// A state as the sandbox in here names it.
fn inner(data: Vec<u8>) -> Snapshot {
    Snapshot { backend: crate::wasm::BACKEND.to_owned(), data }
}
