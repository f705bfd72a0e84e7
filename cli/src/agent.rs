//! From settings to an agent: the model is fetched and loaded, the tools are put behind their approver.

use std::sync::Arc;
use std::time::Duration;

use glassbox::model::catalog::Fetcher;
use glassbox::model::engine::EngineOptions;
use glassbox::model::local::LoadEvent;
use glassbox::model::{ChatModel, Model};
use glassbox::sandbox::Backend;
use glassbox::{Agent, AutoApprover, DenyApprover, Limits, ToolAccess};
use tokio::sync::{mpsc, watch};

use crate::ask::{self, Question};
use crate::backend;
use crate::error::CliError;
use crate::pictures::OutFolder;
use crate::sampling::Tuning;
use crate::script;
use crate::settings::{Approvals, EngineSettings, ModelSource, Settings};
use crate::ui::{FetchProgress, Ui, printable};

/// An agent that is ready, and what its turns need besides.
pub(crate) struct Prepared {
    /// The agent.
    pub(crate) agent: Agent,
    /// The sampling to begin with.
    pub(crate) tuning: Tuning,
    /// Questions from approver and manual tools.
    pub(crate) questions: mpsc::Receiver<Question>,
    /// Where pictures and files are saved.
    pub(crate) out: OutFolder,
}

/// Makes the agent. Shows how fetching and loading go.
///
/// # Errors
/// Where the model cannot be had or loaded, or the tools cannot be registered.
pub(crate) async fn prepare(settings: Settings, ui: &mut Ui) -> Result<Prepared, CliError> {
    // Before the model, which takes long to load: a sandbox that is not set up is told at once.
    let access = settings.means.access;
    let backend = settings.means.interpreter.map(|chosen| backend::make(chosen, ui)).transpose()?;
    if let Some(backend) = &backend {
        tell(backend.as_ref(), access, !settings.tools.is_empty(), ui)?;
    }
    let model = model(&settings.model, settings.engine, ui).await?;
    for note in &model.info().notes {
        ui.note(&format!("note: {}", crate::ui::printable(note)));
    }
    let (asker, questions) = ask::channel();
    let tools = if settings.manual {
        ask::manual(&settings.tools, &asker).map_err(glassbox::Error::from)?
    } else {
        settings.tools
    };
    let mut builder = Agent::builder(model).registry(tools).tool_choice(settings.tool_choice);
    if crate::input::person_is_there() {
        builder = builder.input(ask::AskedInput(asker.clone()));
    }
    builder = match settings.approvals {
        Approvals::Auto => builder.approver(AutoApprover),
        Approvals::Ask => builder.approver(ask::approver(asker)),
        Approvals::Deny => builder.approver(DenyApprover),
    };
    if let Some(backend) = backend {
        builder = builder.interpreter(backend).tool_access(access);
    }
    if let Some(system) = settings.system {
        builder = builder.system(system);
    }
    if let Some(most) = settings.max_turns {
        builder = builder.max_turns(most);
    }
    if let Some(timeout) = settings.tool_timeout {
        builder = builder.limits(Limits::default().with_timeout(timeout));
    }
    Ok(Prepared { agent: builder.build()?, tuning: settings.tuning, questions, out: OutFolder::new(settings.out) })
}

/// Tells what is not as one would expect of an interpreter.
///
/// # Errors
/// Where the model could not use it.
fn tell(backend: &dyn Backend, access: ToolAccess, tools: bool, ui: &mut Ui) -> Result<(), CliError> {
    let language = backend.language();
    if !language.eq_ignore_ascii_case("python") {
        return Err(CliError::usage(
            format!("the model writes Python, and this kernel runs {}", printable(language)),
            "name another kernel with `--kernel`; `glassbox exec --backend jupyter` runs any language",
        ));
    }
    let can = backend.capabilities();
    if !can.isolated {
        ui.warn("the model's programs can do what you can", "leave out `--unsandboxed`, and they are kept in");
    }
    if tools && !can.tools {
        let instead = if access == ToolAccess::Code { ": the model calls them itself" } else { "" };
        ui.note(&format!("note: programs in `{}` cannot call tools{instead}", backend.name()));
    }
    Ok(())
}

/// The model, fetched and loaded. Shows how it goes.
///
/// # Errors
/// Where it cannot be had or loaded.
pub(crate) async fn model(
    source: &ModelSource,
    engine: EngineSettings,
    ui: &mut Ui,
) -> Result<Arc<dyn ChatModel>, CliError> {
    let name = match source {
        ModelSource::Script(path) => return Ok(Arc::new(script::load(path, engine.context)?)),
        ModelSource::Named(name) => name,
    };
    // Fetched here and not by the loader, so that the bar of the one ends before the status of the other begins.
    Fetcher::from_env()?.resolve(name, &FetchProgress::new(ui)).await?;
    load(name, engine, ui).await
}

async fn load(name: &str, engine: EngineSettings, ui: &mut Ui) -> Result<Arc<dyn ChatModel>, CliError> {
    let (sender, mut share) = watch::channel(0.0_f32);
    let mut builder = Model::builder(name).options(options(&engine)).progress(move |event| {
        if let LoadEvent::Load { share } = event {
            // Nobody looks any more where loading was cancelled.
            let _ = sender.send(share);
        }
    });
    if let Some(dialect) = engine.dialect {
        builder = builder.dialect(dialect);
    }
    ui.status(&format!("loading {name}"));
    let load = builder.load();
    tokio::pin!(load);
    loop {
        tokio::select! {
            biased;
            loaded = &mut load => {
                ui.clear_status();
                return Ok(Arc::new(loaded?));
            }
            Ok(()) = share.changed() => {
                let percent = (*share.borrow_and_update() * 100.0).round();
                ui.status(&format!("loading {name}: {percent} %"));
                // No more often than the eye can follow.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn options(engine: &EngineSettings) -> EngineOptions {
    let default = EngineOptions::default();
    EngineOptions {
        context: engine.context,
        threads: engine.threads,
        gpu_layers: engine.gpu_layers,
        kv_cache: engine.kv_cache.unwrap_or_default(),
        lora: engine.lora.clone(),
        adapters: engine.adapters.clone(),
        sequences: engine.sequences,
        queue: engine.queue.unwrap_or(default.queue),
        ..default
    }
}
