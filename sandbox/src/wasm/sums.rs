//! Checksums that set-up writes beside what it makes, as `NAME.sha256`, so that a check finds what a disk or a person has
//! changed since. Nobody looks at them while a sandbox opens.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::hex;

use super::compiled::write_private;

/// The sha256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

/// Notes the checksum of a file that was just made.
pub(crate) fn note(path: &Path) -> io::Result<()> {
    write_private(&beside(path), sha256(path)?.as_bytes())
}

/// Notes the checksum of a file that is as it must be, where none is noted: an earlier version made it, or set-up was
/// killed before it came to that.
pub(crate) fn note_missing(path: &Path) -> io::Result<()> {
    if beside(path).exists() { Ok(()) } else { note(path) }
}

/// Takes the note away, before another file takes the name.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(beside(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads the whole file: what is wrong with it, against what is noted. Where nothing is noted, nothing is.
pub(crate) fn verify(path: &Path) -> Result<(), String> {
    let Ok(noted) = std::fs::read_to_string(beside(path)) else { return Ok(()) };
    let found = sha256(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if noted.trim() == found {
        Ok(())
    } else {
        Err(format!("{} has the sha256 {found} in place of {}", path.display(), noted.trim()))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".sha256");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_told_and_an_unknown_file_is_not() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("a.img");
        std::fs::write(&file, b"hello")?;
        assert_eq!(verify(&file), Ok(()));
        note_missing(&file)?;
        assert_eq!(verify(&file), Ok(()));
        std::fs::write(&file, b"jello")?;
        note_missing(&file)?;
        assert!(verify(&file).is_err_and(|problem| problem.contains("2cf24dba5fb0a30e")));
        forget(&file)?;
        assert_eq!(verify(&file), Ok(()));
        Ok(())
    }
}
