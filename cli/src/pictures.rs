//! Pictures and files that programs give out, saved to a folder of the person's.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use glassbox::sandbox::MimeBundle;

use crate::error::CliError;

/// Image types that are saved, by their file's ending.
const TYPES: [(&str, &str); 4] =
    [("image/png", "png"), ("image/svg+xml", "svg"), ("image/jpeg", "jpg"), ("image/gif", "gif")];

/// How many names are tried for a file before it is given up.
const MOST_NAMES: u32 = 10_000;

/// The folder; made when the first file is saved.
#[derive(Debug, Clone)]
pub(crate) struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Saves into `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Saves the picture of `data`, where it has one; gives the file.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub(crate) fn picture(&self, data: &MimeBundle) -> Option<Result<PathBuf, CliError>> {
        let (mime, ending) = TYPES.iter().find(|(mime, _)| data.0.contains_key(*mime))?;
        let Some(bytes) = data.bytes(mime) else {
            let problem = std::io::Error::new(ErrorKind::InvalidData, "the picture is damaged");
            return Some(Err(CliError::writing(&self.path, problem)));
        };
        Some(self.save("picture-1", ending, &bytes))
    }

    /// Saves a file under the last part of its path inside the sandbox.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn file(&self, inside: &str, bytes: &[u8]) -> Result<PathBuf, CliError> {
        let name = inside.rsplit('/').next().unwrap_or_default();
        // The name was chosen by a program.
        let name: String = name.chars().map(|c| if c.is_control() || c == '\\' { '_' } else { c }).collect();
        let name = if matches!(name.as_str(), "" | "." | "..") { "file".to_owned() } else { name };
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem, ending),
            _ => (name.as_str(), ""),
        };
        self.save(stem, ending, bytes)
    }

    /// Writes under the first name that is free: nothing of the person's is replaced.
    fn save(&self, stem: &str, ending: &str, bytes: &[u8]) -> Result<PathBuf, CliError> {
        std::fs::create_dir_all(&self.path).map_err(|error| CliError::writing(&self.path, error))?;
        let counted = stem.strip_suffix("-1");
        for number in 1..MOST_NAMES {
            let stem = match (number, counted) {
                (1, _) => stem.to_owned(),
                (number, stem_of) => format!("{}-{number}", stem_of.unwrap_or(stem)),
            };
            let name = if ending.is_empty() { stem } else { format!("{stem}.{ending}") };
            let path = self.path.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(bytes).map_err(|error| CliError::writing(&path, error))?;
                    return Ok(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(CliError::writing(&path, error)),
            }
        }
        Err(CliError::writing(&self.path, std::io::Error::from(ErrorKind::AlreadyExists)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_picture_is_saved_beside_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let folder = OutFolder::new(home.path().join("out"));
        let picture = MimeBundle([("image/png".to_owned(), json!("aGVh\ncnQ="))].into());
        let names = [1, 2].map(|_| folder.picture(&picture).unwrap().unwrap());
        assert_eq!(names, ["picture-1.png", "picture-2.png"].map(|name| home.path().join("out").join(name)));
        assert_eq!(std::fs::read(&names[1]).unwrap(), b"heart");
        assert!(folder.picture(&MimeBundle::text("<Figure>")).is_none());
    }

    #[test]
    fn a_file_keeps_its_name_and_leaves_no_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = OutFolder::new(home.path().to_owned());
        for (inside, name) in [
            ("/mnt/data/a.csv", "a.csv"),
            ("/mnt/data/a.csv", "a-2.csv"),
            ("/mnt/data/..", "file"),
            ("/tmp/.profile", ".profile"),
        ] {
            assert_eq!(folder.file(inside, b"").unwrap(), home.path().join(name), "{inside}");
        }
    }
}
