//! Numbers: integers as long as they are exact, floats from then on.

use std::fmt;

use super::CalculatorError;

/// Every name that may stand in an expression.
pub(super) const KNOWN: &str = "pi, e, sqrt, sin, cos, tan, log, log2, log10, exp, abs, round, floor, ceil, min, max";

/// A value while it is calculated with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

use Number::{Float, Int};

/// An operator between two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

impl Number {
    /// As a float; an integer beyond 2^53 is rounded.
    #[allow(clippy::cast_precision_loss, reason = "a float is asked for")]
    pub(super) fn float(self) -> f64 {
        match self {
            Int(value) => value as f64,
            Float(value) => value,
        }
    }

    /// A float that is a number, or what is wrong with it.
    fn finite(value: f64, position: usize) -> Result<Self, CalculatorError> {
        if value.is_nan() {
            Err(CalculatorError::NoValue { position, problem: "this has no value among the real numbers".to_owned() })
        } else if value.is_infinite() {
            Err(CalculatorError::TooLarge { position })
        } else {
            Ok(Float(value))
        }
    }

    /// An integer where the float is one and every integer of its size is exact.
    fn whole(value: f64, position: usize) -> Result<Self, CalculatorError> {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            Ok(Int(value as i128))
        } else {
            Self::finite(value, position)
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Int(value) => value.checked_neg().map_or(Float(-self.float()), Int),
            Float(value) => Float(-value),
        }
    }

    /// `self operator right`; `position` is the operator's.
    pub(super) fn apply(self, operator: Operator, right: Self, position: usize) -> Result<Self, CalculatorError> {
        if let (Int(left), Int(right)) = (self, right)
            && let Some(exact) = exact(left, operator, right, position)?
        {
            return Ok(Int(exact));
        }
        let (left, right) = (self.float(), right.float());
        let divides = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Remainder);
        if (divides && right == 0.0) || (operator == Operator::Power && left == 0.0 && right < 0.0) {
            return Err(CalculatorError::DivisionByZero { position });
        }
        let value = match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
            Operator::FloorDivide => (left / right).floor(),
            // With the sign of the divisor, as Python has it.
            Operator::Remainder => left - right * (left / right).floor(),
            Operator::Power => left.powf(right),
        };
        Self::finite(value, position)
    }

    /// A constant by name.
    pub(super) fn constant(name: &str) -> Option<Self> {
        match name {
            "pi" | "π" => Some(Float(std::f64::consts::PI)),
            "e" => Some(Float(std::f64::consts::E)),
            _ => None,
        }
    }

    /// Calls the function `name`, whose name stands at `position`.
    pub(super) fn call(name: &str, arguments: &[Self], position: usize) -> Result<Self, CalculatorError> {
        let count = |takes: &'static str| {
            Err(CalculatorError::ArgumentCount { position, name: name.to_owned(), takes, given: arguments.len() })
        };
        let no_value = |problem: String| Err(CalculatorError::NoValue { position, problem });
        match (name, arguments) {
            ("sqrt", [x]) if x.float() < 0.0 => no_value(format!("sqrt({x}) is not a real number")),
            ("sqrt", [Int(x)]) => {
                let root = x.isqrt();
                if root * root == *x { Ok(Int(root)) } else { Self::finite(Int(*x).float().sqrt(), position) }
            }
            ("sqrt", [x]) => Self::finite(x.float().sqrt(), position),
            ("sin", [x]) => Self::finite(x.float().sin(), position),
            ("cos", [x]) => Self::finite(x.float().cos(), position),
            ("tan", [x]) => Self::finite(x.float().tan(), position),
            ("exp", [x]) => Self::finite(x.float().exp(), position),
            ("log" | "log2" | "log10", [x, ..]) if x.float() <= 0.0 => {
                no_value(format!("{name}({x}) is not defined: the logarithm needs a number above 0"))
            }
            ("log", [x]) => Self::finite(x.float().ln(), position),
            ("log", [_, base]) if base.float() <= 0.0 || base.float() == 1.0 => {
                no_value(format!("{base} cannot be the base of a logarithm"))
            }
            ("log", [x, base]) => Self::finite(logarithm(x.float(), base.float()), position),
            ("log2", [x]) => Self::finite(x.float().log2(), position),
            ("log10", [x]) => Self::finite(x.float().log10(), position),
            ("abs", [Int(x)]) => Ok(x.checked_abs().map_or(Float(Int(*x).float().abs()), Int)),
            ("abs", [Float(x)]) => Ok(Float(x.abs())),
            ("round" | "floor" | "ceil", [Int(x)]) => Ok(Int(*x)),
            // Halves to the even neighbour, as Python and IEEE 754 have it.
            ("round", [Float(x)]) => Self::whole(x.round_ties_even(), position),
            ("floor", [Float(x)]) => Self::whole(x.floor(), position),
            ("ceil", [Float(x)]) => Self::whole(x.ceil(), position),
            ("round", [x, Int(digits)]) => match (x, usize::try_from(*digits)) {
                (Int(x), _) if *digits >= 0 => Ok(Int(*x)),
                // The formatter rounds the decimal digits exactly, which a multiplication by a power of ten does not.
                (_, Ok(digits)) if digits <= 30 => {
                    format!("{:.digits$}", x.float()).parse().map_or(Ok(*x), |value| Self::finite(value, position))
                }
                (_, Ok(_)) => Ok(*x),
                (_, Err(_)) => no_value("round takes a number of digits from 0".to_owned()),
            },
            ("round", [_, _]) => no_value("round takes a whole number of digits".to_owned()),
            ("min" | "max", [first, rest @ ..]) => Ok(rest.iter().fold(*first, |best, next| {
                let less = next.float() < best.float();
                if less == (name == "min") && next.float() != best.float() { *next } else { best }
            })),
            ("sqrt" | "sin" | "cos" | "tan" | "exp" | "log2" | "log10" | "abs" | "floor" | "ceil", _) => {
                count("one argument")
            }
            ("log" | "round", _) => count("one or two arguments"),
            ("min" | "max", _) => count("one argument or more"),
            _ => Err(CalculatorError::UnknownName { position, name: name.to_owned() }),
        }
    }
}

