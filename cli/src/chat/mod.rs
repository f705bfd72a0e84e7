//! `glassbox` without a subcommand: a conversation.

pub(crate) mod command;
mod files;
mod saved;

use std::path::Path;

use glassbox::{AdapterChoice, Session, StopReason};

use crate::agent::Prepared;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::{Input, Line};
use crate::interrupt::Interrupts;
use crate::sampling::{Knob, Tuning};
use crate::turn::{self, Format, Stage};
use crate::ui::{Role, Ui, printable, shorten};

use command::Command;

/// Chats until the person leaves.
///
/// # Errors
/// Where standard input or output fails, or the conversation to `resume` cannot be read. What goes wrong in a turn is
/// shown, and the chat goes on.
pub(crate) async fn chat(
    mut prepared: Prepared,
    resume: Option<&Path>,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let mut chat = Chat {
        session: prepared.agent.session(),
        tuning: prepared.tuning,
        input: Some(Input::open(true)?),
        allowed: Vec::new(),
        turns: 0,
        failed: Exit::Done,
    };
    let terminal = chat.input.as_ref().is_some_and(Input::is_terminal);
    if terminal {
        chat.welcome(ui);
    }
    if let Some(path) = resume {
        saved::load(&mut chat.session, path, ui).await?;
    }
    // How to leave is told once.
    let mut told = false;
    loop {
        let Some(input) = &mut chat.input else { return Ok(chat.failed) };
        let line = tokio::select! {
            line = input.message() => line?,
            () = interrupts.next() => Line::Interrupted,
        };
        let line = match line {
            Line::Text(line) => line,
            Line::End => break,
            Line::Interrupted if terminal => {
                if !std::mem::replace(&mut told, true) {
                    ui.note(&ui.paint().role(Role::Dim, "Ctrl-D or /exit leaves"));
                }
                continue;
            }
            Line::Interrupted => return Ok(Exit::Cancelled),
            Line::Unusable(problem, hint) => {
                ui.error(&CliError::Input { problem, hint });
                chat.failed = Exit::Error;
                continue;
            }
        };
        match command::read(&line) {
            Ok(Command::Exit) => break,
            Ok(Command::Message(text)) => {
                let stage = Stage {
                    ui,
                    input: &mut chat.input,
                    interrupts,
                    out: &prepared.out,
                    questions: &mut prepared.questions,
                    allowed: &mut chat.allowed,
                };
                let taken = take(&mut chat.session, text, &chat.tuning, stage).await?;
                chat.turns += 1;
                if taken != Exit::Done {
                    chat.failed = taken;
                }
            }
            Ok(Command::Upload(path)) => {
                let result = files::upload(&mut chat.session, &path, ui).await;
                chat.done(result, ui)?;
            }
            Ok(Command::Files) => {
                let result = files::list(&chat.session, ui).await;
                chat.done(result, ui)?;
            }
            Ok(Command::Get(path)) => {
                let result = files::get(&chat.session, &path, &prepared.out, ui).await;
                chat.done(result, ui)?;
            }
            Ok(Command::Restart) => {
                let result = files::restart(&mut chat.session, ui).await;
                chat.done(result, ui)?;
            }
            Ok(Command::Save(path)) => {
                let result = saved::save(&chat.session, Path::new(&path), ui).await;
                chat.done(result, ui)?;
            }
            Ok(Command::Load(path)) => {
                let result = saved::load(&mut chat.session, Path::new(&path), ui).await;
                chat.done(result, ui)?;
            }
            Ok(command) => chat.obey(command, ui)?,
            Err(error) => {
                ui.error(&CliError::usage(error.message, error.hint));
                chat.failed = Exit::Usage;
            }
        }
    }
    // A person has seen what failed; a script sees the exit code.
    Ok(if terminal { Exit::Done } else { chat.failed })
}

async fn take(session: &mut Session, text: String, tuning: &Tuning, mut stage: Stage<'_>) -> Result<Exit, CliError> {
    match turn::take(session, text, tuning, Format::Text, &mut stage).await {
        Ok(StopReason::Done) => Ok(Exit::Done),
        Ok(stop) => Ok(stop.into()),
        // Nothing more can be shown, or nothing more can be read: the chat is over.
        Err(error @ (CliError::Output(_) | CliError::Input { .. })) => Err(error),
        Err(error) => {
            stage.ui.error(&error);
            Ok(error.exit())
        }
    }
}

