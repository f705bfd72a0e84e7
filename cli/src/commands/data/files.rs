//! Files and the standard streams, which are named `-`.

use std::io::Read as _;
use std::path::Path;

use crate::error::CliError;
use crate::ui::Ui;

fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How a file is named in what is told.
pub(super) fn named(path: &Path) -> String {
    path.display().to_string()
}

/// The text of a file, or of standard input.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    let bytes = if is_stream(path) {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| CliError::reading(path, error))?;
        bytes
    } else {
        std::fs::read(path).map_err(|error| CliError::reading(path, error))?
    };
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count().saturating_add(1);
        CliError::Content {
            path: path.to_owned(),
            problem: format!("line {line} is not UTF-8 (at byte {good} of the file)"),
            hint: "convert it with iconv".to_owned(),
        }
    })
}

/// Writes a file whole or not at all; or to standard output.
pub(super) fn write_text(path: &Path, text: &str, ui: &mut Ui) -> Result<(), CliError> {
    if is_stream(path) {
        return Ok(ui.reply(text)?);
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&part);
    std::fs::write(part, text).and_then(|()| std::fs::rename(part, path)).map_err(|error| {
        // It may never have been there.
        let _ = std::fs::remove_file(part);
        CliError::writing(path, error)
    })
}
