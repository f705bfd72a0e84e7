//! The events of a turn, for a person: prose to standard output, calls and observations to standard error.

use glassbox::sandbox::{FileInfo, Output, Recovery};
use glassbox::tools::CallId;
use glassbox::{Event, StopReason, ToolChoice, ToolFailure, TurnTimings, TurnUsage};
use serde_json::Value;

use crate::error::CliError;
use crate::pictures::OutFolder;
use crate::ui::{Role, Ui, bytes, printable, shorten};

/// The longest value of an argument that is shown, in characters.
const MOST_OF_AN_ARGUMENT: usize = 200;
/// The most lines and characters of an observation that are shown.
const MOST_OF_AN_OBSERVATION: (usize, usize) = (8, 600);
/// The most lines of what a program prints that are shown.
const MOST_PRINTED: usize = 60;
/// A prompt with fewer new tokens than this is read before anybody wonders.
const LONG_PREFILL: u32 = 256;

/// Shows one turn.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// Where pictures are saved.
    out: OutFolder,
    /// The line of a program that is being written.
    code: String,
    /// What the program prints.
    printed: Printed,
    /// Tools that have begun and not finished, so that an observation names its call where it could be another's.
    open: Vec<CallId>,
    /// Tokens of the context, from the turn's start.
    context_tokens: u32,
}

impl Transcript {
    /// Saves pictures to `out`.
    pub(crate) fn new(out: OutFolder) -> Self {
        Self { out, code: String::new(), printed: Printed::default(), open: Vec::new(), context_tokens: 0 }
    }

    /// Shows what happened.
    ///
    /// # Errors
    /// [`CliError::Output`] where standard output is gone.
    pub(crate) fn show(&mut self, event: &Event, ui: &mut Ui) -> Result<(), CliError> {
        match event {
            Event::TurnStarted { context_tokens, .. } => self.context_tokens = *context_tokens,
            Event::Prefill { done, total, reused } if total.saturating_sub(*reused) >= LONG_PREFILL => {
                ui.status(&format!("reading the prompt: {done} of {total} tokens"));
            }
            Event::Text { text } => ui.reply(text)?,
            Event::Reasoning { text } => ui.aside(text),
            Event::CallStarted { name, .. } => {
                ui.end_reply()?;
                ui.status(&format!("→ {name}(…"));
            }
            Event::CallReady { call } => {
                ui.end_reply()?;
                self.open.push(call.id.clone());
                let text = printable(&call_text(&call.name, &call.arguments)).into_owned();
                ui.note(&ui.paint().role(Role::Call, &format!("→ {text}")));
            }
            Event::ToolStarted { name, coercions, .. } => {
                for coercion in coercions {
                    dim(ui, &format!("  {coercion}"));
                }
                ui.status(&format!("{name} runs"));
            }
            // The observation repeats it, so on the screen it only shows that the tool is alive.
            Event::ToolOutput { text, .. } if ui.show().verbose > 0 => {
                for line in text.lines() {
                    dim(ui, &format!("  | {line}"));
                }
            }
            Event::ToolOutput { text, .. } => {
                if let Some(line) = text.lines().rfind(|line| !line.trim().is_empty()) {
                    ui.status(&format!("  | {}", printable(line)));
                }
            }
            Event::ToolFinished { id, name, observation, error, .. } => {
                let several = self.open.len() > 1;
                self.open.retain(|open| open != id);
                observed(ui, several.then_some(name), observation, error.as_ref());
            }
            Event::Malformed { raw, problem, .. } => {
                ui.end_reply()?;
                let text = shorten(raw.trim(), MOST_OF_AN_ARGUMENT).replace('\n', " ");
                ui.note(&ui.paint().role(Role::Call, &format!("→ {}", printable(&text))));
                failed(ui, &format!("← this call cannot be read: {problem}"));
            }
            Event::Retried { tool_choice, .. } => match tool_choice {
                ToolChoice::Named(name) => dim(ui, &format!("  asked again, held to the form of a call of {name}")),
                _ => dim(ui, "  asked again, held to the form of a call"),
            },
            Event::CodeStarted { .. } => {
                ui.end_reply()?;
                self.code.clear();
                self.printed = Printed::default();
            }
            Event::CodeText { text, .. } => {
                self.code.push_str(text);
                // Whole lines; blank ones wait for what comes, because the program's end is not told of.
                while let Some((line, rest)) = self.code.split_once('\n').filter(|(_, rest)| !rest.trim().is_empty()) {
                    code_line(ui, line);
                    self.code = rest.to_owned();
                }
            }
            Event::CodeReady { .. } => {
                for line in std::mem::take(&mut self.code).trim_end().lines() {
                    code_line(ui, line);
                }
                ui.status("the program runs");
            }
            Event::CodeOutput { output, .. } => self.code_output(ui, output),
            Event::CodeFinished { error, files, repairs_left, .. } => {
                self.printed.end(ui);
                code_finished(ui, error.as_ref(), files, *repairs_left)
            }
            Event::Finished { stop, usage, timings } => {
                ui.end_reply()?;
                self.finished(ui, *stop, usage, timings);
            }
            _ => {}
        }
        Ok(())
    }

