//! `glassbox run`: one question, one answer.

use std::io::IsTerminal as _;

use serde_json::json;

use crate::agent::{self};
use crate::args::RunArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::interrupt::Interrupts;
use crate::settings::Settings;
use crate::turn::{self, Format, Stage};
use crate::ui::Ui;

/// Answers the question.
///
/// # Errors
/// What kept it from an answer.
pub(crate) async fn run(
    args: RunArgs,
    settings: Settings,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let format = if args.json { Format::Json } else { Format::Text };
    let result = answer(args, settings, format, interrupts, ui).await;
    if format == Format::Json
        && let Err(error) = &result
        && !matches!(error, CliError::Output(_))
    {
        // A program that reads the events learns of the error where it reads.
        ui.line(&json!({"type": "error", "message": error.to_string(), "hint": error.hint()}).to_string())?;
    }
    result
}

async fn answer(
    args: RunArgs,
    settings: Settings,
    format: Format,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let question = tokio::select! {
        question = question(args.question, settings.manual) => question?,
        () = interrupts.next() => return Err(CliError::Cancelled),
    };
    let mut prepared = tokio::select! {
        prepared = agent::prepare(settings, ui) => prepared?,
        () = interrupts.next() => return Err(CliError::Cancelled),
    };
    let mut session = prepared.agent.session();
    let mut stage = Stage {
        ui,
        input: &mut None,
        interrupts,
        out: &prepared.out,
        questions: &mut prepared.questions,
        allowed: &mut Vec::new(),
    };
    let stop = turn::take(&mut session, question, &prepared.tuning, format, &mut stage).await?;
    Ok(stop.into())
}

async fn question(given: Option<String>, manual: bool) -> Result<String, CliError> {
    let terminal = std::io::stdin().is_terminal();
    match given {
        Some(text) if text == "-" => {}
        Some(text) if text.trim().is_empty() => {
            return Err(CliError::usage("the question is empty", "glassbox run \"your question\""));
        }
        Some(text) => return Ok(text),
        None if terminal => {
            return Err(CliError::usage(
                "there is no question",
                "glassbox run \"your question\"; `glassbox` alone opens a chat",
            ));
        }
        None => {}
    }
    if manual && !terminal {
        return Err(CliError::usage(
            "--manual reads the results from standard input, so the question cannot come from there",
            "pass the question as an argument",
        ));
    }
    input::read_all().await
}
