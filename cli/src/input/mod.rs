//! What a person types: with an editor on a terminal, line by line where standard input is piped.

mod editor;
mod plain;

use std::io::IsTerminal as _;

use crate::error::CliError;
use crate::ui::Ui;

pub(crate) use plain::read_all;

/// The longest line, and the longest piped question: 16 MiB. More than any context holds.
const MOST_BYTES: usize = 16 << 20;

/// What came of asking for a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The line (several, where they were pasted), without its end.
    Text(String),
    /// Ctrl-C at the prompt.
    Interrupted,
    /// Ctrl-D, or the end of what was piped.
    End,
    /// Something that cannot be taken as text: what was wrong and what to do. The next line may be fine.
    Unusable(String, &'static str),
}

/// Whether a person types and sees what is asked: the editor and questions are shown on standard error.
pub(crate) fn person_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Standard input.
pub(crate) enum Input {
    /// A terminal.
    Editor(editor::Editor),
    /// A pipe or a file.
    Plain(plain::Lines),
}

impl Input {
    /// Opens standard input. On a terminal, `history` says whether what is typed is kept.
    ///
    /// # Errors
    /// [`CliError::Start`] where no thread can be started.
    pub(crate) fn open(history: bool) -> Result<Self, CliError> {
        if person_is_there() {
            editor::Editor::open(history).map(Self::Editor)
        } else {
            plain::Lines::open().map(Self::Plain)
        }
    }

    /// Whether a person types here.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Editor(_))
    }

    /// Asks for the next message.
    pub(crate) async fn message(&mut self) -> Result<Line, CliError> {
        match self {
            Self::Editor(editor) => editor.line("> ", true).await,
            Self::Plain(lines) => Ok(lines.next().await),
        }
    }

    /// Asks a question that is not part of the conversation.
    pub(crate) async fn answer(&mut self, question: &str, ui: &mut Ui) -> Result<Line, CliError> {
        match self {
            Self::Editor(editor) => editor.line(question, false).await,
            Self::Plain(lines) => {
                ui.prompt(question);
                let line = lines.next().await;
                ui.end_aside();
                Ok(line)
            }
        }
    }
}
