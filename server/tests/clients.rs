//! Real clients of OpenAI's API, each a program that asserts, against a real server on a real model. What they need is
//! made by `scripts/clients`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod real;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use glassbox_model::ChatModel;
use glassbox_model::engine::EngineOptions;
use real::{Real, options};
use tokio::process::Command;

/// No program takes longer on the slowest machine that the tests should pass on.
const BOUND: Duration = Duration::from_secs(300);

/// The folder with the packages, made where it is missing.
fn packages() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let folder = root.join(".setup/clients");
    if !folder.join("packages").exists() {
        let made = std::process::Command::new(root.join("scripts/clients")).stdout(Stdio::null()).status().unwrap();
        assert!(made.success(), "scripts/clients failed");
    }
    folder
}

async fn run(program: &Path, arguments: &[&str]) {
    let child = Command::new(program)
        .args(arguments)
        // Nothing of the machine that the tests run on: no key, no proxy.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(BOUND, child).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim() == "ok", "{arguments:?}: {said}\n{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_that_people_use_work_as_they_are() {
    let folder = packages();
    let options = EngineOptions { context: Some(4096), ..options() };
    let server = Real::start("qwen2.5-coder-0.5b", options, |builder| builder.api_key("secret")).await;
    let base = format!("{}/v1", server.base);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let program = |name: &str| programs.join(name).to_str().unwrap().to_owned();
    let python = folder.join("bin/python");
    let own = folder.join("bin/node");
    let node = if own.exists() { own } else { PathBuf::from("node") };
    let modules = folder.join("node");
    run(&python, &[&program("openai_package.py"), &base]).await;
    run(&python, &[&program("langchain_package.py"), &base]).await;
    run(&node, &[&program("openai_module.mjs"), &base, modules.to_str().unwrap()]).await;
    // Streams were left, and nothing of them goes on.
    let free = async {
        while server.model.load_now().is_some_and(|load| load.running + load.waiting > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.unwrap();
}
