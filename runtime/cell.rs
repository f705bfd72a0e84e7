//! What the model reads of a program's outputs.

use std::borrow::Cow;

use glassbox_sandbox::{Denial, Execution, Limits, MimeBundle, Output, Recovery};
use serde_json::Value;

/// Lines of a traceback that are always shown whole.
const SHORT_TRACEBACK: usize = 12;

/// The observation of a program: its outputs in order, and how it ended where that is not plain from them.
pub(crate) fn observation(outputs: &[Output], execution: Execution, limits: Limits) -> String {
    let mut text = String::new();
    for output in left(outputs) {
        match output {
            // Streams are pieces of one text: no line break between them.
            Output::Stdout { text: piece } | Output::Stderr { text: piece } => text.push_str(piece),
            Output::Display { data, .. } | Output::DisplayUpdate { data, .. } | Output::Result { data } => {
                line(&mut text, &bundle(data))
            }
            Output::Error { name, value, traceback } => line(&mut text, &error(name, value, traceback)),
            Output::Truncated { stream, bytes } => {
                line(&mut text, &format!("[{bytes} more bytes of {stream} are left out]"))
            }
            Output::Denied { denial } => line(&mut text, &denied(denial)),
            Output::SessionLost { reason, recovery } => line(&mut text, &lost(reason, *recovery)),
            _ => {}
        }
    }
    let told = |kind: fn(&Output) -> bool| outputs.iter().any(kind);
    match execution {
        Execution::Interrupted if !told(|output| matches!(output, Output::Denied { .. })) => line(
            &mut text,
            &format!(
                "[The program was interrupted; it may run for {} s. Variables are kept.]",
                limits.soft_time.as_secs_f32()
            ),
        ),
        Execution::Restarted if !told(|output| matches!(output, Output::SessionLost { .. })) => {
            line(&mut text, "[The program was stopped and the session began anew: earlier variables are gone.]")
        }
        _ => {}
    }
    let text = overwritten(&text);
    let text = text.trim_end();
    if text.is_empty() { "[The program ran without output.]".to_owned() } else { text.to_owned() }
}

/// Lines as a terminal leaves them: what follows a carriage return stands over what was there. A progress bar is read
/// once.
fn overwritten(text: &str) -> Cow<'_, str> {
    if !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    let last = |line: &str| {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        format!("{}{end}", line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default())
    };
    Cow::Owned(text.split_inclusive('\n').map(last).collect())
}

/// The outputs that are still to be seen at the end: without those that were cleared, and each display in its last form.
fn left(outputs: &[Output]) -> Vec<&Output> {
    let mut left: Vec<&Output> = Vec::new();
    let mut clear = false;
    for output in outputs {
        match output {
            Output::ClearOutput { wait: true } => {
                clear = true;
                continue;
            }
            Output::ClearOutput { .. } => {
                left.clear();
                clear = false;
                continue;
            }
            _ => {}
        }
        if std::mem::take(&mut clear) {
            left.clear();
        }
        let shown = |other: &&mut &Output| match (&**other, output) {
            (Output::Display { id: Some(shown), .. }, Output::DisplayUpdate { id, .. })
            | (Output::DisplayUpdate { id: shown, .. }, Output::DisplayUpdate { id, .. }) => shown == id,
            _ => false,
        };
        match left.iter_mut().find(shown) {
            Some(place) => *place = output,
            None => left.push(output),
        }
    }
    left
}

fn denied(denial: &Denial) -> String {
    let sentence = |text: &str| match text.trim() {
        "" => String::new(),
        text if text.ends_with(['.', '!', '?']) => format!(" {text}"),
        text => format!(" {text}."),
    };
    format!("[Refused:{}{}]", sentence(&denial.message), sentence(&denial.hint))
}

fn lost(reason: &str, recovery: Recovery) -> String {
    let now = match recovery {
        Recovery::Restored => "The session is as it was before this program.".to_owned(),
        Recovery::Replayed { cells } => {
            format!("The {cells} earlier programs were run again; variables are as before this program.")
        }
        Recovery::RestoredEarlier { cells } => {
            format!("The session is as it was {cells} programs before this one; run those again if you need them.")
        }
        Recovery::Restarted => "The session began anew: earlier variables are gone.".to_owned(),
        Recovery::Closed => "No more programs can be run.".to_owned(),
        _ => String::new(),
    };
    format!("[The program was stopped: {}. {now}]", reason.trim_end_matches('.'))
}

