//! One wheel: whether it is pure Python, and what of it goes where.
//!
//! The format is that of the Python packaging specification "Binary distribution format".

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;

use crate::InterpreterError;

use super::problem;

/// Bytes of all wheels of a folder, unpacked.
const MOST_BYTES: u64 = 512 << 20;
/// Files of all of them.
const MOST_FILES: u32 = 50_000;

/// What is left of the limits for one folder.
#[derive(Debug)]
pub(super) struct Room {
    bytes: u64,
    files: u32,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: MOST_BYTES, files: MOST_FILES }
    }
}

/// A wheel of pure Python.
#[derive(Debug)]
pub(super) struct Wheel {
    path: PathBuf,
    name: String,
}

impl Wheel {
    /// The wheel at `path`, whose file is called `name`.
    ///
    /// # Errors
    /// Where its tags say that it is not pure Python 3.
    pub(super) fn named(path: PathBuf, name: &str) -> Result<Self, InterpreterError> {
        // NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl
        let stem = name.strip_suffix(".whl").unwrap_or(name);
        let mut parts = stem.rsplit('-');
        let (platform, abi, python) = (parts.next(), parts.next(), parts.next());
        let (Some(platform), Some(abi), Some(python), true) = (platform, abi, python, parts.count() >= 2) else {
            let text = format!("{name} is not named as a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl");
            return Err(problem(text, "keep the name that it was downloaded with"));
        };
        if platform != "any" || abi != "none" {
            let text = format!("{name} has native code ({python}-{abi}-{platform}), which does not run in WebAssembly");
            let hint = "take a version of pure Python, where there is one: `pip download --only-binary :all: --abi none \
                        --implementation py --platform any -d DIR NAME`";
            return Err(problem(text, hint));
        }
        if !python.split('.').any(|tag| tag.starts_with("py3")) {
            let text = format!("{name} is not for Python 3 ({python})");
            return Err(problem(text, "take another version of it"));
        }
        Ok(Self { path, name: name.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error of a wheel that cannot be read.
    pub(super) fn bad(&self, error: &dyn std::fmt::Display) -> InterpreterError {
        problem(format!("{} cannot be unpacked: {error}", self.name), "download it again")
    }

    /// Unpacks it into `folder`.
    pub(super) fn unpack(&self, folder: &Path, room: &mut Room) -> Result<(), InterpreterError> {
        let file = File::open(&self.path).map_err(|error| self.bad(&error))?;
        let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|error| self.bad(&error))?;
        for index in 0..archive.len() {
            let member = archive.by_index(index).map_err(|error| self.bad(&error))?;
            if member.is_dir() {
                continue;
            }
            let inside = member.enclosed_name().filter(|path| plain(path) && !member.is_symlink());
            let Some(inside) = inside else {
                let name = member.name().map(|name| name.escape_debug().to_string()).unwrap_or_default();
                return Err(self.bad(&format!("`{name}` does not lie inside it")));
            };
            let Some(inside) = place(&inside) else { continue };
            room.files = room.files.checked_sub(1).ok_or_else(|| self.too_large("files", u64::from(MOST_FILES)))?;
            let path = folder.join(&inside);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| self.bad(&error))?;
            }
            let mut file =
                File::options().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => problem(
                        format!("{} and another wheel beside it both have {}", self.name, inside.display()),
                        "keep one version of each package",
                    ),
                    _ => self.bad(&error),
                })?;
            // What the archive says of its length is not relied on: a small one can unpack to any length.
            let written = io::copy(&mut member.take(room.bytes.saturating_add(1)), &mut file);
            let written = written.map_err(|error| self.bad(&error))?;
            room.bytes = room.bytes.checked_sub(written).ok_or_else(|| self.too_large("bytes", MOST_BYTES))?;
        }
        Ok(())
    }

    fn too_large(&self, what: &str, most: u64) -> InterpreterError {
        let text = format!("with {} the wheels unpack to more than {most} {what}", self.name);
        problem(text, "keep those that the programs need")
    }
}

/// Without `..`, a root or a drive.
fn plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Where a file of the wheel is installed: below `NAME.data`, libraries go to the root; scripts and headers nowhere.
fn place(inside: &Path) -> Option<PathBuf> {
    let mut parts = inside.components();
    let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
    if !first.ends_with(".data") {
        return Some(inside.to_owned());
    }
    let scheme = parts.next()?.as_os_str().to_string_lossy().into_owned();
    let rest = parts.as_path();
    let library = matches!(scheme.as_str(), "purelib" | "platlib") && !rest.as_os_str().is_empty();
    library.then(|| rest.to_owned())
}
