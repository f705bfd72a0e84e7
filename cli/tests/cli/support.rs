//! Runs the command with folders of its own, and waits for it with a bound.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Far above what any of these commands takes: a bound against hanging, not a measure.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// What the command wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// The cache of whoever runs the tests, which has the sandbox.
pub(crate) fn cache() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let default =
        || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache"))).map(|base| base.join("glassbox"));
    var("GLASSBOX_CACHE").or_else(default).unwrap()
}

/// A home for the command.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `--model` for a script of these replies.
    pub(crate) fn script(&self, replies: Value) -> String {
        format!("scripted:{}", self.file("script.json", json!({"replies": replies}).to_string()))
    }

    /// The command, without anything of the surrounding environment that it reads.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
        for name in ["GLASSBOX_MODEL", "MODEL_PATH", "RUST_LOG", "NO_COLOR", "XDG_CACHE_HOME", "COLUMNS"] {
            command.env_remove(name);
        }
        command.args(args).env("GLASSBOX_CACHE", self.path("cache")).env("XDG_STATE_HOME", self.path("state"));
        command.env("HOME", self.0.path()).current_dir(self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it with nothing on standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, b"")
    }

    /// Runs it with `input` on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Outcome {
        let mut child = self.command(args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // From a thread: the child may write before it has read all, and may not read all.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let outcome = finish(child);
        writer.join().unwrap();
        outcome
    }
}

/// Waits for the end, and fails where it does not come.
pub(crate) fn finish(child: Child) -> Outcome {
    let id = child.id();
    let (sender, output) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = output.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("the command did not end");
    };
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

/// `text` with `path` replaced, for snapshots.
pub(crate) fn without(text: &str, path: &Path, name: &str) -> String {
    text.replace(path.to_str().unwrap(), name)
}
