//! The table that the benchmarks print: a question a row, what Glassbox takes, what the other side takes, and their ratio.
//!
//! `make bench` starts one benchmark after the other, and has one table of all: with `GLASSBOX_BENCH_CONTINUED` set a benchmark
//! prints its rows alone. What else is to be said goes to standard error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what a benchmark prints")]

use std::fmt::Display;
use std::time::Duration;

/// Set where another benchmark has begun the table.
const CONTINUED: &str = "GLASSBOX_BENCH_CONTINUED";
/// How many rounds there are, where a benchmark's own number is too many or too few.
const ROUNDS: &str = "GLASSBOX_BENCH_ROUNDS";

/// Whether cargo only asks whether the benchmark starts, as `cargo test --benches` does.
#[must_use]
pub fn only_asked() -> bool {
    std::env::args().any(|arg| arg == "--test" || arg == "--list")
}

/// What the benchmark is asked to measure: its first argument that is no option.
#[must_use]
pub fn subject() -> Option<String> {
    std::env::args().skip(1).find(|arg| !arg.starts_with('-'))
}

/// How many rounds there are: `GLASSBOX_BENCH_ROUNDS`, or `usual`.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// How many threads the machine runs at once.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The one in the middle; of an even number the larger of the two there. NaN of none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Begins the table. `about` says what is measured, and how.
pub fn begin(about: &str) {
    eprintln!("{about}");
    if std::env::var_os(CONTINUED).is_none() {
        line("question, unit | other side", &"glassbox", &"other", &"ratio");
    }
}

/// A row with both sides.
pub fn row(question: &str, ours: f64, other: f64) {
    let ratio = ours / other;
    // Two that took too long have none.
    let ratio = if ratio.is_nan() { String::new() } else { format!("{ratio:.3}") };
    line(question, &Figure(ours), &Figure(other), &ratio);
}

/// A row that has no other side.
pub fn alone(question: &str, ours: f64) {
    line(question, &Figure(ours), &"", &"");
}

/// A row of which the other side is not on this machine, or of which we have nothing.
pub fn missing(question: &str, ours: Option<f64>) {
    match ours {
        Some(ours) => line(question, &Figure(ours), &"not there", &""),
        None => line(question, &"not there", &"", &""),
    }
}

/// In milliseconds.
#[must_use]
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// In microseconds.
#[must_use]
pub fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn line(question: &str, ours: &dyn Display, other: &dyn Display, ratio: &dyn Display) {
    println!("{question:<66} {ours:>10} {other:>10} {ratio:>7}");
}

/// With as many decimals as tell something; infinity is what took too long.
struct Figure(f64);

impl Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_infinite() {
            return f.pad("too long");
        }
        let decimals = if self.0 < 10.0 { 2 } else { 1 };
        f.pad(&format!("{:.decimals$}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 3.0, 1.0, 2.0]), 3.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn figures_have_the_decimals_that_tell_something() {
        assert_eq!(format!("{:>7}", Figure(0.1549)), "   0.15");
        assert_eq!(format!("{:>7}", Figure(1136.04)), " 1136.0");
        assert_eq!(format!("{:>9}", Figure(f64::INFINITY)), " too long");
    }
}
