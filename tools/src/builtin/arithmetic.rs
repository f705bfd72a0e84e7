//! `calculator`: arithmetic, read by a parser of its own. Nothing is evaluated but numbers.
//!
//! The grammar is that of Python's arithmetic, so that what models have seen works as they expect:
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = sign (("*" | "/" | "//" | "%") sign)*
//! sign    = ("+" | "-") sign | power
//! power   = atom ("**" sign)?
//! atom    = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
//! ```

mod number;
mod parser;

use crate::tool;

/// Why there is no result. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalculatorError {
    /// The expression is longer than any that a person would write.
    #[error("the expression has {bytes} bytes; at most {} are read", parser::MOST_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Parentheses, signs or powers within each other.
    #[error(
        "too many parentheses or signs within each other at character {position}; at most {} are read",
        parser::MOST_DEPTH
    )]
    TooDeep {
        /// Where it got too deep.
        position: usize,
    },
    /// Something else was expected.
    #[error("at character {position}: expected {expected}, found {found}")]
    Unexpected {
        /// Where.
        position: usize,
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// No function or constant has this name.
    #[error("at character {position}: `{name}` is unknown; known are {}", number::KNOWN)]
    UnknownName {
        /// Where.
        position: usize,
        /// The name.
        name: String,
    },
    /// A function has more or fewer arguments.
    #[error("at character {position}: `{name}` takes {takes}, not {given}")]
    ArgumentCount {
        /// Where.
        position: usize,
        /// The function.
        name: String,
        /// How many it takes, in words.
        takes: &'static str,
        /// How many are given.
        given: usize,
    },
    /// Division by zero, also as a remainder or as a negative power of zero.
    #[error("at character {position}: division by zero")]
    DivisionByZero {
        /// Where the operator stands.
        position: usize,
    },
    /// The function has no value there, as `sqrt(-1)`.
    #[error("at character {position}: {problem}")]
    NoValue {
        /// Where.
        position: usize,
        /// What has no value.
        problem: String,
    },
    /// Larger than 64-bit floats go.
    #[error("at character {position}: the result is too large")]
    TooLarge {
        /// Where.
        position: usize,
    },
}

/// The value of an arithmetic expression: an integer where it is one and fits 128 bits, else a decimal number of 15
/// digits.
///
/// # Errors
/// [`CalculatorError`], which says where and what.
#[tool(
    description = "Calculate an arithmetic expression: + - * / // % **, parentheses, sqrt sin cos tan log exp abs round \
                   floor ceil min max, pi and e. Angles are in radians; log(x) is the natural logarithm, log(x, b) that \
                   to base b.",
    read_only
)]
pub async fn calculator(
    /// Such as `(1 + 2) * sqrt(16)`.
    expression: String,
) -> Result<String, CalculatorError> {
    parser::evaluate(&expression).map(|number| number.to_string())
}

#[cfg(test)]
#[path = "arithmetic_tests.rs"]
mod tests;
