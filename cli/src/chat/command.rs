//! The chat's commands: what a line means.

use glassbox::AdapterChoice;

use crate::adapters::scaled;
use crate::sampling::{Assignment, Knob};

/// What a line of the chat means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Nothing.
    Empty,
    /// A message to the model.
    Message(String),
    /// Forget the conversation.
    Clear,
    /// Leave.
    Exit,
    /// Show the commands.
    Help,
    /// Show the tools.
    Tools,
    /// Show the instructions, or set them.
    System(Option<String>),
    /// Show the settings, or set one.
    Set(Option<Assignment>),
    /// Show the LoRA adapters, or choose one.
    Adapter(Option<AdapterChoice>),
    /// Show what the last turns cost.
    Stats,
    /// Put this file into the sandbox.
    Upload(String),
    /// Show the sandbox's files.
    Files,
    /// Save this file of the sandbox.
    Get(String),
    /// Begin the sandbox's session anew.
    Restart,
    /// Save the conversation.
    Save(String),
    /// Go on with a conversation that was saved.
    Load(String),
}

/// A command that cannot be carried out: what is wrong and what to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// What is wrong.
    pub(crate) message: String,
    /// What to type.
    pub(crate) hint: String,
}

/// Name, argument, and what it does; the help shows these.
pub(crate) const COMMANDS: [(&str, &str, &str); 14] = [
    ("/help", "", "show this"),
    ("/clear", "", "forget the conversation (also `clear`)"),
    ("/exit", "", "leave (also /quit, `stop`, Ctrl-D)"),
    ("/tools", "", "show the tools that the model may call"),
    ("/system", "[TEXT]", "show or set the instructions; `/system none` removes them"),
    ("/set", "[NAME VALUE]", "show or set the sampling: /set temperature 0.2"),
    ("/adapter", "[NAME]", "show or choose the LoRA adapter: NAME, NAME=SCALE, or `none`"),
    ("/stats", "", "show what this chat has cost"),
    ("/upload", "FILE", "put a file into the sandbox, as /mnt/data/FILE"),
    ("/files", "", "show the sandbox's files"),
    ("/get", "PATH", "save a file of the sandbox"),
    ("/restart", "", "begin the sandbox anew, without variables and files"),
    ("/save", "FILE", "save the conversation; `glassbox --resume FILE` goes on with it"),
    ("/load", "FILE", "go on with a conversation that was saved, in place of this one"),
];

/// Names that are understood and not shown.
const ALIASES: [(&str, &str); 2] = [("/quit", "/exit"), ("/?", "/help")];

/// Reads a line. A line of several lines is a message, whatever it begins with, and so is `//…` without its first `/`.
///
/// # Errors
/// [`CommandError`] for a command that does not exist or whose argument is wrong.
pub(crate) fn read(line: &str) -> Result<Command, CommandError> {
    let text = line.trim();
    match text {
        "" => return Ok(Command::Empty),
        // As in ChatGLM3's command line demo.
        "clear" => return Ok(Command::Clear),
        "stop" => return Ok(Command::Exit),
        _ => {}
    }
    let Some(rest) = text.strip_prefix('/').filter(|_| !text.contains('\n')) else {
        return Ok(Command::Message(line.to_owned()));
    };
    if rest.starts_with('/') {
        return Ok(Command::Message(rest.to_owned()));
    }
    let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let argument = argument.trim();
    let name = name.to_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, name)| name);
    match name {
        "/help" => Ok(Command::Help),
        "/clear" => Ok(Command::Clear),
        "/exit" => Ok(Command::Exit),
        "/tools" => Ok(Command::Tools),
        "/stats" => Ok(Command::Stats),
        "/files" => Ok(Command::Files),
        "/restart" => Ok(Command::Restart),
        "/upload" if !argument.is_empty() => Ok(Command::Upload(argument.to_owned())),
        "/get" if !argument.is_empty() => Ok(Command::Get(argument.to_owned())),
        "/save" if !argument.is_empty() => Ok(Command::Save(argument.to_owned())),
        "/load" if !argument.is_empty() => Ok(Command::Load(argument.to_owned())),
        "/upload" | "/get" | "/save" | "/load" => {
            let file = match name {
                "/get" => "/mnt/data/out.csv",
                "/upload" => "sales.csv",
                _ => "talk.json",
            };
            Err(CommandError { message: format!("{name} takes a file"), hint: format!("{name} {file}") })
        }
        "/system" if argument.is_empty() => Ok(Command::System(None)),
        "/system" if argument == "none" => Ok(Command::System(Some(String::new()))),
        "/system" => Ok(Command::System(Some(argument.to_owned()))),
        "/set" => set(argument).map(Command::Set),
        "/adapter" if argument.is_empty() => Ok(Command::Adapter(None)),
        "/adapter" if argument == "none" => Ok(Command::Adapter(Some(AdapterChoice::Base))),
        "/adapter" => {
            let (name, scale) = scaled(argument);
            Ok(Command::Adapter(Some(AdapterChoice::Named { name: name.to_owned(), scale })))
        }
        name => Err(unknown(name)),
    }
}

