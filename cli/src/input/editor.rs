//! The line editor of a terminal: history, multi-line paste, completion of commands.
//!
//! The editor blocks, so it lives on a thread of its own and is sent the prompts.

use std::borrow::Cow;
use std::path::PathBuf;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, EditCommand, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder as _, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, Span,
    Suggestion, default_emacs_keybindings,
};
use tokio::sync::{mpsc, oneshot};

use super::Line;
use crate::chat::command;
use crate::error::CliError;

/// Lines kept in the history.
const MOST_HISTORY: usize = 1000;
/// The menu that Tab opens.
const MENU: &str = "completion";

/// A prompt to show, and where the line goes.
struct Order {
    prompt: String,
    message: bool,
    line: oneshot::Sender<std::io::Result<Line>>,
}

/// The editor's handle.
pub(crate) struct Editor {
    orders: mpsc::Sender<Order>,
}

impl Editor {
    pub(super) fn open(history: bool) -> Result<Self, CliError> {
        let (orders, mut inbox) = mpsc::channel::<Order>(1);
        let thread = std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
            let mut messages = editor(history);
            // Answers to questions stay out of the history, and Tab completes nothing.
            let mut answers = bare();
            while let Some(order) = inbox.blocking_recv() {
                let editor = if order.message { &mut messages } else { &mut answers };
                let signal = editor.read_line(&Words(order.prompt));
                let line = signal.map(line).map_err(|error| std::io::Error::other(error.to_string()));
                // Nobody waits any more where the turn was cancelled meanwhile.
                let _ = order.line.send(line);
            }
        });
        thread.map(|_| Self { orders }).map_err(|source| CliError::Start { what: "the line editor", source })
    }

    /// Asks for a line. `message`: it is one for the conversation, to be kept in the history.
    pub(super) async fn line(&mut self, prompt: &str, message: bool) -> Result<Line, CliError> {
        let gone =
            || CliError::Input { problem: "the line editor has stopped".to_owned(), hint: "start glassbox again" };
        let (line, answer) = oneshot::channel();
        self.orders.send(Order { prompt: prompt.to_owned(), message, line }).await.map_err(|_| gone())?;
        let line = answer.await.map_err(|_| gone())?;
        line.map_err(|error| CliError::Input {
            problem: format!("the terminal cannot be read: {error}"),
            hint: "pipe the messages in, one a line",
        })
    }
}

fn line(signal: Signal) -> Line {
    match signal {
        Signal::Success(text) => Line::Text(text),
        Signal::CtrlD => Line::End,
        _ => Line::Interrupted,
    }
}

fn bare() -> Reedline {
    use std::io::IsTerminal as _;
    // Pasted line breaks stay in the message. The sequence that asks the terminal for it goes to standard output.
    Reedline::create().use_bracketed_paste(std::io::stdout().is_terminal())
}

fn editor(history: bool) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let next = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, next);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
    let menu = ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name(MENU)));
    let editor = bare()
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_completer(Box::new(Commands))
        .with_menu(menu)
        .with_quick_completions(true);
    match history.then(history_file).flatten().and_then(|path| FileBackedHistory::with_file(MOST_HISTORY, path).ok()) {
        Some(history) => editor.with_history(Box::new(history)),
        None => editor,
    }
}

/// `glassbox/history` in the XDG state folder; its folder is made. `None` where there is no place for it: then what is
/// typed is kept for this chat alone.
fn history_file() -> Option<PathBuf> {
    // The XDG specification: a relative path is to be ignored.
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?;
    let folder = state.join("glassbox");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// A prompt of these words.
struct Words(String);

impl Prompt for Words {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("… ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}

/// Completes the chat's commands.
struct Commands;

impl Completer for Commands {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let typed = line.get(..pos).unwrap_or(line);
        let suggestion = |(value, about): (String, &str)| Suggestion {
            value,
            description: Some(about.to_owned()),
            span: Span { start: 0, end: pos },
            append_whitespace: true,
            ..Suggestion::default()
        };
        CompletionResult::fresh(command::complete(typed).into_iter().map(suggestion).collect::<Vec<_>>())
    }
}
