//! The `glassbox` command: chat with a local model that has tools.
//!
//! What is typed is read in [`args`] and worked out in [`settings`]; [`chat`] and [`run`] drive turns ([`turn`]), which
//! [`render`] shows. Everything is written through [`ui`]: the reply to standard output, the rest to standard error.

mod adapters;
mod agent;
mod args;
mod ask;
mod backend;
mod chat;
mod commands;
mod error;
mod exec;
mod exit;
mod input;
mod interrupt;
mod log;
mod pictures;
mod render;
mod run;
mod sampling;
mod script;
mod settings;
mod turn;
mod ui;

use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;

use args::{Cli, Command};
use error::CliError;
use exit::Exit;
use interrupt::Interrupts;
use settings::{Settings, Show};
use ui::Ui;

fn main() -> ExitCode {
    let parsed = args::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such "errors" too, with code 0. Where they cannot be printed nobody reads them.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let show = Show::from(&cli.output);
    log::start(show);
    let mut ui = Ui::new(show);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let error = CliError::Start { what: "the asynchronous runtime", source };
            ui.error(&error);
            return error.exit().into();
        }
    };
    let exit = runtime.block_on(command(cli, &mut ui)).unwrap_or_else(|error| {
        ui.clear_status();
        let exit = error.exit();
        // A broken pipe is success: who read our output has had enough of it.
        if exit != Exit::Done {
            let _ = ui.end_reply();
            ui.error(&error);
        }
        exit
    });
    // A tool that blocks its thread, or a name that is being looked up, must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit.into()
}

async fn command(cli: Cli, ui: &mut Ui) -> Result<Exit, CliError> {
    let interrupts =
        Interrupts::listen().map_err(|source| CliError::Start { what: "the handler of Ctrl-C", source })?;
    if cli.resume.is_some() && cli.command.is_some() {
        return Err(CliError::usage("--resume is for a chat", "leave the command away: glassbox --resume FILE"));
    }
    match cli.command {
        Some(Command::Serve(args)) => commands::serve::serve(args, &cli.agent, &interrupts, ui).await,
        Some(Command::Eval(args)) => commands::eval::eval(args, &cli.agent, &interrupts, ui).await,
        Some(Command::Data(args)) => commands::data::data(args, &interrupts, ui).await,
        Some(Command::Models(args)) => commands::models::models(args, &interrupts, ui).await,
        Some(Command::Tools(args)) => commands::tools::tools(&args, ui),
        Some(Command::Exec(args)) => exec::exec(args, cli.agent, &interrupts, ui).await,
        Some(Command::Setup(args)) => commands::setup::setup(args, &interrupts, ui).await,
        Some(Command::Run(args)) => run::run(args, Settings::resolve(&cli.agent)?, &interrupts, ui).await,
        None => {
            let settings = Settings::resolve(&cli.agent)?;
            let prepared = tokio::select! {
                prepared = agent::prepare(settings, ui) => prepared?,
                () = interrupts.next() => return Err(CliError::Cancelled),
            };
            chat::chat(prepared, cli.resume.as_deref(), &interrupts, ui).await
        }
    }
}
