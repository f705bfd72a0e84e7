//! The chat's conversation in a file.

use std::path::Path;

use glassbox::{Message, Session};

use crate::error::CliError;
use crate::ui::{Ui, printable};

/// Saves the conversation, and says where.
///
/// # Errors
/// Where it cannot be written.
pub(super) async fn save(session: &Session, path: &Path, ui: &mut Ui) -> Result<(), CliError> {
    session.save(path).await?;
    ui.say(&format!("saved as {}", printable(&path.display().to_string())));
    Ok(())
}

/// Goes on with a conversation that was saved, and says how long it is, and whether it is read again.
///
/// # Errors
/// Where there is none. `session` is then as it was.
pub(super) async fn load(session: &mut Session, path: &Path, ui: &mut Ui) -> Result<(), CliError> {
    let resumed = session.agent().resume(path).await?;
    *session = resumed.session;
    let asked = session.messages().iter().filter(|message| matches!(message, Message::User { .. })).count();
    let messages = if asked == 1 { "message" } else { "messages" };
    ui.note(&format!("This conversation has {asked} {messages} of yours."));
    if let Err(error) = resumed.reused_tokens {
        ui.note(&format!("It is read again: {}", printable(&error.to_string())));
    }
    Ok(())
}