    fn finished(&mut self, ui: &mut Ui, stop: StopReason, usage: &TurnUsage, timings: &TurnTimings) {
        // A program that was cancelled has no end of its own.
        self.printed.end(ui);
        ui.clear_status();
        // What a cancelled generation cost is not known.
        if stop != StopReason::Cancelled && (ui.err_terminal() || ui.show().verbose > 0) {
            dim(ui, &figures(usage, timings, self.context_tokens));
        }
        let hint = match stop {
            StopReason::Done => return,
            StopReason::Cancelled => return failed(ui, "cancelled"),
            StopReason::MaxTurns => "raise it with `--max-turns N`",
            StopReason::Length => "raise it with `--max-tokens N`",
            StopReason::Repetition => "ask in other words, or with `--repetition-penalty 1.1`",
            StopReason::ContextFull => "begin anew, or take a larger context with `--context N`",
            _ => "",
        };
        ui.warn(&format!("no answer: {stop}"), hint);
    }

    fn code_output(&mut self, ui: &mut Ui, output: &Output) {
        if let Output::Stdout { text } | Output::Stderr { text } = output {
            return self.printed.push(ui, text);
        }
        self.printed.end_line(ui);
        let note = |ui: &mut Ui, text: &str| text.lines().for_each(|line| output_line(ui, line));
        match output {
            Output::Display { data, .. } | Output::DisplayUpdate { data, .. } | Output::Result { data } => {
                match self.out.picture(data) {
                    Some(Ok(path)) => note(ui, &format!("[Image] {}", path.display())),
                    Some(Err(error)) => ui.error(&error),
                    None => note(ui, &data.plain().map_or_else(|| "[something to look at]".to_owned(), excerpt)),
                }
            }
            Output::Error { name, value, traceback } => {
                let lines: Vec<&str> = traceback.iter().flat_map(|item| item.lines()).map(str::trim_end).collect();
                let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
                let text = if lines.is_empty() { format!("{name}: {value}") } else { lines.join("\n  ") };
                failed(ui, &format!("← {text}"));
            }
            Output::Truncated { stream, bytes } => dim(ui, &format!("  {bytes} more bytes of {stream} are dropped")),
            Output::Denied { denial } => {
                failed(ui, &format!("← refused: {}", denial.message));
                dim(ui, &format!("  {}", denial.hint));
            }
            Output::SessionLost { reason, recovery } => failed(ui, &format!("← {reason}; {}", recovered(*recovery))),
            Output::ClearOutput { .. } => dim(ui, "  (output cleared)"),
            _ => {}
        }
    }
}

/// What a program prints: whole lines, and of many the first.
#[derive(Debug, Default)]
struct Printed {
    /// The line that is not ended yet.
    line: String,
    shown: usize,
    hidden: usize,
}

impl Printed {
    fn push(&mut self, ui: &mut Ui, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.line.push_str(piece);
            if piece.ends_with('\n') {
                self.end_line(ui);
            }
        }
        if !self.line.is_empty() {
            // A line that grows, such as a progress bar, shows its end.
            let last = last_state(&self.line);
            let skipped = last.chars().count().saturating_sub(60);
            ui.status(&printable(&format!("← {}", last.chars().skip(skipped).collect::<String>())));
        }
    }

    fn end_line(&mut self, ui: &mut Ui) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        if self.shown < MOST_PRINTED || ui.show().verbose > 0 {
            self.shown += 1;
            output_line(ui, last_state(&line));
        } else {
            self.hidden += 1;
        }
    }

    fn end(&mut self, ui: &mut Ui) {
        self.end_line(ui);
        let hidden = std::mem::take(&mut self.hidden);
        if hidden > 0 {
            dim(ui, &format!("  … ({hidden} more lines; -v shows all)"));
        }
    }
}

/// A line as a terminal leaves it: what follows a carriage return stands over what was there, as a progress bar does.
fn last_state(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r']).rsplit('\r').next().unwrap_or_default()
}

fn output_line(ui: &mut Ui, line: &str) {
    ui.note(&ui.paint().role(Role::Observation, &printable(&format!("← {line}"))));
}

