//! How a fetch goes: a bar on a terminal, a line for every tenth where it is piped.

use std::sync::{Mutex, PoisonError};

use glassbox::model::catalog::{FetchEvent, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::{Ui, bytes};

/// Shows the events of a fetch.
pub(crate) struct FetchProgress<'a> {
    state: Mutex<State<'a>>,
}

struct State<'a> {
    ui: &'a mut Ui,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    /// Tenths that were told.
    tenths: u64,
}

impl<'a> FetchProgress<'a> {
    /// Shows on `ui`.
    pub(crate) fn new(ui: &'a mut Ui) -> Self {
        Self { state: Mutex::new(State { ui, bar: None, total: None, tenths: 0 }) }
    }
}

impl Progress for FetchProgress<'_> {
    fn event(&self, event: FetchEvent) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).event(event);
    }
}

impl State<'_> {
    fn event(&mut self, event: FetchEvent) {
        match event {
            FetchEvent::Waiting { what } => self.note(&format!("another process fetches {what}; waiting for it")),
            FetchEvent::Damaged { path } => {
                self.note(&format!("{} is not what it should be; fetching it again", path.display()))
            }
            FetchEvent::Started { what, source, total_bytes } => self.started(&what, &source, total_bytes),
            FetchEvent::Advanced { bytes } => self.advanced(bytes),
            FetchEvent::Verifying => {
                if let Some(bar) = &self.bar {
                    bar.set_message("verifying");
                } else {
                    self.ui.status("verifying the checksum");
                }
            }
            FetchEvent::SourceFailed { source, error } => {
                self.clear();
                let error = error.lines().next().unwrap_or_default().to_owned();
                self.note(&format!("{source} failed: {error}"));
            }
            FetchEvent::Done { path } => {
                self.clear();
                self.note(&format!("verified: {}", path.display()));
            }
            _ => {}
        }
    }

    fn started(&mut self, what: &str, source: &str, total: Option<u64>) {
        self.clear();
        self.total = total;
        self.tenths = 0;
        let size = total.map(|total| format!(" ({})", bytes(total))).unwrap_or_default();
        self.note(&format!("fetching {what}{size} from {source}"));
        if self.ui.err_terminal() && !self.ui.show().quiet {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = match total {
                Some(_) => "{wide_bar} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left {msg}",
                None => "{spinner} {bytes}, {binary_bytes_per_sec} {msg}",
            };
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar = Some(bar);
        }
    }

    fn advanced(&mut self, done: u64) {
        // A source that downloads first and puts together then counts twice: what was told stays told.
        if let Some(bar) = &self.bar {
            bar.set_position(done.max(bar.position()));
            return;
        }
        let Some(total) = self.total.filter(|total| *total > 0) else { return };
        let tenths = done.saturating_mul(10) / total;
        if tenths > self.tenths {
            self.note(&format!("  {:3} % ({} of {})", tenths * 10, bytes(done), bytes(total)));
            self.tenths = tenths;
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.ui.note(text)),
            None => self.ui.note(text),
        }
    }
}

impl Drop for State<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
