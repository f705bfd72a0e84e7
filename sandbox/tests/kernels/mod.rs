//! Where the tests' kernels come from.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The virtual environment with ipykernel. Made by `scripts/jupyter` where it is missing.
pub(crate) fn environment() -> PathBuf {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    let made = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let venv = root.join(".setup/jupyter");
        if !venv.join("packages").exists() {
            let status =
                Command::new(root.join("scripts/jupyter")).stdout(std::process::Stdio::null()).status().unwrap();
            assert!(status.success(), "scripts/jupyter failed");
        }
        venv
    };
    ENVIRONMENT.get_or_init(made).clone()
}
