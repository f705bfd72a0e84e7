//! One cell: from the messages of a kernel to the outputs of a program.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jupyter_protocol::{ExecuteRequest as Execute, InputReply, ReplyStatus};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::content::{Clear, Display, Failure, Input, Reply, Status, Stream};
use super::kernel::{Incoming, Kernel};
use super::message::{Body, Channel, Message, Request};
use super::outlet::Outlet;
use crate::capture;
use crate::{Denial, DenialKind, Execution, InputSource, InterpreterError, Limits, Output};

/// Contents past this size are not read, but for text of `stream`: as values they take many times their bytes.
const MAX_STRUCTURED: usize = 24 << 20;
/// IPython loads what formats a traceback when the first one comes, which can take longer than the usual grace; a kernel
/// that is killed for it loses its state.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// What a Python kernel takes for the end of standard input.
const END_OF_INPUT: &str = "\u{4}";
const CLOSED: &str = "the kernel's connection is closed";
/// How long after `exit()` a kernel may take to end; IPython's does after 0.1 s.
const EXIT_TIME: Duration = Duration::from_secs(2);

/// How the cell ended.
#[derive(Debug)]
pub(super) enum End {
    /// The kernel replied.
    Replied(Execution),
    /// The kernel is gone, or must go because it did not stop.
    Lost {
        /// How, such as `the kernel died (signal: 9)`.
        reason: String,
        /// Whether it had begun the cell.
        begun: bool,
    },
}

/// What a cell is run with.
pub(super) struct Run<'a> {
    pub(super) kernel: &'a mut Kernel,
    pub(super) limits: Limits,
    /// Changes when the caller interrupts.
    pub(super) interrupts: watch::Receiver<u64>,
    pub(super) cancellation: &'a CancellationToken,
    /// Cancelled when the session ends.
    pub(super) closed: &'a CancellationToken,
    pub(super) input: Option<Arc<dyn InputSource>>,
    /// Whether the kernel knows [`END_OF_INPUT`].
    pub(super) python: bool,
}

/// The state of a running cell.
struct Cell<'a> {
    /// The `msg_id` of its request: what has another parent is not its.
    id: String,
    outlet: &'a mut Outlet,
    /// The kernel said that it runs the program.
    begun: bool,
    idle: bool,
    reply: Option<Execution>,
    /// An error was published.
    failed: bool,
    /// The error of the reply, for a kernel that published none.
    failure: Option<Failure>,
    ends_kernel: bool,
    /// A question of the program, not answered yet.
    question: Option<Message>,
}

/// A cell that is being stopped.
struct Stop {
    /// When the kernel is killed.
    hard: Instant,
    /// When the interrupt is sent at the latest; `None` once it is sent.
    interrupt: Option<Instant>,
}

impl Stop {
    /// Stops within `grace`, but in no less than [`LEAST_GRACE`].
    fn new(grace: Duration) -> Self {
        let grace = grace.max(LEAST_GRACE);
        let now = Instant::now();
        let after = |time: Duration| now.checked_add(time).unwrap_or(now);
        Self { hard: after(grace), interrupt: Some(after(grace / 4)) }
    }
}

/// A question that is being answered.
struct Answer {
    question: Message,
    asked: Instant,
    line: BoxFuture<'static, Option<String>>,
}