/// Begins a line if one is open, and writes `piece` as lines of its own.
fn line(text: &mut String, piece: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(piece);
    text.push('\n');
}

/// A picture is `[Image]`, as chat models know it; the plain form stands beside it only where it says more than the
/// object's address.
fn bundle(data: &MimeBundle) -> String {
    let plain = data.plain().map(str::trim_end).filter(|plain| !plain.is_empty());
    if data.has_image() {
        return match plain {
            Some(plain) if !plain.starts_with('<') => format!("[Image]\n{plain}"),
            _ => "[Image]".to_owned(),
        };
    }
    if let Some(plain) = plain {
        return plain.to_owned();
    }
    let textual = ["text/markdown", "text/latex", "application/json", "text/html"];
    let first = textual.iter().find_map(|mime| data.0.get(*mime));
    match first {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => format!("[{}]", data.0.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}

/// An exception. Of a long traceback the frames of the program itself stay; those inside libraries are counted.
fn error(name: &str, value: &str, traceback: &[String]) -> String {
    let last = if value.is_empty() { name.to_owned() } else { format!("{name}: {value}") };
    let mut lines: Vec<&str> = traceback.iter().flat_map(|item| item.lines()).map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    if lines.is_empty() {
        return last;
    }
    let mut shown = if lines.len() <= SHORT_TRACEBACK { lines.join("\n") } else { own_frames(&lines) };
    if !shown.contains(without_place(last.lines().next().unwrap_or_default())) {
        shown.push('\n');
        shown.push_str(&last);
    }
    shown
}

/// A message without the ` (<cell 1>, line 2)` that a `SyntaxError` has behind it: its traceback has that in a line of
/// its own.
fn without_place(message: &str) -> &str {
    match message.rsplit_once(" (") {
        Some((before, place)) if place.ends_with(')') && place.contains(", line ") => before,
        _ => message,
    }
}

/// Leaves out frames of library files. A frame begins at its `File …` or `Cell In[…]` line and goes on while lines are
/// indented deeper or blank.
fn own_frames(lines: &[&str]) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut hidden = 0_usize;
    let mut inside_library = false;
    let grouped = lines.iter().any(|line| line.contains("Exception Group Traceback"));
    for line in lines {
        let inner = if grouped { without_margin(line) } else { line };
        let head = inner.trim_start();
        let frame = head.starts_with("File ") || head.starts_with("Cell In");
        if frame {
            inside_library = !own(head);
            hidden += usize::from(inside_library);
        } else if !inner.is_empty() && !inner.starts_with(|c: char| c.is_whitespace() || c == '-' || c.is_ascii_digit())
        {
            inside_library = false;
        }
        if inside_library {
            continue;
        }
        if hidden > 0 {
            shown.push(frames_left_out(hidden));
            hidden = 0;
        }
        shown.push((*line).to_owned());
    }
    if hidden > 0 {
        shown.push(frames_left_out(hidden));
    }
    shown.join("\n")
}

/// A line without the margin of `|` that the members of an exception group stand behind.
fn without_margin(line: &str) -> &str {
    let inner = line.trim_start();
    match inner.strip_prefix('|') {
        Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
        // Between two members.
        None if inner.starts_with('+') => inner,
        None => line,
    }
}

fn frames_left_out(count: usize) -> String {
    format!("  [{count} frames inside libraries]")
}

/// Cells are named `<cell 1>`, `<stdin>`, `<ipython-input-…>`; a program's own files lie under /mnt/data or /tmp.
fn own(frame: &str) -> bool {
    let file = frame.strip_prefix("File ").unwrap_or(frame).trim_start_matches('"');
    frame.starts_with("Cell In") || ["<", "/mnt/data", "/tmp"].iter().any(|start| file.starts_with(start))
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
