//! The sha256 of a file.

use std::{fs::File, io::Read as _, path::Path};

use sha2::{Digest as _, Sha256};

use crate::hex::hex;

/// Lower-case hex sha256 of the file at `path`. `go_on` is asked once a megabyte; `None` when it says no.
pub(crate) fn sha256(path: &Path, mut go_on: impl FnMut() -> bool) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..n).filter(|bytes| !bytes.is_empty()) else { break };
        if !go_on() {
            return Ok(None);
        }
        hasher.update(bytes);
    }
    Ok(Some(hex(&hasher.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard_and_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path, || true).unwrap().as_deref(), Some(expected));
        assert_eq!(sha256(&path, || false).unwrap(), None);
    }
}
