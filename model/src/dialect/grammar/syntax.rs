//! The two ways to write arguments.

use serde_json::Value;

use crate::dialect::literal::{self, Quotes};
use crate::dialect::pyjson;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Python literals, on one line.
    Python,
    /// JSON, with some white space.
    Json,
}

impl Syntax {
    pub(super) fn null(self) -> &'static str {
        match self {
            Self::Python => "None",
            Self::Json => "null",
        }
    }

    pub(super) fn booleans(self) -> [&'static str; 2] {
        match self {
            Self::Python => ["True", "False"],
            Self::Json => ["true", "false"],
        }
    }

    /// White space inside a bracket. Bounded: a model may else write nothing but white space.
    pub(super) fn space(self) -> &'static str {
        match self {
            Self::Python => "",
            Self::Json => r"(?:[ ]{0,2}|\r?\n[ \t]{0,32})",
        }
    }

    /// Between two items.
    pub(super) fn comma(self) -> &'static str {
        match self {
            Self::Python => ", ?",
            Self::Json => r"(?: |\r?\n[ \t]{0,32})?,(?:[ ]{0,2}|\r?\n[ \t]{0,32})",
        }
    }

    /// Between a key and its value.
    pub(super) fn colon(self) -> &'static str {
        match self {
            Self::Python => ": ?",
            Self::Json => r" ?:(?:[ ]{0,2}|\r?\n[ \t]{0,32})",
        }
    }

    /// Exactly this value.
    pub(super) fn write(self, value: &Value) -> String {
        match self {
            Self::Python => literal::write(value, Quotes::Single),
            Self::Json => pyjson::dumps(value, None),
        }
    }

    /// The quotes that strings may have.
    pub(super) fn quotes(self) -> &'static [char] {
        match self {
            Self::Python => &['\'', '"'],
            Self::Json => &['"'],
        }
    }

    /// Escapes in strings, each for one character. Surrogates alone are left out, since they are no characters.
    pub(super) fn escape(self) -> &'static str {
        match self {
            Self::Python => r#"\\(?:['"\\nrt]|x[0-9a-f]{2}|u(?:[0-9a-ce-f][0-9a-f]{3}|d[0-7][0-9a-f]{2}))"#,
            Self::Json => {
                r#"\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"#
            }
        }
    }
}