fn code_line(ui: &mut Ui, line: &str) {
    ui.note(&ui.paint().role(Role::Call, &printable(&format!("→ {line}"))));
}

/// What there is after a session was lost.
fn recovered(recovery: Recovery) -> String {
    match recovery {
        Recovery::Restored => "the session goes on as it was before this program".to_owned(),
        Recovery::Replayed { cells } => format!("the {cells} programs before it were run again"),
        Recovery::RestoredEarlier { cells } => format!("the session goes on as it was {cells} programs earlier"),
        Recovery::Restarted => "the session began anew, variables are gone".to_owned(),
        _ => "the session is closed".to_owned(),
    }
}

fn code_finished(ui: &mut Ui, error: Option<&ToolFailure>, files: &[FileInfo], repairs_left: Option<u32>) {
    ui.clear_status();
    if let Some(failure) = error {
        failed(ui, &format!("← {}", failure.message));
        if let Some(hint) = &failure.hint {
            dim(ui, &format!("  {hint}"));
        }
    }
    for file in files.iter().filter(|file| file.path.starts_with("/mnt/data/")) {
        dim(ui, &format!("  wrote {} ({})", file.path, bytes(file.bytes)));
    }
    match repairs_left {
        Some(0) => dim(ui, "  no more attempts: asked for an answer in words"),
        Some(left) => dim(ui, &format!("  asked to correct it; attempts left: {left}")),
        None => {}
    }
}

fn dim(ui: &mut Ui, text: &str) {
    ui.note(&ui.paint().role(Role::Dim, &printable(text)));
}

fn failed(ui: &mut Ui, text: &str) {
    ui.note(&ui.paint().role(Role::Error, &printable(text)));
}

fn observed(ui: &mut Ui, name: Option<&String>, observation: &str, error: Option<&ToolFailure>) {
    let label = name.map(|name| format!("{name}: ")).unwrap_or_default();
    let text = match error {
        // The person reads the operator's text; the model's own is in `observation`.
        Some(failure) => format!("{}: {}", failure.kind.replace('_', " "), failure.message),
        None if ui.show().verbose > 0 => observation.to_owned(),
        None => excerpt(observation),
    };
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let text = format!("← {label}{}", lines.join("\n  "));
    let role = if error.is_some() { Role::Error } else { Role::Observation };
    ui.note(&ui.paint().role(role, &printable(&text)));
    if let Some(hint) = error.and_then(|failure| failure.hint.as_deref())
        && ui.show().verbose > 0
    {
        dim(ui, &format!("  {hint}"));
    }
}

/// The beginning of an observation, and how much is left out.
fn excerpt(text: &str) -> String {
    let text = text.trim_end();
    let (lines, chars) = MOST_OF_AN_OBSERVATION;
    let head: Vec<&str> = text.lines().take(lines).collect();
    let head = head.join("\n");
    let head: String = head.chars().take(chars).collect();
    let left = text.chars().count().saturating_sub(head.chars().count());
    if left == 0 { head } else { format!("{head}… ({left} more characters; -v shows all)") }
}

/// A call as it would be written in code: `track(symbol="10111")`.
pub(crate) fn call_text(name: &str, arguments: &Value) -> String {
    let value = |value: &Value| shorten(&value.to_string(), MOST_OF_AN_ARGUMENT).into_owned();
    match arguments {
        Value::Object(arguments) => {
            let arguments: Vec<String> = arguments.iter().map(|(key, at)| format!("{key}={}", value(at))).collect();
            format!("{name}({})", arguments.join(", "))
        }
        Value::Null => format!("{name}()"),
        other => format!("{name}({})", value(other)),
    }
}

/// What the turn cost, in a line.
fn figures(usage: &TurnUsage, timings: &TurnTimings, context_tokens: u32) -> String {
    let mut parts = Vec::new();
    let seconds = timings.decode.as_secs_f64();
    // A rate over less than a tenth of a second says nothing.
    let rate = if seconds > 0.1 {
        format!(" at {:.1}/s", f64::from(usage.completion_tokens) / seconds)
    } else {
        String::new()
    };
    parts.push(format!("{} tokens written{rate}", usage.completion_tokens));
    parts.push(format!(
        "{} read, {} reused",
        usage.prompt_tokens.saturating_sub(usage.reused_tokens),
        usage.reused_tokens
    ));
    if context_tokens > 0 {
        parts.push(format!("context {context_tokens}"));
    }
    parts.push(format!("{:.1} s", timings.total.as_secs_f64()));
    parts.join(" · ")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
