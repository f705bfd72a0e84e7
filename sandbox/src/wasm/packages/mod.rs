//! A folder of packages that programs may import: unpacked ones as they are, wheels unpacked once to the cache.
//!
//! Wheels are unpacked rather than put on `sys.path` as zip files: many packages read data files beside their modules.

mod wheel;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::InterpreterError;
use crate::hex::hex;

use super::home::{Home, create_private};

use wheel::{Room, Wheel};

/// The most wheels in a folder.
const MOST_WHEELS: usize = 200;
/// Begins the name of a folder that is being filled.
const DRAFT: &str = ".draft-";
/// A draft this old belongs to a process that was killed.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder that sessions see for `folder`: itself where it holds unpacked packages, or one of the cache in which its
/// wheels are unpacked. The cache's folder is named after the wheels' checksums, and appears whole or not at all.
///
/// # Errors
/// [`InterpreterError::Packages`] where a wheel cannot be used, with its name.
pub(crate) fn prepare(home: &Home, folder: &Path) -> Result<PathBuf, InterpreterError> {
    let found = Found::look(folder)?;
    if found.wheels.is_empty() {
        return match found.source {
            Some(name) if found.unpacked.is_none() => {
                Err(problem(format!("{name} is no wheel"), "make one of it: `pip wheel -w DIR NAME`"))
            }
            _ => Ok(folder.to_owned()),
        };
    }
    if let Some(name) = found.unpacked {
        let text = format!("{} holds wheels and, beside them, {name}", folder.display());
        return Err(problem(text, "keep wheels and unpacked packages in two folders"));
    }
    if let Some(name) = found.source {
        return Err(problem(format!("{name} is no wheel"), "make one of it: `pip wheel -w DIR NAME`"));
    }
    let target = home.packages().join(key(&found.wheels)?);
    if !target.is_dir() {
        unpack(&found.wheels, &target)?;
    }
    Ok(target)
}

/// What a folder holds, by what it is.
#[derive(Default)]
struct Found {
    /// In order of their names.
    wheels: Vec<Wheel>,
    /// A package, or a module, that lies there unpacked.
    unpacked: Option<String>,
    /// The sources of one.
    source: Option<String>,
}

impl Found {
    fn look(folder: &Path) -> Result<Self, InterpreterError> {
        let unreadable = |error: io::Error| {
            problem(format!("the folder {} cannot be read: {error}", folder.display()), "pass a folder of packages")
        };
        let mut paths = Vec::new();
        for item in fs::read_dir(folder).map_err(unreadable)? {
            paths.push(item.map_err(unreadable)?.path());
        }
        paths.sort();
        let mut found = Self::default();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
            if path.is_dir() || ends(&[".py"]) {
                found.unpacked.get_or_insert(name);
            } else if ends(&[".whl"]) {
                found.wheels.push(Wheel::named(path, &name)?);
            } else if ends(&[".tar.gz", ".zip", ".tar.bz2"]) {
                found.source.get_or_insert(name);
            }
        }
        if found.wheels.len() > MOST_WHEELS {
            let text = format!("{} holds {} wheels, more than {MOST_WHEELS}", folder.display(), found.wheels.len());
            return Err(problem(text, "keep those that the programs need"));
        }
        Ok(found)
    }
}

/// Names a set of wheels.
fn key(wheels: &[Wheel]) -> Result<String, InterpreterError> {
    let mut all = Sha256::new();
    for wheel in wheels {
        let mut hash = Sha256::new();
        let read = File::open(wheel.path()).and_then(|mut file| io::copy(&mut file, &mut hash));
        read.map_err(|error| wheel.bad(&error))?;
        all.update(hash.finalize());
    }
    let mut key = hex(&all.finalize());
    key.truncate(32);
    Ok(key)
}

fn unpack(wheels: &[Wheel], target: &Path) -> Result<(), InterpreterError> {
    let parent = target.parent().unwrap_or(target);
    let failed = |error: io::Error| {
        problem(format!("the wheels cannot be unpacked to {}: {error}", target.display()), "make room there")
    };
    create_private(parent).map_err(failed)?;
    sweep(parent);
    // Removed again where something fails.
    let draft = tempfile::Builder::new().prefix(DRAFT).tempdir_in(parent).map_err(failed)?;
    let mut room = Room::default();
    for wheel in wheels {
        wheel.unpack(draft.path(), &mut room)?;
    }
    match fs::rename(draft.path(), target) {
        // Another process was faster with the same wheels.
        Err(_) if target.is_dir() => Ok(()),
        renamed => renamed.map_err(failed),
    }
}

/// Removes what killed processes left. What cannot be removed is in nobody's way.
fn sweep(folder: &Path) {
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = item.metadata().and_then(|metadata| metadata.modified());
        let old = age.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE));
        if old && item.file_name().to_string_lossy().starts_with(DRAFT) {
            let _ = fs::remove_dir_all(item.path());
        }
    }
}

fn problem(problem: impl Into<String>, hint: impl Into<String>) -> InterpreterError {
    InterpreterError::Packages { problem: problem.into(), hint: hint.into() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