struct Chat {
    session: Session,
    tuning: Tuning,
    input: Option<Input>,
    /// Tools whose calls were allowed for good.
    allowed: Vec<String>,
    turns: u32,
    /// What a piped chat exits with.
    failed: Exit,
}

impl Chat {
    fn welcome(&self, ui: &mut Ui) {
        let agent = self.session.agent();
        let info = agent.model().info();
        let name = ui.paint().role(Role::Strong, &info.name);
        ui.note(&format!(
            "{name}, {} tokens of context. /help shows the commands, Ctrl-D leaves.",
            info.context_tokens
        ));
    }

    /// Shows what kept a command from its end; the chat goes on.
    fn done(&mut self, result: Result<(), CliError>, ui: &mut Ui) -> Result<(), CliError> {
        match result {
            Err(error @ CliError::Output(_)) => Err(error),
            Err(error) => {
                ui.error(&error);
                self.failed = error.exit();
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn obey(&mut self, command: Command, ui: &mut Ui) -> Result<(), CliError> {
        match command {
            Command::Clear => {
                self.session.clear();
                ui.clear_screen()?;
                ui.say("The conversation is forgotten.");
            }
            Command::Help => {
                for (name, argument, about) in command::COMMANDS {
                    let left = format!("{name} {argument}");
                    ui.say(&format!("  {left:<22}{about}"));
                }
                ui.say("  Alt-Enter begins a new line, Ctrl-C cancels the reply.");
            }
            Command::Tools => self.tools(ui),
            Command::System(None) => match self.session.system() {
                Some(text) => ui.say(&printable(text)),
                None => ui.say("No instructions are set."),
            },
            Command::System(Some(text)) => {
                let words = if text.is_empty() {
                    "The instructions are removed."
                } else {
                    "The instructions hold from the next message on."
                };
                self.session.set_system(text);
                ui.say(words);
            }
            Command::Set(None) => {
                for knob in Knob::ALL {
                    ui.say(&format!("  {:<20}{:<12}{}", knob.name(), knob.show(&self.tuning), knob.range()));
                }
            }
            Command::Set(Some(assignment)) => {
                assignment.apply(&mut self.tuning);
                ui.say(&format!("{} is {}.", assignment.knob().name(), assignment.knob().show(&self.tuning)));
            }
            Command::Adapter(choice) => self.adapter(choice, ui),
            Command::Stats => {
                ui.say(&format!("{} messages sent, {} in the conversation.", self.turns, self.session.messages().len()))
            }
            // Handled by the caller.
            Command::Empty
            | Command::Exit
            | Command::Message(_)
            | Command::Upload(_)
            | Command::Files
            | Command::Restart
            | Command::Get(_)
            | Command::Save(_)
            | Command::Load(_) => {}
        }
        Ok(())
    }

    fn adapter(&mut self, choice: Option<AdapterChoice>, ui: &mut Ui) {
        let known = &self.session.agent().model().info().adapters;
        let list = known.join(", ");
        match choice {
            None if known.is_empty() => ui.say("No adapter has a name: `--lora NAME=PATH` loads one."),
            None => ui.say(&printable(&format!("The adapters are: {list}. {}", self.acting()))),
            Some(AdapterChoice::Named { name, .. }) if !known.contains(&name) => {
                let hint = match known.is_empty() {
                    true => format!("load it: glassbox --lora {name}=PATH"),
                    false => format!("the adapters are: {list}"),
                };
                ui.error(&CliError::usage(format!("no adapter is named `{name}`"), hint));
                self.failed = Exit::Usage;
            }
            Some(choice) => {
                self.session.set_adapter(choice);
                ui.say(&printable(&self.acting()));
            }
        }
    }

    fn acting(&self) -> String {
        match self.session.adapter() {
            AdapterChoice::AsLoaded => "The one that was loaded to act does, if there is one.".to_owned(),
            AdapterChoice::Base => "None acts from the next message on.".to_owned(),
            AdapterChoice::Named { name, scale: None } => format!("{name} acts from the next message on."),
            AdapterChoice::Named { name, scale: Some(scale) } => {
                format!("{name} acts at {scale} from the next message on.")
            }
        }
    }

    fn tools(&self, ui: &mut Ui) {
        let registry = self.session.agent().registry();
        if registry.is_empty() {
            ui.say("The model has no tools.");
        }
        for spec in registry.iter() {
            let name = ui.paint().role(Role::Strong, &printable(&spec.name));
            ui.say(&format!("  {name}: {}", printable(&shorten(spec.description.trim(), 90))));
        }
    }
}
