//! Which kernels there are: the folders of Jupyter's data paths, and those of virtual environments.
//!
//! Places and format: <https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jupyter_protocol::JupyterKernelspec;

use crate::InterpreterError;

/// The name of the kernel that is meant where none is said; the ChatGLM3 demo reads it too.
const KERNEL_VARIABLE: &str = "IPYKERNEL";
/// What it is where the variable is not set.
const DEFAULT_KERNEL: &str = "python3";

/// How a kernel wants to be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InterruptMode {
    Signal,
    Message,
}

/// A kernel that can be started.
#[derive(Debug, Clone)]
pub(super) struct KernelSpec {
    /// The name of its folder.
    pub(super) name: String,
    /// What people call it.
    pub(super) display_name: String,
    pub(super) language: String,
    /// With `{connection_file}` where that goes.
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) interrupt_mode: InterruptMode,
    /// The folder of its `kernel.json`, for `{resource_dir}`.
    pub(super) folder: PathBuf,
    /// The root of the environment whose kernel it is (`PREFIX/share/jupyter/kernels/NAME`), where it has a Python.
    pub(super) prefix: Option<PathBuf>,
}

/// The name of the kernel that is meant where none is said.
pub(super) fn default_name() -> String {
    std::env::var(KERNEL_VARIABLE).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_KERNEL.to_owned())
}

/// Finds a kernel: in `environment` alone where one is given, else in `more` and Jupyter's data folders.
pub(super) fn find(name: &str, environment: Option<&Path>, more: &[PathBuf]) -> Result<KernelSpec, InterpreterError> {
    let folders = match environment {
        Some(environment) => vec![environment.join("share/jupyter")],
        None => more.iter().cloned().chain(data_folders()).collect(),
    };
    let mut found = BTreeMap::new();
    for folder in &folders {
        for (kernel, place) in kernels(folder) {
            found.entry(kernel).or_insert(place);
        }
    }
    match found.get(name) {
        Some(place) => read(name, place),
        None => Err(missing(name, environment, &folders, &found)),
    }
}

/// The kernels of a data folder, by name.
fn kernels(data: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(data.join("kernels")) else { return Vec::new() };
    let folders = entries.flatten().map(|entry| entry.path());
    let kernels = folders.filter(|folder| folder.join("kernel.json").is_file());
    kernels.filter_map(|folder| Some((folder.file_name()?.to_str()?.to_owned(), folder))).collect()
}

/// Jupyter's data folders, in the order in which Jupyter looks.
fn data_folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(paths) = variable("JUPYTER_PATH") {
        folders.extend(std::env::split_paths(&paths));
    }
    let home = variable("HOME").map(PathBuf::from);
    if let Some(folder) = variable("JUPYTER_DATA_DIR") {
        folders.push(folder.into());
    } else if cfg!(target_os = "macos") {
        folders.extend(home.map(|home| home.join("Library/Jupyter")));
    } else if let Some(data) = variable("XDG_DATA_HOME") {
        folders.push(PathBuf::from(data).join("jupyter"));
    } else {
        folders.extend(home.map(|home| home.join(".local/share/jupyter")));
    }
    for environment in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        folders.extend(variable(environment).map(|prefix| PathBuf::from(prefix).join("share/jupyter")));
    }
    folders.extend(["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from));
    folders
}

/// Reads `FOLDER/kernel.json`.
fn read(name: &str, folder: &Path) -> Result<KernelSpec, InterpreterError> {
    let file = folder.join("kernel.json");
    let bad = |problem: String| InterpreterError::SetUp {
        backend: "jupyter",
        problem: format!("the kernelspec {} {problem}", file.display()),
    };
    let text = std::fs::read(&file).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let spec: JupyterKernelspec =
        serde_json::from_slice(&text).map_err(|error| bad(format!("is no kernelspec: {error}")))?;
    if !spec.argv.iter().any(|argument| argument.contains("{connection_file}")) {
        return Err(bad("has no `{connection_file}` in its argv".to_owned()));
    }
    // PREFIX/share/jupyter/kernels/NAME
    let prefix = folder.ancestors().nth(4).filter(|prefix| prefix.join("bin/python").exists());
    Ok(KernelSpec {
        name: name.to_owned(),
        display_name: spec.display_name,
        language: spec.language,
        argv: spec.argv,
        env: spec.env.unwrap_or_default().into_iter().collect(),
        interrupt_mode: match spec.interrupt_mode.as_deref() {
            Some("message") => InterruptMode::Message,
            _ => InterruptMode::Signal,
        },
        folder: folder.to_owned(),
        prefix: prefix.map(Path::to_owned),
    })
}

/// Why there is no such kernel, what there is instead, and how to get it.
fn missing(
    name: &str,
    environment: Option<&Path>,
    folders: &[PathBuf],
    found: &BTreeMap<String, PathBuf>,
) -> InterpreterError {
    let looked =
        folders.iter().map(|folder| folder.join("kernels").display().to_string()).collect::<Vec<_>>().join(", ");
    let there = match found.keys().map(String::as_str).collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => "there is none at all".to_owned(),
        names => format!("there are: {names}"),
    };
    let python = environment.map_or_else(|| "python3".to_owned(), |venv| venv.join("bin/python").display().to_string());
    InterpreterError::NotSetUp {
        backend: "jupyter",
        problem: format!("no kernel named `{name}`; {there} (looked into {looked})"),
        command: format!("{python} -m pip install ipykernel"),
    }
}

