//! The folder that holds what a set-up made.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::InterpreterError;

use super::{BACKEND, Image, SETUP_COMMAND};

/// The folder that holds what `glassbox setup` made:
///
/// | path | what |
/// |---|---|
/// | `artifacts/python-snapshot.wasm` | CPython; not needed any more once it is compiled |
/// | `lib/python315.zip` | the standard library and the packages |
/// | `mpl-data/` | matplotlib's data files |
/// | `fonts/` | fonts for figures, where there are some |
/// | `compiled/KEY/python.cwasm` | machine code for this CPU and this version of Wasmtime |
/// | `images/KEY/NAME.img` | the memory of a session that has started |
/// | `….sha256` | what set-up made of that name, for [`setup::check`](crate::setup::check) |
/// | `packages/KEY/` | unpacked wheels of a folder of packages |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The user's: `$GLASSBOX_CACHE/sandbox`, else `glassbox/sandbox` in `XDG_CACHE_HOME`, else in `~/.cache`.
    ///
    /// # Errors
    /// [`InterpreterError::NotSetUp`] where no such folder is known.
    pub fn from_env() -> Result<Self, InterpreterError> {
        Self::from_vars(|name| std::env::var_os(name), std::env::home_dir()).ok_or_else(|| {
            missing("no cache folder is known: neither GLASSBOX_CACHE nor XDG_CACHE_HOME nor HOME is set".to_owned())
        })
    }

    // The rule of the model cache (`model/src/catalog/cache.rs`), so that both lie side by side.
    fn from_vars(var: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<Self> {
        let var = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(root) = var("GLASSBOX_CACHE") {
            return Some(Self::at(std::path::absolute(&root).unwrap_or(root).join("sandbox")));
        }
        let base = var("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let base = base.or_else(|| home.filter(|h| !h.as_os_str().is_empty()).map(|home| home.join(".cache")));
        Some(Self::at(base?.join("glassbox").join("sandbox")))
    }

    /// The folder `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// CPython in WebAssembly, as it was fetched.
    pub fn artifact(&self) -> PathBuf {
        self.root.join("artifacts").join("python-snapshot.wasm")
    }

    /// The folder of the standard library, `/usr/local/lib` in the sandbox.
    pub fn library(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// The standard library and the packages.
    pub fn library_zip(&self) -> PathBuf {
        self.library().join("python315.zip")
    }

    /// matplotlib's data files.
    pub fn matplotlib_data(&self) -> PathBuf {
        self.root.join("mpl-data")
    }

    /// Fonts for figures. May be missing.
    pub fn fonts(&self) -> PathBuf {
        self.root.join("fonts")
    }

    /// The machine code made under `key`.
    pub fn compiled(&self, key: &str) -> PathBuf {
        self.root.join("compiled").join(key).join("python.cwasm")
    }

    /// The warm image made under `key`.
    pub fn image(&self, key: &str, image: Image) -> PathBuf {
        self.root.join("images").join(key).join(format!("{}.img", image.name()))
    }

    /// The folder of unpacked wheels.
    pub fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// What is missing of what every session needs, compiled code aside.
    pub(crate) fn check_library(&self) -> Result<(), InterpreterError> {
        for path in [self.library_zip(), self.matplotlib_data()] {
            if !path.exists() {
                return Err(missing(format!("{} is missing", path.display())));
            }
        }
        Ok(())
    }
}

/// The error of everything that a set-up would mend.
pub(crate) fn missing(problem: String) -> InterpreterError {
    InterpreterError::NotSetUp { backend: BACKEND, problem, command: SETUP_COMMAND.to_owned() }
}

/// Whether nobody but this user can have written the file: what is mapped as machine code or as a session's memory is
/// trusted like our own binary.
pub(super) fn check_private(path: &Path) -> Result<(), InterpreterError> {
    let user = rustix::process::geteuid().as_raw();
    let look = |path: &Path| std::fs::symlink_metadata(path);
    let file = look(path).map_err(|error| missing(format!("{}: {error}", path.display())))?;
    let folder =
        path.parent().map(look).transpose().map_err(|error| missing(format!("{}: {error}", path.display())))?;
    let ours = |found: &std::fs::Metadata| found.uid() == user && found.mode() & 0o022 == 0;
    if !file.is_file() || !ours(&file) || !folder.is_some_and(|folder| folder.is_dir() && ours(&folder)) {
        return Err(missing(format!("{} is not a file that only this user can write", path.display())));
    }
    Ok(())
}

/// Makes `folder`, for this user alone.
pub(crate) fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home(vars: &[(&str, &str)]) -> Option<PathBuf> {
        let var = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        Home::from_vars(var, Some("/home/a".into())).map(|home| home.root)
    }

    #[test]
    fn the_folder_lies_in_the_cache_of_models() {
        assert_eq!(home(&[("GLASSBOX_CACHE", "/c"), ("XDG_CACHE_HOME", "/x")]), Some("/c/sandbox".into()));
        assert_eq!(home(&[("XDG_CACHE_HOME", "/x")]), Some("/x/glassbox/sandbox".into()));
        assert_eq!(home(&[("XDG_CACHE_HOME", "relative")]), Some("/home/a/.cache/glassbox/sandbox".into()));
    }

    #[test]
    fn machine_code_that_others_can_write_is_refused() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("python.cwasm");
        std::fs::write(&file, b"code")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        assert!(check_private(&file).is_ok());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o602))?;
        assert!(check_private(&file).is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770))?;
        assert!(check_private(&file).is_err());
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        let link = folder.path().join("link.cwasm");
        std::os::unix::fs::symlink(&file, &link)?;
        assert!(check_private(&link).is_err());
        Ok(())
    }
}