fn set(argument: &str) -> Result<Option<Assignment>, CommandError> {
    // `temperature 0.2`, `temperature=0.2` and `temperature = 0.2` are one.
    let mut words = argument.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
    let Some(name) = words.next() else { return Ok(None) };
    let names = Knob::ALL.map(Knob::name);
    let knob = Knob::by_name(name).ok_or_else(|| CommandError {
        message: format!("there is no setting `{name}`{}", suggestion(&name.to_lowercase(), names)),
        hint: format!("the settings are: {}", names.join(", ")),
    })?;
    let (Some(value), None) = (words.next(), words.next()) else {
        return Err(CommandError {
            message: format!("{} takes one value", knob.name()),
            hint: format!("it {}", must_be(knob)),
        });
    };
    knob.parse(value).map(Some).map_err(|problem| CommandError {
        message: format!("{} {value}: the value {problem}", knob.name()),
        hint: format!("/set {} {}", knob.name(), example(knob)),
    })
}

fn must_be(knob: Knob) -> String {
    format!("must be {}", knob.range())
}

fn example(knob: Knob) -> &'static str {
    match knob {
        Knob::Temperature => "0.2",
        Knob::TopP => "0.9",
        Knob::TopK => "40",
        Knob::MinP => "0.05",
        Knob::RepetitionPenalty => "1.1",
        Knob::Seed => "42",
        Knob::MaxTokens => "512",
    }
}

fn unknown(name: &str) -> CommandError {
    let names = COMMANDS.map(|(name, _, _)| name);
    CommandError {
        message: format!("there is no command `{name}`{}", suggestion(name, names)),
        hint: "/help shows the commands; begin with // to send a message that starts with /".to_owned(),
    }
}

/// ` (nearest: …)` where one of `names` is near.
fn suggestion<const N: usize>(name: &str, names: [&str; N]) -> String {
    let nearest = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance * 2 <= known.chars().count() => format!(" (nearest: `{known}`)"),
        _ => String::new(),
    }
}

/// What `typed`, the beginning of a line, could become: the text and what it does.
pub(crate) fn complete(typed: &str) -> Vec<(String, &'static str)> {
    if let Some(name) = typed.strip_prefix("/set ") {
        let knobs = Knob::ALL.into_iter().filter(|knob| knob.name().starts_with(name));
        return knobs.map(|knob| (format!("/set {}", knob.name()), knob.range())).collect();
    }
    if !typed.starts_with('/') {
        return Vec::new();
    }
    let commands = COMMANDS.iter().filter(|(name, _, _)| name.starts_with(typed));
    commands.map(|(name, _, about)| ((*name).to_owned(), *about)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_they_say() {
        let message = |text: &str| Ok(Command::Message(text.to_owned()));
        let named = |scale| AdapterChoice::Named { name: "weather".to_owned(), scale };
        for (line, meaning) in [
            ("  ", Ok(Command::Empty)),
            ("clear", Ok(Command::Clear)),
            ("stop ", Ok(Command::Exit)),
            ("stop it", message("stop it")),
            ("/QUIT", Ok(Command::Exit)),
            ("/?", Ok(Command::Help)),
            ("/system", Ok(Command::System(None))),
            ("/system none", Ok(Command::System(Some(String::new())))),
            ("/system 你是一个助手", Ok(Command::System(Some("你是一个助手".to_owned())))),
            ("/set", Ok(Command::Set(None))),
            ("/adapter", Ok(Command::Adapter(None))),
            ("/adapter none", Ok(Command::Adapter(Some(AdapterChoice::Base)))),
            ("/adapter weather=0.5", Ok(Command::Adapter(Some(named(Some(0.5)))))),
            ("/adapter weather", Ok(Command::Adapter(Some(named(None))))),
            ("//etc/passwd", message("/etc/passwd")),
            ("/tmp is full:\nwhat now?", message("/tmp is full:\nwhat now?")),
            ("北京天气", message("北京天气")),
        ] {
            assert_eq!(read(line), meaning, "{line:?}");
        }
    }

    #[test]
    fn settings_are_set_in_every_spelling() {
        let wanted = Ok(Command::Set(Some(Assignment::Share(Knob::Temperature, 0.2))));
        for line in ["/set temperature 0.2", "/set temperature=0.2", "/set Temperature = 0.2"] {
            assert_eq!(read(line), wanted, "{line}");
        }
    }

    #[test]
    fn what_does_not_exist_is_answered_with_the_nearest() {
        let message = |line| read(line).unwrap_err().message;
        assert_eq!(message("/clera"), "there is no command `/clera` (nearest: `/clear`)");
        assert_eq!(message("/frobnicate"), "there is no command `/frobnicate`");
        assert_eq!(message("/set temprature 1"), "there is no setting `temprature` (nearest: `temperature`)");
        assert_eq!(message("/set top_p 2"), "top_p 2: the value must be a number above 0 and at most 1 (off)");
        assert_eq!(message("/set top_p"), "top_p takes one value");
    }

    #[test]
    fn commands_and_settings_are_completed() {
        let values = |typed| complete(typed).into_iter().map(|(value, _)| value).collect::<Vec<_>>();
        assert_eq!(values("/s"), ["/system", "/set", "/stats", "/save"]);
        assert_eq!(values("/set te"), ["/set temperature"]);
        assert!(values("hello").is_empty());
    }

    #[test]
    fn every_example_is_a_value_of_its_setting() {
        for knob in Knob::ALL {
            assert!(knob.parse(example(knob)).is_ok(), "{knob:?}");
        }
    }
}
