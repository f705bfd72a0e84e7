//! `glassbox eval`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use glassbox::model::catalog::Cache;
use glassbox_server::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::agent;
use crate::args::{AgentArgs, EvalArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::settings::Settings;
use crate::ui::Ui;

/// Asks the questions and counts.
const PROGRAM: &str = include_str!("../../../evals/bfcl.py");
/// The leaderboard's package, without what the clients of all vendors need.
const LEADERBOARD: &str = "bfcl-eval==2026.3.23";
/// What the checker imports.
const NEEDED: [&str; 2] = ["jsonschema==4.26.0", "mpmath==1.3.0"];

/// Asks the questions of the leaderboard, of a model here or of another server.
///
/// # Errors
/// Where the environment cannot be made, the model cannot be had, or the program fails.
pub(crate) async fn eval(
    args: EvalArgs,
    agent: &AgentArgs,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let run = run(args, agent, ui);
    tokio::select! {
        done = run => done,
        // What was answered is kept.
        () = interrupts.next() => Err(CliError::Cancelled),
    }
}

async fn run(args: EvalArgs, agent: &AgentArgs, ui: &mut Ui) -> Result<Exit, CliError> {
    let python = environment(ui).await?;
    let (url, name) = match (&args.url, &args.served) {
        (Some(url), Some(name)) => (url.clone(), name.clone()),
        _ => {
            let Settings { model, mut engine, .. } = Settings::resolve(agent)?;
            engine.sequences = args.parallel;
            let model = agent::model(&model, engine, ui).await?;
            let name = model.info().name.clone();
            let server = Server::builder(model).bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let url = format!("http://{}/v1", server.address());
            tokio::spawn(server.run(std::future::pending()));
            (url, name)
        }
    };
    let file = |name: &str| name.replace(|c: char| !(c.is_alphanumeric() || "._-".contains(c)), "_");
    let results = args.results.unwrap_or_else(|| PathBuf::from("glassbox-eval").join(format!("{}.jsonl", file(&name))));
    if let Some(folder) = results.parent() {
        std::fs::create_dir_all(folder).map_err(|error| CliError::writing(folder, error))?;
    }
    ui.note(&format!("{name}, answers in {}", results.display()));
    let mut command = Command::new(&python);
    command.arg("-").args(["--url", &url, "--model", &name, "--parallel", &args.parallel.to_string()]);
    command.arg("--out").arg(&results);
    for category in &args.categories {
        command.args(["--category", category]);
    }
    for slice in &args.slices {
        command.args(["--slice", slice]);
    }
    if let Some(limit) = args.limit {
        command.args(["--limit", &limit.to_string()]);
    }
    if let Some(other) = &args.compare {
        command.arg("--compare").arg(other);
    }
    if args.json {
        command.arg("--json");
    }
    let mut child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn().map_err(starting)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(PROGRAM.as_bytes()).await.map_err(starting)?;
    }
    let status = child.wait().await.map_err(starting)?;
    Ok(match status.code() {
        Some(0) => Exit::Done,
        // argparse has said what is wrong.
        Some(2) => Exit::Usage,
        _ => Exit::Error,
    })
}

/// The Python of the environment, which is made where it is not there.
async fn environment(ui: &mut Ui) -> Result<PathBuf, CliError> {
    let folder = Cache::from_env()?.root().join("evals");
    let (python, made) = (folder.join("bin").join("python"), folder.join("packages"));
    let wanted = format!("{LEADERBOARD} {}", NEEDED.join(" "));
    let ready = || std::fs::read_to_string(&made).is_ok_and(|packages| packages == wanted);
    if ready() {
        return Ok(python);
    }
    // One makes it, others wait.
    let lock = folder.with_extension("lock");
    let _lock = tokio::task::spawn_blocking(move || locked(&lock)).await.map_err(std::io::Error::other)??;
    if ready() {
        return Ok(python);
    }
    ui.status(&format!("installing {LEADERBOARD} into {}", folder.display()));
    let here = Path::new("python3");
    step(here, &["-m", "venv", "--clear", &folder.display().to_string()]).await?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    step(&python, &[&install[..], &["--no-deps", LEADERBOARD]].concat()).await?;
    step(&python, &[&install[..], &NEEDED].concat()).await?;
    ui.clear_status();
    // Last: a folder without it is one that was left half made.
    std::fs::write(&made, wanted).map_err(|error| CliError::writing(&made, error))?;
    Ok(python)
}

/// A lock that is held for as long as the file is open.
fn locked(path: &Path) -> Result<File, CliError> {
    let open = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|error| CliError::writing(path, error))
}

async fn step(program: &Path, args: &[&str]) -> Result<(), CliError> {
    let output = Command::new(program).args(args).kill_on_drop(true).output().await.map_err(starting)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().last().unwrap_or_default().to_owned();
    Err(CliError::Input {
        problem: format!("`{} {}` failed: {said}", program.display(), args.join(" ")),
        hint: "the evaluation needs python3 with venv and pip, and the internet on its first run",
    })
}

fn starting(source: std::io::Error) -> CliError {
    CliError::Start { what: "python3", source }
}
