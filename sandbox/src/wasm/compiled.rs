//! Compiling ahead of time, and loading what was compiled. The security-critical part: machine code is loaded here.
#![allow(unsafe_code)] // loading compiled code is a promise about the file; see `load`

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::InterpreterError;
use crate::hex::hex;

use super::BACKEND;
use super::artifact::{Artifact, PYTHON};
use super::engine::{engine, key};
use super::home::{Home, check_private, create_private, missing};
use super::sums;

/// Compiles CPython for this machine, once: about a minute on two cores, 2.2 GB of memory at its peak. Gives at once where
/// it is done already. The checksum of `HOME/artifacts/python-snapshot.wasm` is verified; the result is written whole or
/// not at all.
///
/// # Errors
/// [`InterpreterError::SetUp`] where the file is missing, is another one, or the disk is full.
pub fn compile(home: &Home) -> Result<(), InterpreterError> {
    let engine = engine()?;
    let out = home.compiled(&key(&engine, &PYTHON));
    let note = |noted: io::Result<()>| noted.map_err(|error| failed(format!("{}: {error}", out.display())));
    if load(&engine, &out).is_ok() && sums::verify(&out).is_ok() {
        return note(sums::note_missing(&out));
    }
    let wasm = read_verified(&home.artifact(), &PYTHON)?;
    let code = engine.precompile_module(&wasm).map_err(failed)?;
    note(sums::forget(&out).and_then(|()| write_private(&out, &code)).and_then(|()| sums::note(&out)))?;
    load(&engine, &out).map(|_| ())
}

/// What is wrong with the machine code, every byte of which is read.
pub(crate) fn check_compiled(home: &Home) -> Result<(), String> {
    let engine = engine().map_err(|error| error.to_string())?;
    let path = home.compiled(&key(&engine, &PYTHON));
    if !path.exists() {
        return Err("it is not compiled for this machine".to_owned());
    }
    load(&engine, &path).map_err(|error| match error {
        InterpreterError::NotSetUp { problem, .. } => problem,
        other => other.to_string(),
    })?;
    sums::verify(&path)
}

/// True where CPython is compiled for this machine and this version of Wasmtime.
pub fn is_compiled(home: &Home) -> bool {
    engine().is_ok_and(|engine| check_private(&home.compiled(&key(&engine, &PYTHON))).is_ok())
}

/// Loads compiled code: a few milliseconds, as the file is mapped and read as it is needed.
pub(super) fn load(engine: &Engine, path: &Path) -> Result<Module, InterpreterError> {
    check_private(path)?;
    // SAFETY: `deserialize_file` runs what the file holds, so the file must be one that Wasmtime wrote and that nobody
    // changes. It lies in a folder of this user's that is named after the artifact's checksum, Wasmtime's version and its
    // settings; only `compile` writes there, under another name first, so it is never seen half-written and never written
    // again; and `check_private` has just refused one that anybody else can write. Who can write as this user can replace
    // this program as well. Wasmtime itself checks its version and settings in the file's header.
    let module = unsafe { Module::deserialize_file(engine, path) };
    module.map_err(|error| missing(format!("{}: {error}", path.display())))
}

/// Loads a compiled component, as [`load`] does a module.
pub(super) fn load_component(engine: &Engine, path: &Path) -> Result<Component, InterpreterError> {
    check_private(path)?;
    // SAFETY: as in `load`; `small::build` writes the file by the same `write_private`.
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.map_err(|error| missing(format!("{}: {error}", path.display())))
}

fn read_verified(path: &Path, artifact: &Artifact) -> Result<Vec<u8>, InterpreterError> {
    let mut wasm = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut wasm));
    read.map_err(|error| failed(format!("{}: {error}", path.display())))?;
    let sha256 = hex(&Sha256::digest(&wasm));
    if sha256 != artifact.sha256 {
        return Err(failed(format!("{} has the sha256 {sha256} in place of {}", path.display(), artifact.sha256)));
    }
    Ok(wasm)
}

/// Writes a file for this user alone, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_private_with(path, |file| file.write_all(bytes))
}

/// As [`write_private`], with what `fill` writes.
pub(super) fn write_private_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    path.parent().map_or(Ok(()), create_private)?;
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let written = (|| {
        let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
        fill(&mut file)?;
        // Once the file has its name it must be whole, also after a power cut: it is machine code.
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A failed set-up.
pub(super) fn failed(problem: impl std::fmt::Display) -> InterpreterError {
    InterpreterError::SetUp { backend: BACKEND, problem: problem.to_string() }
}
