//! Colours: a help for the eye, never the only carrier of a meaning.

use crate::args::ColorArg;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Beside the point.
    Dim,
    /// A heading or a name.
    Strong,
    /// A call.
    Call,
    /// An observation.
    Observation,
    /// Something failed.
    Error,
    /// What to do now.
    Hint,
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Whether it colours at all.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    /// `text` in the colour of its role.
    pub(crate) fn role(self, role: Role, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match role {
            Role::Dim => "2",
            Role::Strong => "1",
            Role::Call => "36",
            Role::Observation => "32",
            Role::Error => "1;31",
            Role::Hint => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// When colours are used: what `--color` says, with `NO_COLOR` looked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColorChoice {
    when: ColorArg,
    no_color: bool,
}

impl ColorChoice {
    /// `--color when`, under the environment of this process.
    pub(crate) fn new(when: ColorArg) -> Self {
        // https://no-color.org: present and not empty.
        Self { when, no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) }
    }

    /// How a stream is coloured.
    pub(crate) fn paint(self, terminal: bool) -> Paint {
        Paint(match self.when {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => terminal && !self.no_color,
        })
    }
}
