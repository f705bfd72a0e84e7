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
use crate::ui::Ui;

/// A backend's name, the same for `exec --backend` and `--interpreter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    /// CPython in WebAssembly, with numpy, pandas and matplotlib
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
             code and all, or small where only that is set up]"
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
    /// Which was named. Where none was, `wasm`, or `small` where only that is set up, and this is said.
    pub(crate) backend: Option<BackendArg>,
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
    pub(crate) fn limits(backend: Option<Self>) -> Limits {
        let mut limits = Limits::default();
        if backend == Some(Self::Jupyter) {
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
        if self.backend == Some(BackendArg::Jupyter) {
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
pub(crate) fn make(settings: BackendSettings, ui: &mut Ui) -> Result<Arc<dyn Backend>, CliError> {
    settings.check()?;
    match settings.backend {
        None => match wasm(&settings) {
            // Not where an image was asked for that only the big one has.
            Err(InterpreterError::NotSetUp { .. })
                if settings.start != Start::Exactly(Image::Scientific) && small_is_built() =>
            {
                ui.warn(
                    "the big sandbox is not set up: programs run in the small one, which has the standard library alone",
                    &format!(
                        "`glassbox setup` sets the big one up, with numpy and pandas; with `{} small` this is not said",
                        settings.option
                    ),
                );
                Ok(small(&settings)?)
            }
            made => Ok(made?),
        },
        Some(BackendArg::Wasm) => wasm(&settings).map_err(|error| match error {
            InterpreterError::NotSetUp { .. } if small_is_built() => {
                CliError::OnlySmall { error, option: settings.option }
            }
            error => error.into(),
        }),
        #[cfg(target_os = "linux")]
        Some(BackendArg::Worker) => Ok(in_image(settings.start, |image| {
            let mut builder = Worker::builder().limits(settings.limits).image(image);
            if let Some(folder) = &settings.packages {
                builder = builder.packages(folder);
            }
            Ok(Arc::new(builder.build()?) as Arc<dyn Backend>)
        })?),
        Some(BackendArg::Small) => Ok(small(&settings)?),
        Some(BackendArg::Jupyter) => jupyter(settings),
    }
}

fn wasm(settings: &BackendSettings) -> Result<Arc<dyn Backend>, InterpreterError> {
    in_image(settings.start, |image| {
        let mut builder = Sandbox::builder().limits(settings.limits).image(image);
        if let Some(folder) = &settings.packages {
            builder = builder.packages(folder);
        }
        Ok(Arc::new(builder.build()?) as Arc<dyn Backend>)
    })
}

/// Builds from the image that is asked for, or from the bare one where that will do and the other was not built.
fn in_image(
    start: Start,
    build: impl Fn(Image) -> Result<Arc<dyn Backend>, InterpreterError>,
) -> Result<Arc<dyn Backend>, InterpreterError> {
    match start {
        Start::Exactly(image) => build(image),
        Start::Prefer(image) => match build(image) {
            Err(InterpreterError::NotSetUp { .. }) => build(Image::Bare),
            other => other,
        },
    }
}

fn small(settings: &BackendSettings) -> Result<Arc<dyn Backend>, InterpreterError> {
    let mut builder = Small::builder().limits(settings.limits);
    if let Some(folder) = &settings.packages {
        builder = builder.packages(folder);
    }
    Ok(Arc::new(builder.build()?))
}

fn small_is_built() -> bool {
    Home::from_env().is_ok_and(|home| small::is_built(&home))
}

fn jupyter(settings: BackendSettings) -> Result<Arc<dyn Backend>, CliError> {
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
