//! Where code runs, as it is chosen on the command line.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
#[cfg(target_os = "linux")]
use glassbox::sandbox::Worker;
use glassbox::sandbox::jupyter::{Isolation, Jupyter};
use glassbox::sandbox::wasm::small::{self, Small};
use glassbox::sandbox::wasm::{Home, Image, Sandbox};
use glassbox::sandbox::{Backend, InterpreterError, Limits};

use crate::args::KernelArgs;
use crate::error::CliError;

/// A backend's name, the same for `exec --backend` and `--interpreter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BackendArg {
    /// CPython in WebAssembly, with numpy, pandas and matplotlib
    #[default]
    Wasm,
    /// A smaller CPython in WebAssembly, with the standard library alone (`glassbox setup --small`)
    Small,
    /// As `wasm`, in a process of its own that is kept in by the launcher, for hostile programs (Linux)
    #[cfg(target_os = "linux")]
    Worker,
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
    pub(crate) fn of(self, source: &str) -> Start {
        const IMPORTED: [&str; 4] = ["numpy", "pandas", "matplotlib", "sympy"];
        match self {
            Self::Bare => Start::Exactly(Image::Bare),
            Self::Scientific => Start::Exactly(Image::Scientific),
            Self::Auto if IMPORTED.iter().any(|name| source.contains(name)) => Start::Prefer(Image::Scientific),
            Self::Auto => Start::Exactly(Image::Bare),
        }
    }
}

/// What sessions start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// This image.
    Exactly(Image),
    /// This one where it was built, else Python alone, which imports the same packages when they are used.
    Prefer(Image),
}

/// `--interpreter`: a backend by the name that `exec --backend` has for it, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InterpreterArg {
    /// Programs run there.
    In(BackendArg),
    /// No programs.
    None,
}

impl InterpreterArg {
    /// What `--help` says of it. Not from the names' own descriptions: with those, clap spreads every option over lines.
    pub(crate) fn help() -> String {
        let backends = BackendArg::value_variants().iter().filter_map(|backend| backend.to_possible_value());
        let names: Vec<String> = backends.map(|backend| backend.get_name().to_owned()).collect();
        let names = names.join(", ");
        format!(
            "Where the model's programs run: {names} (see `glassbox exec --help`), none [default: wasm in the modes \
             code and all]"
        )
    }

    /// Reads it, with the names that there are in errors.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        let backends = || BackendArg::value_variants().iter().copied();
        let names = backends().filter_map(|backend| backend.to_possible_value());
        let none = PossibleValue::new("none").help("No programs");
        PossibleValuesParser::new(names.chain([none])).map(move |name| {
            let named = BackendArg::from_str(&name, false);
            named.map_or(Self::None, Self::In)
        })
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
    pub(crate) start: Start,
    /// A folder of pure-Python packages.
    pub(crate) packages: Option<PathBuf>,
    /// Which kernel, and how it is kept in.
    pub(crate) kernel: KernelArgs,
    /// The option that names the backend, for hints.
    pub(crate) option: &'static str,
}

impl BackendArg {
    /// What a session may use where nothing else is said.
    pub(crate) fn limits(self) -> Limits {
        let mut limits = Limits::default();
        if self == Self::Jupyter {
            // A native process with its libraries, by address space.
            limits.memory = 2 << 30;
        }
        limits
    }
}

impl BackendSettings {
    /// Refuses options that this backend would not look at.
    fn check(&self) -> Result<(), CliError> {
        let option = self.option;
        if self.backend == BackendArg::Jupyter {
            return match self.packages {
                Some(_) => Err(CliError::usage(
                    "`--packages` is for Python in WebAssembly",
                    "install the packages beside the kernel, and name its environment with `--venv DIR`",
                )),
                None => Ok(()),
            };
        }
        let given = [
            (self.kernel.kernel.is_some(), "--kernel"),
            (self.kernel.venv.is_some(), "--venv"),
            (self.kernel.unsandboxed, "--unsandboxed"),
            (self.kernel.bwrap, "--bwrap"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(CliError::usage(
                format!("`{name}` is for Jupyter kernels"),
                format!("leave it out, or add `{option} jupyter`"),
            )),
            None => Ok(()),
        }
    }
}

/// Makes it. Loads compiled code, opens no session.
///
/// # Errors
/// Where it is not set up, with the command that does it; where options do not fit to it.
pub(crate) fn make(settings: BackendSettings) -> Result<Arc<dyn Backend>, CliError> {
    settings.check()?;
    match settings.backend {
        BackendArg::Wasm => {
            let build = |image| {
                let mut builder = Sandbox::builder().limits(settings.limits).image(image);
                if let Some(folder) = &settings.packages {
                    builder = builder.packages(folder);
                }
                builder.build()
            };
            let sandbox = match settings.start {
                Start::Exactly(image) => build(image),
                Start::Prefer(image) => match build(image) {
                    Err(InterpreterError::NotSetUp { .. }) => build(Image::Bare),
                    other => other,
                },
            };
            Ok(Arc::new(sandbox.map_err(|error| without_wasm(error, settings.option))?))
        }
        #[cfg(target_os = "linux")]
        BackendArg::Worker => {
            let build = |image| {
                let mut builder = Worker::builder().limits(settings.limits).image(image);
                if let Some(folder) = &settings.packages {
                    builder = builder.packages(folder);
                }
                builder.build()
            };
            let worker = match settings.start {
                Start::Exactly(image) => build(image),
                Start::Prefer(image) => match build(image) {
                    Err(InterpreterError::NotSetUp { .. }) => build(Image::Bare),
                    other => other,
                },
            };
            Ok(Arc::new(worker?))
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
            let isolation = match (kernel.unsandboxed, kernel.bwrap) {
                (true, _) => Isolation::Unsandboxed,
                (false, true) => Isolation::Bwrap,
                (false, false) => Isolation::Sandboxed,
            };
            let mut builder = Jupyter::builder().limits(settings.limits).isolation(isolation);
            if let Some(name) = kernel.kernel {
                builder = builder.kernel(name);
            }
            if let Some(folder) = kernel.venv {
                builder = builder.environment(folder);
            }
            Ok(Arc::new(builder.build()?))
        }
    }
}

/// Names the small sandbox where it is there and the big one is not. It is not taken by itself: it lacks numpy, and what a
/// program can do must not depend on what happens to be set up.
fn without_wasm(error: InterpreterError, option: &'static str) -> CliError {
    let small = || Home::from_env().is_ok_and(|home| small::is_built(&home));
    match error {
        InterpreterError::NotSetUp { .. } if small() => CliError::OnlySmall { error, option },
        error => error.into(),
    }
}
