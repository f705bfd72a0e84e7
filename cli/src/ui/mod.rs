//! The one place that writes: the reply to standard output, everything else to standard error.
//!
//! On a terminal both land on one screen, so the [`Ui`] knows whether the cursor stands at a line's start, and replaces
//! control characters in what it prints: neither a model nor a tool may move the cursor or change the title.

mod progress;
#[cfg(test)]
pub(crate) mod screen;
mod style;
mod text;

pub(crate) use progress::FetchProgress;
pub(crate) use style::{ColorChoice, Paint, Role};
pub(crate) use text::{bytes, printable, shorten};

use std::io::{self, IsTerminal, Write};

use crate::error::CliError;
use crate::settings::Show;

/// Both output streams and how they are written to.
pub(crate) struct Ui {
    out: Channel,
    err: Channel,
    show: Show,
    /// A transient line stands on the screen.
    status: bool,
}

struct Channel {
    sink: Box<dyn Write + Send>,
    terminal: bool,
    paint: Paint,
    line_start: bool,
}

impl Channel {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.line_start = text.ends_with('\n');
        self.sink.write_all(text.as_bytes())?;
        self.sink.flush()
    }
}

impl Ui {
    /// Writes to the process's own streams.
    pub(crate) fn new(show: Show) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self::to(Box::new(io::stdout()), out, Box::new(io::stderr()), err, show)
    }

    /// Writes to `out` and `err`, each with whether it is a terminal.
    pub(crate) fn to(
        out: Box<dyn Write + Send>,
        out_terminal: bool,
        err: Box<dyn Write + Send>,
        err_terminal: bool,
        show: Show,
    ) -> Self {
        let channel = |sink, terminal| Channel { sink, terminal, paint: show.color.paint(terminal), line_start: true };
        Self { out: channel(out, out_terminal), err: channel(err, err_terminal), show, status: false }
    }

    /// Whether standard error is a terminal.
    pub(crate) fn err_terminal(&self) -> bool {
        self.err.terminal
    }

    /// What is shown and what not.
    pub(crate) fn show(&self) -> Show {
        self.show
    }

    /// How to colour text for [`Ui::note`].
    pub(crate) fn paint(&self) -> Paint {
        self.err.paint
    }

    /// How to colour text for [`Ui::line`].
    pub(crate) fn out_paint(&self) -> Paint {
        self.out.paint
    }

    /// A piece of running text to standard error, quiet or not: what a program writes there.
    pub(crate) fn err_text(&mut self, text: &str) {
        if self.err.line_start {
            self.before_err();
        }
        if self.err.terminal { self.write_err(&printable(text)) } else { self.write_err(text) }
    }

    /// The next piece of the reply, to standard output.
    pub(crate) fn reply(&mut self, text: &str) -> io::Result<()> {
        self.clear_status();
        self.end_aside();
        if self.out.terminal { self.out.write(&printable(text)) } else { self.out.write(text) }
    }

    /// Ends the line of the reply, where one is open.
    pub(crate) fn end_reply(&mut self) -> io::Result<()> {
        if self.out.line_start { Ok(()) } else { self.out.write("\n") }
    }

    /// A whole line to standard output, as it is.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.clear_status();
        self.end_reply()?;
        self.out.write(&format!("{text}\n"))
    }

    /// A line to standard error, which `--quiet` drops. The caller has made foreign text [`printable`].
    pub(crate) fn note(&mut self, text: &str) {
        if !self.show.quiet {
            self.err_line(text);
        }
    }

    /// A line to standard error, quiet or not: part of a question.
    pub(crate) fn say(&mut self, text: &str) {
        self.err_line(text);
    }

    /// An error: what failed, its causes, and what to do now.
    pub(crate) fn error(&mut self, error: &CliError) {
        let paint = self.err.paint;
        self.err_line(&format!("{} {}", paint.role(Role::Error, "error:"), printable(&error.to_string())));
        for cause in error.causes() {
            self.err_line(&format!("  {} {}", paint.role(Role::Dim, "cause:"), printable(&cause)));
        }
        if let Some(hint) = error.hint() {
            self.hint(&hint);
        }
    }

    /// Something that the person should know, and what to do about it (nothing where `hint` is empty).
    pub(crate) fn warn(&mut self, text: &str, hint: &str) {
        let label = self.err.paint.role(Role::Hint, "warning:");
        self.err_line(&format!("{label} {}", printable(text)));
        if !hint.is_empty() {
            self.hint(hint);
        }
    }

    /// What to do now.
    pub(crate) fn hint(&mut self, hint: &str) {
        let label = self.err.paint.role(Role::Hint, "hint:");
        self.err_line(&format!("{label} {}", printable(hint)));
    }

    /// Shows a transient line in place of the last one. Nothing on anything but a terminal.
    pub(crate) fn status(&mut self, text: &str) {
        if !self.err.terminal || self.show.quiet || (self.out.terminal && !self.out.line_start) {
            return;
        }
        let line = format!("\r\x1b[2K{}", self.err.paint.role(Role::Dim, &shorten(text, 72)));
        self.status = self.err.write(&line).is_ok();
    }

    /// Takes the transient line away.
    pub(crate) fn clear_status(&mut self) {
        if std::mem::take(&mut self.status) {
            self.write_err("\r\x1b[2K");
            self.err.line_start = true;
        }
    }

    /// Clears the screen, on a terminal.
    pub(crate) fn clear_screen(&mut self) -> io::Result<()> {
        if self.out.terminal {
            self.out.write("\x1b[2J\x1b[H").inspect(|()| self.out.line_start = true)
        } else {
            Ok(())
        }
    }

    /// A piece of running text to standard error, which `--quiet` drops: the model's thinking.
    pub(crate) fn aside(&mut self, text: &str) {
        if !self.show.quiet && !text.is_empty() {
            if self.err.line_start {
                self.before_err();
            }
            let text = self.err.paint.role(Role::Dim, &printable(text));
            self.write_err(&text);
        }
    }

    /// Ends the line of the running text or of the prompt, where one is open.
    pub(crate) fn end_aside(&mut self) {
        if !self.err.line_start {
            self.write_err("\n");
        }
    }

    /// A prompt for input that is not a terminal's: without a line break.
    pub(crate) fn prompt(&mut self, text: &str) {
        self.before_err();
        self.write_err(text);
    }

    fn err_line(&mut self, text: &str) {
        self.before_err();
        self.write_err(&format!("{text}\n"));
    }

    fn before_err(&mut self) {
        self.clear_status();
        self.end_aside();
        if self.out.terminal && self.err.terminal && !self.out.line_start {
            // On the one screen the reply's line ends first. A failure shows when the reply goes on.
            let _ = self.out.write("\n");
        }
    }

    fn write_err(&mut self, text: &str) {
        // Where standard error is gone there is nobody left to tell.
        let _ = self.err.write(text);
    }
}

#[cfg(test)]
#[path = "ui_tests.rs"]
mod tests;
