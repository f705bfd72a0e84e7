//! `--out DIR`: pictures and files of a program, saved.

use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glassbox::sandbox::{Interpreter, MimeBundle};

use crate::error::CliError;
use crate::ui::{Ui, bytes, printable};

/// The folder, and what it holds so far.
pub(crate) struct Kept {
    folder: PathBuf,
    figures: u32,
}

/// Pictures that are saved, and how their files end.
const PICTURES: [(&str, &str); 4] =
    [("image/png", "png"), ("image/svg+xml", "svg"), ("image/jpeg", "jpg"), ("image/gif", "gif")];

impl Kept {
    /// Makes the folder.
    pub(crate) fn new(folder: PathBuf) -> Result<Self, CliError> {
        std::fs::create_dir_all(&folder).map_err(|source| writing(&folder, source))?;
        Ok(Self { folder, figures: 0 })
    }

    /// Saves the picture of a bundle, where it has one, as `figure-N.png`; the first of its forms.
    pub(crate) fn pictures(&mut self, data: &MimeBundle, ui: &mut Ui) -> Result<(), CliError> {
        for (mime, ending) in PICTURES {
            let Some(text) = data.0.get(mime).and_then(serde_json::Value::as_str) else { continue };
            let encoded: String = text.split_ascii_whitespace().collect();
            let picture = if mime == "image/svg+xml" { Ok(text.as_bytes().to_vec()) } else { STANDARD.decode(encoded) };
            let Ok(picture) = picture else { continue };
            self.figures = self.figures.saturating_add(1);
            let path = self.folder.join(format!("figure-{}.{ending}", self.figures));
            return self.write(&path, &picture, ui);
        }
        Ok(())
    }

    /// Saves every file below `/mnt/data` that is not as it was put there.
    pub(crate) async fn files(
        &mut self,
        session: &dyn Interpreter,
        put: &[(String, Vec<u8>)],
        ui: &mut Ui,
    ) -> Result<(), CliError> {
        for file in session.list_files().await? {
            let Some(name) = file.path.strip_prefix("/mnt/data/") else { continue };
            let data = session.get_file(&file.path).await?;
            if put.iter().any(|(known, before)| known == name && *before == data) {
                continue;
            }
            // The program chose the name: it must stay below the folder.
            let path = Path::new(name);
            if path.components().all(|part| matches!(part, Component::Normal(_))) {
                self.write(&self.folder.join(path), &data, ui)?;
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, data: &[u8], ui: &mut Ui) -> Result<(), CliError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| writing(folder, source))?;
        }
        std::fs::write(path, data).map_err(|source| writing(path, source))?;
        ui.note(&format!("saved {} ({})", printable(&path.display().to_string()), bytes(data.len() as u64)));
        Ok(())
    }
}

fn writing(path: &Path, source: std::io::Error) -> CliError {
    CliError::File { action: "write", path: path.to_owned(), source }
}
