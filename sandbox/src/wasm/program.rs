//! What all sessions of a sandbox share: the engine, CPython's machine code, and the folders that programs may read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use wasmtime::{Engine, InstancePre};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::door::Door;
use crate::{InterpreterError, Limits, guest};

use super::Image;
use super::artifact::{Artifact, PYTHON};
use super::checks::Checks;
use super::clock::Clock;
use super::compiled;
use super::engine::{key, ticking_engine};
use super::folder::{FOLDERS, Folder};
use super::home::Home;
use super::image::WarmImage;
use super::imports::linker;
use super::packages;
use super::quota::Quota;
use super::state::Host;

/// Where the standard library lies inside; CPython was built with this path.
const LIBRARY: &str = "/usr/local/lib";
/// Where matplotlib looks for its data files.
const MATPLOTLIB_DATA: &str = "/usr/local/lib/python315.zip/matplotlib/mpl-data";
/// Where fonts lie inside.
const FONTS: &str = "/usr/local/share/fonts";
/// Where further packages lie inside.
pub(super) const PACKAGES: &str = "/usr/local/lib/site-packages";

/// What all sessions of a sandbox share.
pub(super) struct Program {
    pub(super) engine: Engine,
    pub(super) instances: InstancePre<Host>,
    pub(super) home: Home,
    /// Names what was compiled; snapshots and images belong to it.
    pub(super) key: String,
    pub(super) artifact: &'static Artifact,
    /// What sessions start from, where it was built, and its key.
    pub(super) image: Option<(String, WarmImage)>,
    /// What holds on this machine, once it was tried.
    pub(super) checks: OnceCell<Checks>,
    packages: Option<PathBuf>,
}

impl Program {
    /// Loads what a set-up has compiled, and its warm image. Without the image of `Bare`, each session starts by itself, in
    /// tens of milliseconds; without another, sessions would lack what was asked for.
    pub(super) fn load(home: Home, image: Image, packages: Option<PathBuf>) -> Result<Self, InterpreterError> {
        let mut program = Self::cold(home, packages)?;
        let key = image.key(&program.key);
        program.image = match WarmImage::open(&program.home.image(&key, image), &key) {
            Ok(image) => Some((key, image)),
            Err(error) if image == Image::Bare => {
                tracing::debug!(%error, "sessions start without a warm image");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(program)
    }

    /// Loads what a set-up has compiled, without an image.
    pub(super) fn cold(home: Home, packages: Option<PathBuf>) -> Result<Self, InterpreterError> {
        home.check_library()?;
        let packages = packages.map(|folder| packages::prepare(&home, &folder)).transpose()?;
        let engine = ticking_engine()?;
        let artifact = &PYTHON;
        let key = key(&engine, artifact);
        let module = compiled::load(&engine, &home.compiled(&key))?;
        let instances = linker(&engine).and_then(|linker| linker.instantiate_pre(&module));
        let instances = instances.map_err(InterpreterError::backend)?;
        let checks = Checks::read(&home, &key).map_or_else(OnceCell::new, |checks| OnceCell::new_with(Some(checks)));
        Ok(Self { engine, instances, home, key, artifact, image: None, checks, packages })
    }

    /// What a session's memory starts from.
    pub(super) fn base(&self) -> &str {
        self.image.as_ref().map_or(&self.key, |(key, _)| key)
    }

    /// Whether programs have further packages.
    pub(super) fn has_packages(&self) -> bool {
        self.packages.is_some()
    }

    /// What holds on this machine, tried out where it was not yet.
    pub(super) async fn checks(&self) -> Result<Checks, InterpreterError> {
        self.checks.get_or_try_init(|| Checks::make(self)).await.copied()
    }

    /// The host's side of a new instance, whose clock stands at `clock`.
    pub(super) fn host(&self, folder: Arc<Folder>, limits: Limits, clock: Duration) -> Result<Host, InterpreterError> {
        let clock = Clock::from(clock);
        let wasi = self.wasi(&folder, clock).map_err(InterpreterError::backend)?;
        let used = folder.usage().map_err(InterpreterError::backend)?;
        Ok(Host {
            wasi,
            limits,
            clock,
            folder,
            quota: Quota::new(used),
            door: Door::new(guest::MODULES),
            memory: None,
            alloc: None,
            outlet: None,
            watch: None,
            interrupt: &[],
            noted: false,
        })
    }

    fn wasi(&self, folder: &Folder, clock: Clock) -> wasmtime::Result<wasmtime_wasi::p1::WasiP1Ctx> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&["python"]);
        // No time zone files are there to look for.
        wasi.envs(&[("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("PYTHONTZPATH", "")]);
        wasi.monotonic_clock(clock);
        // Files are small and local; a session has a thread while it runs.
        wasi.allow_blocking_current_thread(true);
        // Always the same folders in the same order: images and saved states know them by their descriptors.
        let fonts = self.home.fonts();
        let fonts = if fonts.is_dir() { fonts } else { folder.empty() };
        let packages = self.packages.clone().unwrap_or_else(|| folder.empty());
        for (host, guest) in [
            (self.home.library(), LIBRARY),
            (self.home.matplotlib_data(), MATPLOTLIB_DATA),
            (fonts, FONTS),
            (packages, PACKAGES),
        ] {
            wasi.preopened_dir(host, guest, FsPerms::ReadOnly)?;
        }
        for (path, name) in FOLDERS {
            wasi.preopened_dir(folder.host_path(name), path, FsPerms::ReadWrite)?;
        }
        Ok(wasi.build_p1())
    }
}