impl KernelSpec {
    /// The command line. A bare `python` is the one of the kernel's environment: a kernelspec that a virtual environment
    /// carries means its own.
    pub(super) fn command(&self, connection_file: &Path) -> Vec<String> {
        let fill = |argument: &String| {
            argument
                .replace("{connection_file}", &connection_file.to_string_lossy())
                .replace("{resource_dir}", &self.folder.to_string_lossy())
        };
        let mut argv: Vec<String> = self.argv.iter().map(fill).collect();
        if let (Some(prefix), Some(program)) = (&self.prefix, argv.first_mut())
            && is_bare_python(program)
        {
            // `python3.11` need not be there by that name, `python` is (looked for when the spec was read).
            let own = prefix.join("bin").join(&program);
            let own = if own.exists() { own } else { prefix.join("bin/python") };
            *program = own.to_string_lossy().into_owned();
        }
        argv
    }
}

/// `python`, `python3`, `python3.11`, without a folder.
fn is_bare_python(program: &str) -> bool {
    program
        .strip_prefix("python")
        .is_some_and(|version| version.chars().all(|character| character.is_ascii_digit() || character == '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(kernel: &str, json: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let kernels = folder.path().join("share/jupyter/kernels").join(kernel);
        std::fs::create_dir_all(&kernels).unwrap();
        std::fs::write(kernels.join("kernel.json"), json).unwrap();
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        std::fs::write(folder.path().join("bin/python"), "").unwrap();
        folder
    }

    const PYTHON: &str = r#"{"argv": ["python3.11", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3", "language": "python", "metadata": {"debugger": true}}"#;

    #[test]
    fn a_bare_python_is_the_one_of_the_kernels_environment() {
        let venv = environment("python3", PYTHON);
        let spec = find("python3", Some(venv.path()), &[]).unwrap();
        let argv = spec.command(Path::new("/run/c.json"));
        let python = venv.path().join("bin/python").display().to_string();
        assert_eq!(argv, [&python, "-m", "ipykernel_launcher", "-f", "/run/c.json"]);
        assert_eq!((spec.interrupt_mode, spec.language.as_str()), (InterruptMode::Signal, "python"));
    }

    #[test]
    fn another_program_stays_as_it_is_and_says_how_it_is_interrupted() {
        let json = r#"{"argv": ["pythonista", "{resource_dir}/x", "--c={connection_file}"], "display_name": "P",
            "language": "p", "interrupt_mode": "message", "env": {"A": "1"}}"#;
        let venv = environment("other", json);
        let spec = find("other", None, &[venv.path().join("share/jupyter")]).unwrap();
        let resource = format!("{}/x", spec.folder.display());
        assert_eq!(spec.command(Path::new("/c")), ["pythonista", &resource, "--c=/c"]);
        assert_eq!((spec.interrupt_mode, spec.env.get("A").unwrap().as_str()), (InterruptMode::Message, "1"));
    }

    #[test]
    fn a_kernel_that_is_missing_is_answered_with_those_that_are_there_and_a_command() {
        let venv = environment("python3", PYTHON);
        let error = find("ir", Some(venv.path()), &[]).unwrap_err();
        assert!(error.to_string().contains("no kernel named `ir`; there are: python3"), "{error}");
        assert!(error.hint().unwrap().ends_with("bin/python -m pip install ipykernel`"), "{:?}", error.hint());
        let error = find("python3", Some(Path::new("/nowhere")), &[]).unwrap_err();
        assert!(
            error.to_string().contains("there is none at all (looked into /nowhere/share/jupyter/kernels)"),
            "{error}"
        );
    }

    #[test]
    fn a_kernelspec_that_is_none_is_named() {
        for (json, problem) in
            [("{", "is no kernelspec"), (r#"{"argv": ["a"], "display_name": "", "language": ""}"#, "has no `{")]
        {
            let venv = environment("bad", json);
            let error = find("bad", Some(venv.path()), &[]).unwrap_err().to_string();
            assert!(error.contains("bad/kernel.json") && error.contains(problem), "{error}");
        }
    }
}