impl Run<'_> {
    /// Runs `source` to its end, or to that of its time and grace.
    pub(super) async fn run(self, source: &str, outlet: &mut Outlet) -> Result<End, InterpreterError> {
        let Self { kernel, limits, mut interrupts, cancellation, closed, input, python } = self;
        let request = Execute {
            code: source.to_owned(),
            // A Python kernel asks, and hears the end of input: `EOFError`, as without a terminal.
            allow_stdin: input.is_some() || python,
            // What is queued waits here, not in the kernel; aborting there would hit the next cell.
            stop_on_error: false,
            ..Execute::default()
        };
        let request = Request::new(Channel::Shell, &kernel.session, request, None)?;
        let mut cell = Cell::new(request.id.clone(), outlet);
        if kernel.requests.send(request).is_err() {
            return Ok(cell.lost(CLOSED));
        }
        interrupts.mark_unchanged();
        let mut soft = Instant::now().checked_add(limits.soft_time);
        let mut stop: Option<Stop> = None;
        let mut answer: Option<Answer> = None;

        while !(cell.idle && cell.reply.is_some()) {
            tokio::select! {
                incoming = kernel.incoming.recv() => match incoming {
                    Some(Incoming::Message(message)) => cell.take(message),
                    Some(Incoming::Lost(how)) => return Ok(cell.lost(how)),
                    None => return Ok(cell.lost(CLOSED)),
                },
                () = cancellation.cancelled(), if stop.is_none() => stop = Some(Stop::new(limits.grace)),
                () = closed.cancelled(), if stop.is_none() => stop = Some(Stop::new(limits.grace)),
                Ok(()) = interrupts.changed(), if stop.is_none() => stop = Some(Stop::new(limits.grace)),
                // A person may think for as long as it takes.
                () = at(soft), if stop.is_none() && answer.is_none() => {
                    cell.outlet.deny(
                        DenialKind::Time,
                        format!("the cell ran for {:?}", limits.soft_time),
                        "do less in a cell, or raise `soft_time` in the limits",
                    );
                    stop = Some(Stop::new(limits.grace));
                }
                () = at(stop.as_ref().and_then(|stop| stop.interrupt)) => cell.begun = true,
                () = at(stop.as_ref().map(|stop| stop.hard)) => {
                    // An interrupt that hits the kernel's own code ends the cell without a reply.
                    if cell.idle {
                        break;
                    }
                    cell.begun = true;
                    return Ok(cell.lost("the cell did not stop when it was interrupted, and was killed"));
                }
                line = answered(&mut answer) => if let Some(Answer { question, asked, .. }) = answer.take() {
                    soft = soft.and_then(|soft| soft.checked_add(asked.elapsed()));
                    reply_input(kernel, &question, line.as_deref())?;
                }
            }
            if let Some(stop) = &mut stop {
                answer = None;
                // A kernel that has not begun the cell passes an interrupt over.
                if cell.begun && stop.interrupt.take().is_some() {
                    // One that cannot be interrupted is killed when the grace is over.
                    if let Err(error) = kernel.process.interrupt().await {
                        tracing::warn!(%error, "a cell could not be interrupted");
                    }
                }
            } else if let Some(question) = cell.question.take() {
                if let Some(source) = &input {
                    let line = ask(Arc::clone(source), &question);
                    answer = Some(Answer { question, asked: Instant::now(), line });
                } else {
                    cell.refuse_input();
                    reply_input(kernel, &question, None)?;
                }
            }
        }
        if let (false, Some(failure)) = (cell.failed, cell.failure.take()) {
            cell.fail(failure);
        }
        if cell.ends_kernel
            && let Some(how) = exit(kernel).await
        {
            return Ok(cell.lost(format!("the program ended the kernel with `exit()`: {how}")));
        }
        Ok(End::Replied(match cell.reply {
            Some(Execution::Ok) => Execution::Ok,
            _ if stop.is_some() => Execution::Interrupted,
            _ => Execution::Error,
        }))
    }
}

/// Waits until the kernel has ended, and says how.
async fn exit(kernel: &mut Kernel) -> Option<String> {
    let lost = async {
        loop {
            match kernel.incoming.recv().await {
                Some(Incoming::Message(_)) => {}
                Some(Incoming::Lost(how)) => return how,
                None => return "its connection closed".to_owned(),
            }
        }
    };
    tokio::time::timeout(EXIT_TIME, lost).await.ok()
}

/// Waits for a time; for ever where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for an answer; for ever where nothing was asked.
async fn answered(answer: &mut Option<Answer>) -> Option<String> {
    match answer {
        Some(answer) => (&mut answer.line).await,
        None => std::future::pending().await,
    }
}

/// Asks a person.
fn ask(source: Arc<dyn InputSource>, question: &Message) -> BoxFuture<'static, Option<String>> {
    let asked: Option<Input> = read(&question.body);
    async move {
        let asked = asked?;
        source.line(&asked.prompt, asked.password).await
    }
    .boxed()
}

/// A content as the type that it should be, where it is.
fn read<'a, T: Deserialize<'a>>(body: &'a Body) -> Option<T> {
    match body {
        Body::Json(json) if json.len() <= MAX_STRUCTURED => {
            serde_json::from_slice(json).inspect_err(|error| tracing::debug!(%error, "a message was passed over")).ok()
        }
        _ => None,
    }
}

