//! CPython in WebAssembly.
mod artifact;
mod checks;
mod clock;
mod compiled;
mod engine;
mod errno;
mod home;
mod image;
mod imports;
mod instance;
mod mapping;
mod packages;
mod pages;
mod poll;
mod program;
mod quota;
mod sandbox;
mod saved;
mod saved_bytes;
mod saved_files;
mod session;
pub mod small;
mod stacks;
mod state;
pub(crate) mod sums;
mod task;
mod threads;
mod warm;
mod watch;

use crate::folder;
pub(crate) use compiled::check_compiled;
pub use compiled::{compile, is_compiled};
pub use home::Home;
pub(crate) use home::create_private;
#[cfg(all(feature = "launch", target_os = "linux"))]
pub(crate) use home::missing;
pub use sandbox::{Builder, Sandbox};
pub(crate) use warm::check_image;
pub use warm::{build_image, is_built, self_test};

#[cfg(all(feature = "launch", target_os = "linux"))]
pub(crate) use packages::prepare as prepare_packages;
#[cfg(all(feature = "launch", target_os = "linux"))]
pub(crate) use sandbox::{CAPABILITIES, DESCRIPTION};

/// The backend's name.
pub(crate) const BACKEND: &str = "wasm";
/// What mends a missing artifact.
pub(crate) const SETUP_COMMAND: &str = "glassbox setup";

/// A memory image that sessions start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Image {
    /// Python and our own side of it, nothing imported.
    #[default]
    Bare,
    /// With numpy, pandas, matplotlib and sympy imported.
    Scientific,
}

impl Image {
    /// `bare` or `scientific`: the file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Scientific => "scientific",
        }
    }
}
