//! Where code runs, as it is chosen on the command line.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use glassbox::sandbox::jupyter::{Isolation, Jupyter};
use glassbox::sandbox::wasm::small::Small;
use glassbox::sandbox::wasm::{Image, Sandbox};
use glassbox::sandbox::{Backend, Limits};

use crate::error::CliError;

/// A backend's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BackendArg {
    /// CPython in WebAssembly, with numpy, pandas and matplotlib
    #[default]
    Wasm,
    /// A smaller CPython in WebAssembly, with the standard library alone (`glassbox setup --small`)
    Small,
    /// A Jupyter kernel of this machine, kept in by the launcher
    Jupyter,
}

/// What a session starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ImageArg {
    /// `scientific` where the program names one of its packages
    #[default]
    Auto,
    /// Python alone
    Bare,
    /// With numpy, pandas, matplotlib and sympy imported
    Scientific,
}

impl ImageArg {
    /// The image for `source`.
    pub(crate) fn of(self, source: &str) -> Image {
        const IMPORTED: [&str; 4] = ["numpy", "pandas", "matplotlib", "sympy"];
        match self {
            Self::Bare => Image::Bare,
            Self::Scientific => Image::Scientific,
            Self::Auto if IMPORTED.iter().any(|name| source.contains(name)) => Image::Scientific,
            Self::Auto => Image::Bare,
        }
    }
}

/// How a backend is made.
#[derive(Debug, Clone)]
pub(crate) struct BackendSettings {
    /// Which.
    pub(crate) backend: BackendArg,
    /// What a session may use.
    pub(crate) limits: Limits,
    /// What a session starts from.
    pub(crate) image: Image,
    /// A folder of unpacked pure-Python packages.
    pub(crate) packages: Option<PathBuf>,
    /// Which kernel, and how it is kept in.
    pub(crate) kernel: KernelSettings,
}

/// How a Jupyter kernel is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct KernelSettings {
    /// Its name; the first that is found where there is none.
    pub(crate) name: Option<String>,
    /// A virtual environment that has it.
    pub(crate) environment: Option<PathBuf>,
    /// It may do what this user can.
    pub(crate) unsandboxed: bool,
}

/// Makes it. Loads compiled code, opens no session.
///
/// # Errors
/// Where it is not set up, with the command that does it.
pub(crate) fn make(settings: BackendSettings) -> Result<Arc<dyn Backend>, CliError> {
    match settings.backend {
        BackendArg::Wasm => {
            let mut builder = Sandbox::builder().limits(settings.limits).image(settings.image);
            if let Some(folder) = settings.packages {
                builder = builder.packages(folder);
            }
            Ok(Arc::new(builder.build()?))
        }
        BackendArg::Small => {
            let mut builder = Small::builder().limits(settings.limits);
            if let Some(folder) = settings.packages {
                builder = builder.packages(folder);
            }
            Ok(Arc::new(builder.build()?))
        }
        BackendArg::Jupyter => {
            let kernel = settings.kernel;
            let isolation = if kernel.unsandboxed { Isolation::Unsandboxed } else { Isolation::Sandboxed };
            let mut builder = Jupyter::builder().limits(settings.limits).isolation(isolation);
            if let Some(name) = kernel.name {
                builder = builder.kernel(name);
            }
            if let Some(folder) = kernel.environment {
                builder = builder.environment(folder);
            }
            Ok(Arc::new(builder.build()?))
        }
    }
}
