//! `/upload`, `/files`, `/get` and `/restart`.

use std::path::Path;

use glassbox::Session;
use glassbox::sandbox::InterpreterError;

use crate::error::CliError;
use crate::pictures::OutFolder;
use crate::ui::{Ui, bytes, printable};

/// Puts a file of this machine into the sandbox.
pub(super) async fn upload(session: &mut Session, path: &str, ui: &mut Ui) -> Result<(), CliError> {
    let path = Path::new(path);
    let data = std::fs::read(path).map_err(|error| CliError::reading(path, error))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = session.upload(&name, &data).await?;
    let size = bytes(file.bytes);
    ui.say(&format!("{} ({size}) is there; your next message tells the model.", printable(&file.path)));
    Ok(())
}

/// Lists the sandbox's files.
pub(super) async fn list(session: &Session, ui: &mut Ui) -> Result<(), CliError> {
    let files = session.files().await?;
    if files.is_empty() {
        ui.say("There are no files yet; /upload FILE brings one.");
    }
    for file in files {
        ui.say(&format!("  {:<40}{}", printable(&file.path), bytes(file.bytes)));
    }
    Ok(())
}

/// Saves a file of the sandbox.
pub(super) async fn get(session: &Session, path: &str, out: &OutFolder, ui: &mut Ui) -> Result<(), CliError> {
    let data = match session.file(path).await {
        Err(glassbox::Error::Interpreter(InterpreterError::NoFile { path })) => {
            return Err(CliError::usage(
                format!("no file {} in the sandbox", printable(&path)),
                "/files shows what is there",
            ));
        }
        data => data?,
    };
    let saved = out.file(path, &data)?;
    ui.say(&format!("saved as {}", printable(&saved.display().to_string())));
    Ok(())
}

/// Begins the sandbox's session anew.
pub(super) async fn restart(session: &mut Session, ui: &mut Ui) -> Result<(), CliError> {
    session.restart_interpreter().await?;
    ui.say("The sandbox is as new: no variables, no files.");
    Ok(())
}