/// Answers the program: a line, or that there is none.
fn reply_input(kernel: &Kernel, question: &Message, line: Option<&str>) -> Result<(), InterpreterError> {
    let value = line.unwrap_or(END_OF_INPUT).to_owned();
    let reply = InputReply { value, status: ReplyStatus::Ok, error: None };
    let reply = Request::new(Channel::Stdin, &kernel.session, reply, Some(&question.header))?;
    // A closed connection is told by `incoming`.
    let _ = kernel.requests.send(reply);
    Ok(())
}

impl<'a> Cell<'a> {
    fn new(id: String, outlet: &'a mut Outlet) -> Self {
        Self {
            id,
            outlet,
            begun: false,
            idle: false,
            reply: None,
            failed: false,
            failure: None,
            ends_kernel: false,
            question: None,
        }
    }

    fn lost(&self, reason: impl Into<String>) -> End {
        End::Lost { reason: reason.into(), begun: self.begun }
    }

    /// Takes a message; what is not this cell's, or no message that it knows, is passed over.
    fn take(&mut self, message: Message) {
        if message.parent.as_deref() != Some(self.id.as_str()) {
            return;
        }
        match (message.channel, message.kind.as_str()) {
            (Channel::Iopub, "execute_input") => self.begun = true,
            (Channel::Iopub, "stream") => self.stream(&message.body),
            (Channel::Iopub, "display_data" | "update_display_data" | "execute_result") => self.display(&message),
            (Channel::Iopub, "clear_output") => {
                let wait = read::<Clear>(&message.body).is_some_and(|clear| clear.wait);
                self.outlet.piece(Output::ClearOutput { wait });
            }
            (Channel::Iopub, "error") => self.fail(read(&message.body).unwrap_or_default()),
            (Channel::Iopub, "status") => {
                self.idle |= read::<Status<'_>>(&message.body).is_some_and(|status| status.execution_state == "idle");
            }
            (Channel::Shell, "execute_reply") => self.reply(&message.body),
            (Channel::Stdin, "input_request") => self.question = Some(message),
            _ => {}
        }
    }

    fn stream(&mut self, body: &Body) {
        match body {
            Body::Json(json) => {
                let Ok(stream) = serde_json::from_slice::<Stream<'_>>(json) else { return };
                let which = if stream.name == "stderr" { capture::Stream::Stderr } else { capture::Stream::Stdout };
                if let Some(output) = self.outlet.capture.text(which, &stream.text) {
                    self.outlet.send(output);
                }
            }
            Body::TooLarge(bytes) => self.truncated("stdout", *bytes),
        }
    }

    fn display(&mut self, message: &Message) {
        let Some(display) = read::<Display<'_>>(&message.body) else {
            let bytes = match &message.body {
                Body::TooLarge(bytes) => *bytes,
                Body::Json(json) => json.len() as u64,
            };
            return self.truncated("display", bytes);
        };
        let data = display.bundle();
        if !self.outlet.capture.display(&data) {
            return;
        }
        self.outlet.send(match (message.kind.as_str(), display.id()) {
            ("execute_result", _) => Output::Result { data },
            ("update_display_data", Some(id)) => Output::DisplayUpdate { data, id },
            (_, id) => Output::Display { data, id },
        });
    }

    /// Says that a message was dropped as a whole.
    fn truncated(&mut self, stream: &str, bytes: u64) {
        self.outlet.piece(Output::Truncated { stream: stream.to_owned(), bytes });
    }

    fn refuse_input(&mut self) {
        let message = "the program asked for input, and nobody answers".to_owned();
        let hint = "write the value into the program instead of `input()`".to_owned();
        self.outlet.report(Output::Denied { denial: Denial { kind: DenialKind::Input, message, hint } });
    }

    fn fail(&mut self, failure: Failure) {
        self.failed = true;
        self.outlet.report(failure.output());
    }

    fn reply(&mut self, body: &Body) {
        // A reply that cannot be read is one nevertheless: the cell is over.
        let Some(reply) = read::<Reply<'_>>(body) else {
            self.reply = Some(if self.failed { Execution::Error } else { Execution::Ok });
            return;
        };
        self.ends_kernel = reply.ends_kernel();
        for data in reply.pages() {
            if self.outlet.capture.display(&data) {
                self.outlet.send(Output::Display { data, id: None });
            }
        }
        let ok = reply.status == "ok";
        self.reply = Some(if ok { Execution::Ok } else { Execution::Error });
        // Most kernels publish the error too; it may come after the reply, over another socket.
        self.failure = (!ok).then_some(reply.failure);
    }
}
