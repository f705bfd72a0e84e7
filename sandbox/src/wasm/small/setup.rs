//! Making the component: once, at set-up.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::hex::hex;
use crate::{InterpreterError, guest, sweep};

use super::super::Home;
use super::super::compiled::{load_component, write_private};
use super::super::engine::{engine, key_of};
use super::super::home::check_private;
use super::{BACKEND, SETUP_COMMAND};

/// The builder. Its wheels are pinned: what it makes is run.
const BUILDER: &str = "componentize-py==0.25.1";
/// Checksums of its wheels for Linux on x86-64 and on ARM.
const WHEELS: [&str; 2] = [
    "8623cd8cab8453cb0cd8bf03f3c7103420d06f2f3d360186a280a70a1ca5e89f",
    "7b6a87c520358166843af0daa86d2312d7af4cbcbbf1e598951085cf7f2991ca",
];

/// Makes the component and compiles it: about a minute, once a machine and version. Needs `python3` with `venv`, and
/// fetches one wheel (17 MB) by `pip`. Gives at once where it is done already. `progress` hears what is being done.
///
/// # Errors
/// [`InterpreterError::SetUp`] with what the failing command said.
pub fn build(home: &Home, progress: &mut dyn FnMut(&str)) -> Result<(), InterpreterError> {
    let engine = engine()?;
    let out = compiled(home, &engine);
    if load(&engine, &out).is_ok() {
        return Ok(());
    }
    let (work, _held) = work_folder().map_err(failed)?;
    progress("fetching componentize-py");
    let builder = install(work.path())?;
    progress("making a component of CPython");
    let component = componentize(work.path(), &builder)?;
    progress("compiling it for this machine");
    let wasm = fs::read(&component).map_err(failed)?;
    let code = engine.precompile_component(&wasm).map_err(failed)?;
    write_private(&out, &code).map_err(|error| failed(format!("{}: {error}", out.display())))?;
    load(&engine, &out).map(|_| ())
}

/// A folder that is removed at the end, or, where this process is killed, by the next one that opens a session.
fn work_folder() -> io::Result<(TempDir, File)> {
    let temp = std::env::temp_dir();
    sweep::once(&temp);
    let folder = tempfile::Builder::new().prefix(&format!("{}small-", sweep::PREFIX)).tempdir_in(temp)?;
    let held = File::open(folder.path())?;
    sweep::hold(&held)?;
    Ok((folder, held))
}

/// True where the component is made and compiled for this machine and this version.
pub fn is_built(home: &Home) -> bool {
    engine().is_ok_and(|engine| check_private(&compiled(home, &engine)).is_ok())
}

/// Where the machine code lies.
pub(super) fn compiled(home: &Home, engine: &Engine) -> PathBuf {
    home.compiled(&key_of(engine, &identity())).with_file_name("small.cwasm")
}

/// Loads the machine code.
pub(super) fn load(engine: &Engine, path: &Path) -> Result<Component, InterpreterError> {
    load_component(engine, path).map_err(|error| InterpreterError::NotSetUp {
        backend: BACKEND,
        problem: error.to_string(),
        command: SETUP_COMMAND.to_owned(),
    })
}

/// What the component is made of, in hexadecimal.
fn identity() -> String {
    let mut hasher = Sha256::new();
    hasher.update(BUILDER);
    for (name, source) in guest::SMALL.iter().chain(guest::MODULES).chain([&("bootstrap", guest::BOOTSTRAP)]) {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(source);
        hasher.update([0]);
    }
    hex(&hasher.finalize())
}

/// Installs the builder into an environment of its own; gives its program.
fn install(work: &Path) -> Result<PathBuf, InterpreterError> {
    let venv = work.join("venv");
    let mut make = Command::new("python3");
    run(make.args(["-m", "venv"]).arg(&venv))?;
    let mut wanted = BUILDER.to_owned();
    for sha256 in WHEELS {
        let _ = write!(wanted, " --hash=sha256:{sha256}");
    }
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, wanted).map_err(failed)?;
    let mut pip = Command::new(venv.join("bin").join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    run(pip.args(["--only-binary", ":all:", "--require-hashes", "-r"]).arg(&requirements))?;
    Ok(venv.join("bin").join("componentize-py"))
}

fn componentize(work: &Path, builder: &Path) -> Result<PathBuf, InterpreterError> {
    let (source, empty, out) = (work.join("source"), work.join("empty"), work.join("small.wasm"));
    let package = source.join("glassbox_guest");
    for folder in [&package, &empty] {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    for (name, text) in guest::MODULES {
        fs::write(package.join(format!("{name}.py")), text).map_err(failed)?;
    }
    for (name, text) in guest::SMALL.iter().chain([&("bootstrap.py", guest::BOOTSTRAP)]) {
        fs::write(source.join(name), text).map_err(failed)?;
    }
    let mut command = Command::new(builder);
    // An environment that holds nothing: else this machine's own packages would get in.
    command.current_dir(work).env("VIRTUAL_ENV", &empty).env_remove("PYTHONPATH");
    command.arg("--quiet").arg("-d").arg(source.join("world.wit")).args(["-w", "session", "componentize", "-p"]);
    run(command.arg(&source).args(["small_session", "-o"]).arg(&out))?;
    Ok(out)
}

/// Runs a command to its end; what it said is the error where it fails.
fn run(command: &mut Command) -> Result<(), InterpreterError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| failed(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr }).into_owned();
    let last: Vec<&str> = said.trim().lines().rev().take(12).collect();
    Err(failed(format!("{name}: {}: {}", output.status, last.into_iter().rev().collect::<Vec<_>>().join("\n"))))
}

fn failed(problem: impl std::fmt::Display) -> InterpreterError {
    InterpreterError::SetUp { backend: BACKEND, problem: problem.to_string() }
}