/// To bases 2 and 10 there are functions that are exact where the result is whole.
fn logarithm(x: f64, base: f64) -> f64 {
    if base == 2.0 {
        x.log2()
    } else if base == 10.0 {
        x.log10()
    } else {
        x.ln() / base.ln()
    }
}

/// The result as an integer; none where it is not one or does not fit.
fn exact(left: i128, operator: Operator, right: i128, position: usize) -> Result<Option<i128>, CalculatorError> {
    let divides = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Remainder);
    if (divides && right == 0) || (operator == Operator::Power && left == 0 && right < 0) {
        return Err(CalculatorError::DivisionByZero { position });
    }
    // The remainder with the sign of the divisor; `i128::MIN % -1` overflows in the machine, but is 0.
    let remainder = || {
        left.checked_rem(right)
            .map_or(0, |rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
    };
    Ok(match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if remainder() == 0 => left.checked_div(right),
        Operator::Divide => None,
        Operator::FloorDivide => left.checked_sub(remainder()).and_then(|whole| whole.checked_div(right)),
        Operator::Remainder => Some(remainder()),
        Operator::Power => u32::try_from(right).ok().and_then(|exponent| left.checked_pow(exponent)),
    })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Int(value) => write!(f, "{value}"),
            Float(value) => {
                // 15 digits are what every float keeps: 0.1 + 0.2 is 0.3, not 0.30000000000000004.
                let rounded = format!("{value:.14e}").parse::<f64>().unwrap_or(value);
                let size = rounded.abs();
                if rounded == 0.0 {
                    f.write_str("0")
                } else if (1e-5..1e15).contains(&size) {
                    write!(f, "{rounded}")
                } else {
                    write!(f, "{rounded:e}")
                }
            }
        }
    }
}
