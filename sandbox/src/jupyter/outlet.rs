//! Where a cell's outputs leave the kernel, within the cell's limits.

use crate::capture::Capture;
use crate::cell::CellSender;
use crate::{Denial, DenialKind, Limits, Output};

/// A cell's way to whoever reads its outputs. A replayed cell has nobody.
pub(super) struct Outlet {
    sender: Option<CellSender>,
    pub(super) capture: Capture,
}

impl Outlet {
    pub(super) fn new(sender: Option<CellSender>, limits: &Limits) -> Self {
        Self { sender, capture: Capture::new(limits) }
    }

    pub(super) fn send(&self, output: Output) {
        if let Some(sender) = &self.sender {
            sender.output(output);
        }
    }

    /// Something that the kernel says and that is no text; dropped where there was too much of it.
    pub(super) fn piece(&mut self, output: Output) {
        if self.capture.piece() {
            self.send(output);
        }
    }

    /// An exception, or something that the program could not do; dropped where there were too many.
    pub(super) fn report(&mut self, output: Output) {
        if self.capture.report() {
            self.send(output);
        }
    }

    pub(super) fn deny(&self, kind: DenialKind, message: String, hint: &str) {
        self.send(Output::Denied { denial: Denial { kind, message, hint: hint.to_owned() } });
    }

    /// The cell is over: says what was dropped.
    pub(super) fn close(&mut self) {
        for output in self.capture.finish() {
            self.send(output);
        }
    }
}
