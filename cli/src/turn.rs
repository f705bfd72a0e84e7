//! One turn: the message goes in, its events are shown, the person is asked where need be, Ctrl-C cancels.

use futures::StreamExt as _;
use glassbox::tools::Approval;
use glassbox::{Event, Session, StopReason, TurnOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ask::Question;
use crate::error::CliError;
use crate::input::{Input, Line};
use crate::interrupt::Interrupts;
use crate::pictures::OutFolder;
use crate::render::{Transcript, call_text};
use crate::sampling::Tuning;
use crate::ui::{Role, Ui, printable};

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a turn needs of its surroundings.
pub(crate) struct Stage<'a> {
    /// Where it is shown.
    pub(crate) ui: &'a mut Ui,
    /// Where the person answers; opened when the first question comes.
    pub(crate) input: &'a mut Option<Input>,
    /// Ctrl-C.
    pub(crate) interrupts: &'a Interrupts,
    /// Where pictures are saved.
    pub(crate) out: &'a OutFolder,
    /// Questions from approver and manual tools.
    pub(crate) questions: &'a mut mpsc::Receiver<Question>,
    /// Tools whose calls the person has allowed for good.
    pub(crate) allowed: &'a mut Vec<String>,
}

/// Sends `text` and shows what comes. Gives the reason for which the turn ended.
///
/// # Errors
/// What ended the turn before its end. The session can go on after it.
pub(crate) async fn take(
    session: &mut Session,
    text: String,
    tuning: &Tuning,
    format: Format,
    stage: &mut Stage<'_>,
) -> Result<StopReason, CliError> {
    let cancellation = CancellationToken::new();
    let mut options = TurnOptions::new().cancellation(cancellation.clone()).sampling(tuning.sampling.clone());
    if let Some(most) = tuning.max_tokens {
        options = options.max_tokens(most);
    }
    let interrupted = stage.interrupts.next();
    tokio::pin!(interrupted);
    let mut transcript = Transcript::new(stage.out.clone());
    let mut stop = StopReason::Done;
    let mut events = session.stream_with(text, options);
    loop {
        // In this order: what has happened is shown before a question about it is put.
        tokio::select! {
            biased;
            event = events.next() => {
                let Some(event) = event else { return Ok(stop) };
                let event = event.inspect_err(|_| stage.ui.clear_status())?;
                if let Event::Finished { stop: reason, .. } = &event {
                    stop = *reason;
                }
                match format {
                    Format::Text => transcript.show(&event, stage.ui)?,
                    Format::Json => json_line(&event, stage.ui)?,
                }
            }
            Some(question) = stage.questions.recv() => {
                tokio::select! {
                    biased;
                    answered = answer(question, stage.ui, stage.input, stage.allowed) => {
                        if answered? == Answered::Interrupted {
                            cancellation.cancel();
                        }
                    }
                    () = &mut interrupted => {
                        cancellation.cancel();
                        interrupted.set(stage.interrupts.next());
                    }
                }
            }
            () = &mut interrupted => {
                cancellation.cancel();
                interrupted.set(stage.interrupts.next());
            }
        }
    }
}

fn json_line(event: &Event, ui: &mut Ui) -> Result<(), CliError> {
    let text = serde_json::to_string(event).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(ui.line(&text)?)
}

#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Yes,
    Interrupted,
}

/// Puts the question and passes the answer on.
async fn answer(
    question: Question,
    ui: &mut Ui,
    input: &mut Option<Input>,
    allowed: &mut Vec<String>,
) -> Result<Answered, CliError> {
    ui.clear_status();
    let input = match input {
        Some(input) => input,
        None => input.insert(Input::open(false)?),
    };
    match question {
        Question::Approve { request, answer } => {
            let name = request.call.name.clone();
            if allowed.contains(&name) {
                let _ = answer.send(Approval::Allow);
                return Ok(Answered::Yes);
            }
            let text = call_text(&name, &request.call.arguments);
            ui.say(&format!("{} wants to run: {}", printable(&name), ui.paint().role(Role::Strong, &printable(&text))));
            let approval = loop {
                match input.answer("allow it? [y]es, [n]o, [a]lways: ", ui).await? {
                    Line::Text(line) => match line.trim().to_lowercase().as_str() {
                        "y" | "yes" => break Approval::Allow,
                        "a" | "always" => {
                            allowed.push(name);
                            break Approval::Allow;
                        }
                        "n" | "no" => break Approval::Deny { reason: "the person said no".to_owned() },
                        _ => {}
                    },
                    Line::Interrupted => return Ok(Answered::Interrupted),
                    Line::End => break Approval::Deny { reason: "nobody is there to say yes".to_owned() },
                    Line::Unusable(problem, hint) => ui.warn(&problem, hint),
                }
            };
            // Gone only where the turn was cancelled meanwhile.
            let _ = answer.send(approval);
        }
        Question::Line { prompt, hidden, answer } => {
            // A terminal that shows what is typed is no place for a password without a word.
            let shown = if hidden { "(it is shown as you type) " } else { "" };
            let prompt = if prompt.trim().is_empty() { "the program asks for a line: " } else { &prompt };
            let question = format!("{shown}{}", printable(prompt));
            let line = loop {
                match input.answer(&question, ui).await? {
                    Line::Text(line) => break Some(line),
                    Line::Interrupted => return Ok(Answered::Interrupted),
                    Line::Unusable(problem, hint) => ui.warn(&problem, hint),
                    Line::End => break None,
                }
            };
            let _ = answer.send(line);
        }
        Question::Result { name, arguments, answer } => {
            let question = format!("result of {}: ", printable(&call_text(&name, &arguments)));
            let result = loop {
                match input.answer(&question, ui).await? {
                    Line::Text(line) => break line,
                    Line::Interrupted => return Ok(Answered::Interrupted),
                    Line::Unusable(problem, hint) => ui.warn(&problem, hint),
                    Line::End => {
                        return Err(CliError::Input {
                            problem: format!(
                                "standard input ended before the result of {}",
                                call_text(&name, &arguments)
                            ),
                            hint: "give one line for each call",
                        });
                    }
                }
            };
            let _ = answer.send(result);
        }
    }
    Ok(Answered::Yes)
}
