//! Where a cell's outputs leave the sandbox, in their order and within the cell's limits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::capture::{Capture, Stream};
use crate::cell::CellSender;
use crate::{Denial, DenialKind, Limits, MimeBundle, Output};

/// Text is gathered until it is this long, or until something else comes or the program is looked at.
const GATHER: usize = 16 << 10;

/// Where a cell's outputs leave the sandbox. Clones lead to the same place.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Mutex<State>>);

struct State {
    sender: CellSender,
    capture: Capture,
    gathered: Option<Output>,
    denied: BTreeSet<u8>,
}

impl Outlet {
    /// For one cell.
    pub(crate) fn new(sender: CellSender, limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            sender,
            capture: Capture::new(limits),
            gathered: None,
            denied: BTreeSet::new(),
        })))
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes that the program wrote to a stream.
    pub(crate) fn bytes(&self, stream: Stream, bytes: &[u8]) {
        self.with(|state| {
            if let Some(output) = state.capture.bytes(stream, bytes) {
                state.gather(output);
            }
        });
    }

    /// Sends on what was gathered; called now and then while a program runs, so that its text is seen while it is written.
    pub(crate) fn flush(&self) {
        self.with(State::flush);
    }

    /// Something displayed. Dropped and counted where the limit is reached.
    pub(crate) fn display(&self, data: MimeBundle, make: impl FnOnce(MimeBundle) -> Output) {
        self.with(|state| {
            if state.capture.display(&data) {
                state.send(make(data));
            }
        });
    }

    /// What was shown is to be cleared.
    pub(crate) fn clear(&self, wait: bool) {
        self.with(|state| {
            if state.capture.piece() {
                state.send(Output::ClearOutput { wait });
            }
        });
    }

    /// Something that the program reports of itself: an exception, or a denial of the Python side.
    pub(crate) fn report(&self, output: Output) {
        self.with(|state| {
            // What the host has refused itself is said already.
            let said = matches!(&output, Output::Denied { denial } if state.denied.contains(&(denial.kind as u8)));
            if state.capture.report() && !said {
                state.send(output);
            }
        });
    }

    /// The host refused something. Said once a cell for each kind: a program that tries a million times tells nothing
    /// new.
    pub(crate) fn denied(&self, kind: DenialKind, message: String, hint: &str) {
        self.with(|state| {
            if state.denied.insert(kind as u8) {
                state.send(Output::Denied { denial: Denial { kind, message, hint: hint.to_owned() } });
            }
        });
    }

    /// Something that the host says.
    pub(crate) fn say(&self, output: Output) {
        self.with(|state| state.send(output));
    }

    /// The host's last words on the cell, after all that the program wrote.
    pub(crate) fn finish(&self, last: impl IntoIterator<Item = Output>) {
        self.with(|state| {
            for output in state.capture.finish() {
                match output {
                    Output::Stdout { .. } | Output::Stderr { .. } => state.gather(output),
                    output => state.send(output),
                }
            }
            state.flush();
            for output in last {
                state.send(output);
            }
        });
    }
}

impl State {
    fn gather(&mut self, output: Output) {
        let room = match (&mut self.gathered, &output) {
            (Some(Output::Stdout { text }), Output::Stdout { text: more })
            | (Some(Output::Stderr { text }), Output::Stderr { text: more }) => {
                text.push_str(more);
                GATHER.checked_sub(text.len())
            }
            _ => {
                self.flush();
                self.gathered = Some(output);
                Some(0)
            }
        };
        if room.is_none() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(output) = self.gathered.take() {
            self.sender.output(output);
        }
    }

    fn send(&mut self, output: Output) {
        self.flush();
        self.sender.output(output);
    }
}
