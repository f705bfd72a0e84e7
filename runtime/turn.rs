//! A turn that runs: what its driver and its stream share.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use glassbox_model::{AssistantMessage, AssistantPart, FinishReason, Message, Timings, Usage};
use glassbox_tools::CallId;

use crate::{CallRecord, CodeRecord, Reply, Session, Step, TurnMachine, TurnRules, TurnTimings, TurnUsage};

/// The state of a running turn. Held by the driver, which moves it on, and by the stream, which takes what is final
/// when the driver has ended or is dropped.
pub(crate) struct Turn {
    pub(crate) machine: TurnMachine,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) code: Vec<CodeRecord>,
    pub(crate) timings: TurnTimings,
    usage: TurnUsage,
    started: Instant,
    user: Option<Message>,
    /// The prose of the reply that is being written.
    written: String,
    /// The calls of the reply that is being written.
    seen: BTreeSet<CallId>,
    next_call: u64,
    /// The last program failed and was the same, to the letter, as one before it.
    pub(crate) stuck: bool,
    /// Whether the message has been accepted: before that nothing of the turn is kept.
    accepted: bool,
    failed: bool,
}

/// A panic while the lock is held cannot leave a turn half changed: each change is one step of the machine.
pub(crate) fn lock(turn: &Mutex<Turn>) -> MutexGuard<'_, Turn> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    pub(crate) fn new(user: Message, rules: TurnRules, next_call: u64) -> Self {
        Self {
            machine: TurnMachine::new(rules),
            calls: Vec::new(),
            code: Vec::new(),
            timings: TurnTimings::default(),
            usage: TurnUsage::default(),
            started: Instant::now(),
            user: Some(user),
            written: String::new(),
            seen: BTreeSet::new(),
            next_call,
            stuck: false,
            accepted: false,
            failed: false,
        }
    }

    /// The message fits.
    pub(crate) fn accept(&mut self) {
        self.accepted = true;
    }

    /// The turn ends with an error.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> u64 {
        self.next_call
    }

    /// The model wrote more prose.
    pub(crate) fn wrote(&mut self, text: &str) {
        self.written.push_str(text);
    }

    /// The model began a call. Its number is used up, even if the reply is never finished: events have shown it.
    pub(crate) fn saw(&mut self, id: &CallId) {
        if self.seen.insert(id.clone()) {
            self.next_call = self.next_call.saturating_add(1);
        }
    }

    /// A generation is over.
    pub(crate) fn reply_finished(
        &mut self,
        message: AssistantMessage,
        reason: FinishReason,
        usage: &Usage,
        timings: &Timings,
    ) {
        self.timings.add(timings, self.usage.generations == 0);
        self.usage.add(usage);
        for part in &message.parts {
            match part {
                AssistantPart::Call { call } => self.saw(&call.id),
                AssistantPart::Code { id, .. } | AssistantPart::Malformed { id, .. } => self.saw(id),
                _ => {}
            }
        }
        self.written.clear();
        self.seen.clear();
        if let Err(unexpected) = self.machine.reply_finished(message, reason) {
            // The driver asks the machine before each generation, so this is a fault of the driver.
            tracing::error!(%unexpected, "a reply was dropped");
        }
    }

    /// Ends the turn now; what was finished stays.
    pub(crate) fn cancel(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.machine.cancel(&written);
    }

    pub(crate) fn usage(&self) -> TurnUsage {
        self.usage
    }

    /// The times so far.
    pub(crate) fn timings(&self) -> TurnTimings {
        TurnTimings { total: self.started.elapsed(), ..self.timings }
    }

    /// What came of it; `None` where it failed or is not over.
    pub(crate) fn reply(&self) -> Option<Reply> {
        let Step::Done { stop } = self.machine.step() else { return None };
        Some(Reply {
            messages: self.machine.messages().to_vec(),
            calls: self.calls.clone(),
            code: self.code.clone(),
            stop,
            usage: self.usage,
            timings: self.timings(),
        })
    }

    /// Moves what is final to the session, once.
    pub(crate) fn commit(&mut self, session: &mut Session) {
        session.next_call = self.next_call;
        let nothing_came = self.failed && self.machine.messages().is_empty();
        if !self.accepted || nothing_came {
            return;
        }
        if let Some(user) = self.user.take() {
            session.messages.push(user);
            session.uploads.clear();
            session.messages.extend_from_slice(self.machine.messages());
        }
    }
}
