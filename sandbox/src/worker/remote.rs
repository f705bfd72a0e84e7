//! Tools and input of a cell in the worker: asked of the host.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use glassbox_tools::ToolSpec;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::inside::Voice;
use super::protocol::{Refused, Say};
use crate::host::Way;
use crate::{HostToolError, InputSource};

/// Who waits for an answer of the host.
enum Waiting {
    Tool(oneshot::Sender<Result<Value, Refused>>),
    Line(oneshot::Sender<Option<String>>),
}

/// The calls that are under way.
pub(super) struct Calls {
    voice: Voice,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

/// A call that is under way. Dropped before its answer is there, it is withdrawn.
struct Call<'a> {
    calls: &'a Calls,
    number: u64,
    cell: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.calls.take(self.number).is_some() {
            self.calls.voice.say(&Say::Withdrawn { id: self.cell });
        }
    }
}

impl Calls {
    pub(super) fn new(voice: Voice) -> Self {
        Self { voice, next: AtomicU64::new(1), waiting: Mutex::default() }
    }

    fn begin(&self, cell: u64, waiting: Waiting) -> Call<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, waiting);
        Call { calls: self, number, cell }
    }

    fn take(&self, number: u64) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }

    /// What a tool gave. Nobody may wait for it any more.
    pub(super) fn answer(&self, call: u64, answer: Result<Value, Refused>) {
        if let Some(Waiting::Tool(waiting)) = self.take(call) {
            let _ = waiting.send(answer);
        }
    }

    /// What was typed.
    pub(super) fn line(&self, call: u64, line: Option<String>) {
        if let Some(Waiting::Line(waiting)) = self.take(call) {
            let _ = waiting.send(line);
        }
    }
}

/// The tools of the host.
pub(super) struct RemoteTools {
    pub(super) cell: u64,
    pub(super) specs: Vec<ToolSpec>,
    pub(super) calls: Arc<Calls>,
}

fn failed(kind: &str, message: &str) -> HostToolError {
    HostToolError { kind: kind.to_owned(), message: message.to_owned() }
}

#[async_trait]
impl Way for RemoteTools {
    fn specs(&self) -> Vec<ToolSpec> {
        self.specs.clone()
    }

    async fn call(
        &self,
        _number: u32,
        name: String,
        arguments: Value,
        cancellation: CancellationToken,
    ) -> Result<Value, HostToolError> {
        let (reply, answer) = oneshot::channel();
        let call = self.calls.begin(self.cell, Waiting::Tool(reply));
        let say = Say::Call { id: self.cell, call: call.number, name, arguments };
        if !self.calls.voice.say(&say) {
            self.calls.take(call.number);
            return Err(failed("invalid_arguments", "the arguments are nested too deep, or too long"));
        }
        tokio::select! {
            biased;
            () = cancellation.cancelled() => Err(failed("cancelled", "the cell was cancelled")),
            answer = answer => match answer {
                Ok(answer) => answer.map_err(|refused| failed(&refused.kind, &refused.message)),
                Err(_) => Err(failed("cancelled", "the host is gone")),
            },
        }
    }
}

/// The person at the host.
pub(super) struct RemoteInput {
    pub(super) cell: u64,
    pub(super) calls: Arc<Calls>,
}

#[async_trait]
impl InputSource for RemoteInput {
    async fn line(&self, prompt: &str, hidden: bool) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        let call = self.calls.begin(self.cell, Waiting::Line(reply));
        let say = Say::Question { id: self.cell, call: call.number, prompt: prompt.to_owned(), hidden };
        if !self.calls.voice.say(&say) {
            self.calls.take(call.number);
            return None;
        }
        answer.await.ok().flatten()
    }
}
