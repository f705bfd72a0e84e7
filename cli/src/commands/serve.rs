//! `glassbox serve`.

use std::net::SocketAddr;
use std::time::Duration;

use glassbox_server::Server;

use crate::agent;
use crate::args::{AgentArgs, ServeArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::settings::Settings;
use crate::ui::{Ui, printable};

/// Loads the model and answers until Ctrl-C.
///
/// # Errors
/// Where the model cannot be had, or the address cannot be listened on.
pub(crate) async fn serve(
    args: ServeArgs,
    agent: &AgentArgs,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let Settings { model, mut engine, tuning, .. } = Settings::resolve(agent)?;
    engine.sequences = args.parallel;
    engine.queue = Some(args.queue);
    if let Some(key) = args.api_keys.iter().find(|key| key.trim().is_empty()) {
        return Err(CliError::usage(format!("`{key}` is no API key"), "leave out `--api-key`, or give it a value"));
    }
    let model = tokio::select! {
        model = agent::model(&model, engine, ui) => model?,
        () = interrupts.next() => return Err(CliError::Cancelled),
    };
    for note in &model.info().notes {
        ui.note(&format!("note: {}", printable(note)));
    }
    let name = model.info().name.clone();
    let mut builder = Server::builder(model)
        .open(args.no_auth)
        .sampling(tuning.sampling)
        .time_limit(Duration::from_secs(args.time_limit))
        .body_limit((args.body_limit as usize) << 20);
    for alias in args.aliases {
        builder = builder.alias(alias);
    }
    for key in &args.api_keys {
        builder = builder.api_key(key);
    }
    for origin in args.origins {
        builder = builder.cors_origin(origin);
    }
    let server = builder.bind(SocketAddr::new(args.host, args.port)).await?;
    ui.note(&format!("{} is served at http://{}/v1; Ctrl-C ends it", printable(&name), server.address()));
    let end = interrupts.next();
    let again = interrupts.clone();
    let stopped = async move {
        interrupts.next().await;
        again.next().await;
    };
    tokio::select! {
        done = server.run(end) => done?,
        () = stopped => {}
    }
    Ok(Exit::Done)
}
