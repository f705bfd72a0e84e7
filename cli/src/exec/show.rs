//! What of a program is shown where.

use glassbox::sandbox::{CellEvent, MimeBundle, Output, Recovery};

use crate::error::CliError;
use crate::pictures::OutFolder;
use crate::ui::{Role, Ui, printable};

/// How a program is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// Every event as a line of JSON.
    pub(super) json: bool,
    /// The last expression's value too.
    pub(super) value: bool,
    /// Where pictures are saved.
    pub(super) out: Option<&'a OutFolder>,
}

impl Shown<'_> {
    /// Shows the next event; pictures are saved.
    pub(super) fn event(self, event: &CellEvent, ui: &mut Ui) -> Result<(), CliError> {
        if let CellEvent::Output { output } = event
            && let Output::Display { data, .. } | Output::DisplayUpdate { data, .. } | Output::Result { data } = output
            && let Some(saved) = self.out.and_then(|out| out.picture(data))
        {
            ui.note(&format!("saved {}", printable(&saved?.display().to_string())));
        }
        if self.json {
            let text = serde_json::to_string(event).map_err(|error| std::io::Error::other(error.to_string()))?;
            return Ok(ui.line(&text)?);
        }
        let CellEvent::Output { output } = event else { return Ok(()) };
        match output {
            Output::Stdout { text } => ui.reply(text)?,
            Output::Stderr { text } => ui.err_text(text),
            Output::Display { data, .. } | Output::DisplayUpdate { data, .. } => bundle(data, self.out.is_some(), ui)?,
            Output::Result { data } if self.value => bundle(data, self.out.is_some(), ui)?,
            Output::Error { name, value, traceback } => {
                let text = if traceback.is_empty() { format!("{name}: {value}") } else { traceback.join("\n") };
                if name != "SystemExit" {
                    ui.say(&printable(text.trim_end()));
                } else if value.parse::<i32>().is_err() {
                    ui.say(&printable(value));
                }
            }
            Output::Truncated { stream, bytes } => ui.warn(&format!("{bytes} more bytes of {stream} are left out"), ""),
            Output::Denied { denial } => ui.warn(&format!("denied: {}", denial.message), &denial.hint),
            Output::SessionLost { reason, recovery } => ui.warn(&format!("{reason}{}", after(*recovery)), ""),
            _ => {}
        }
        Ok(())
    }
}

fn after(recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::Closed => "",
        _ => "; the session was recovered",
    }
}

/// Text where there is some; of a picture only that it is there.
fn bundle(data: &MimeBundle, saved: bool, ui: &mut Ui) -> Result<(), CliError> {
    if data.has_image() {
        if !saved {
            ui.note(&ui.paint().role(Role::Dim, "a picture was drawn; `--out DIR` saves it"));
        }
        return Ok(());
    }
    if let Some(text) = data.plain() {
        ui.reply(&format!("{text}\n"))?;
    }
    Ok(())
}
