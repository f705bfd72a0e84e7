//! What a set-up does once CPython is compiled: warm images and a test of the whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;

use crate::{Backend, CellEvent, ExecuteRequest, InterpreterError, Limits, Output, guest};

use super::compiled::failed;
use super::folder::Folder;
use super::home::Home;
use super::image::WarmImage;
use super::instance::Instance;
use super::program::Program;
use super::sums;
use super::threads::Threads;
use super::{Image, Sandbox};

/// Builds a warm image, where it is not there: about half a second for [`Image::Bare`], ten for [`Image::Scientific`].
///
/// # Errors
/// [`InterpreterError::NotSetUp`] where CPython is not compiled, [`InterpreterError::SetUp`] where the image cannot be
/// built.
pub async fn build_image(home: &Home, image: Image) -> Result<(), InterpreterError> {
    let program = Program::cold(home.clone(), None)?;
    let key = image.key(&program.key);
    let path = home.image(&key, image);
    let at = {
        let path = path.clone();
        move |error: std::io::Error| failed(format!("{}: {error}", path.display()))
    };
    if WarmImage::open(&path, &key).is_ok() && sums::verify(&path).is_ok() {
        return sums::note_missing(&path).map_err(at);
    }
    Threads::new()?
        .run(async move {
            let folder = Arc::new(Folder::new().map_err(InterpreterError::backend)?);
            let limits = Limits { memory: 2 << 30, ..Limits::default() };
            let mut instance = Instance::based(&program, folder, limits, Duration::ZERO).await?;
            instance.run_own(guest::BOOTSTRAP).await?;
            instance.run_own(image.prelude()).await?;
            if instance.host().quota.has_open() {
                return Err(failed(format!("the {} image would hold open files", image.name())));
            }
            let clock = instance.host().clock.elapsed();
            let written = sums::forget(&path)
                .and_then(|()| WarmImage::write(&path, &key, instance.memory(), clock))
                .and_then(|()| sums::note(&path));
            written.map_err(at)
        })
        .await
}

/// True where the image is there for this machine, this version of Wasmtime and this Python side.
pub fn is_built(home: &Home, image: Image) -> bool {
    built(home, image).is_some()
}

/// The image's file, where it is there for this machine, this version of Wasmtime and this Python side.
fn built(home: &Home, image: Image) -> Option<PathBuf> {
    let key = image.key(&Program::cold(home.clone(), None).ok()?.key);
    let path = home.image(&key, image);
    WarmImage::open(&path, &key).is_ok().then_some(path)
}

/// What is wrong with an image, every byte of which is read.
pub(crate) fn check_image(home: &Home, image: Image) -> Result<(), String> {
    let path = built(home, image).ok_or("they are not built, or for another version")?;
    sums::verify(&path)
}

/// Opens a session, runs a cell, and tries out what the host relies on.
///
/// # Errors
/// [`InterpreterError::NotSetUp`] where something is missing, [`InterpreterError::SetUp`] where the cell gave something
/// else than it should.
pub async fn self_test(home: &Home) -> Result<(), InterpreterError> {
    let sandbox = Sandbox::builder().home(home.clone()).build()?;
    let session = sandbox.open().await?;
    let mut events = session.execute(ExecuteRequest::new("sum(range(10))"));
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        match event? {
            CellEvent::Output { output: Output::Result { data } } if data.plain() == Some("45") => return Ok(()),
            event => seen.push(event),
        }
    }
    Err(failed(format!("a cell that should have given 45 gave {seen:?}")))
}
