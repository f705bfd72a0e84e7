//! What is found out about a file.

use std::fmt;

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing; the sample is used as it is.
    Note,
    /// The sample is used, and something of it is not carried over.
    Loss,
    /// The sample cannot be used.
    Fault,
}

/// Something about one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The line of the file, from 1.
    pub line: usize,
    /// Where in the sample, such as `conversations[2].parameters`; empty for the sample as a whole.
    pub place: String,
    /// How much it matters.
    pub severity: Severity,
    /// What is so.
    pub problem: String,
    /// What to do about it; empty where there is nothing to do.
    pub hint: String,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        line: usize,
        place: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { line, place: place.into(), severity, problem: problem.into(), hint: hint.into() }
    }
}

/// The place in the sample, the problem and the hint, on one line. The file and the line are the caller's to put before it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.problem)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}

/// Findings in the making, all of one sample.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    faults: usize,
}

impl Findings {
    pub(super) fn fault(
        &mut self,
        line: usize,
        place: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.faults = self.faults.saturating_add(1);
        self.list.push(Finding::new(Severity::Fault, line, place, problem, hint));
    }

    pub(super) fn loss(&mut self, line: usize, place: impl Into<String>, problem: impl Into<String>) {
        self.list.push(Finding::new(Severity::Loss, line, place, problem, ""));
    }

    pub(super) fn note(
        &mut self,
        line: usize,
        place: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.list.push(Finding::new(Severity::Note, line, place, problem, hint));
    }

    /// Faults so far.
    pub(super) fn faults(&self) -> usize {
        self.faults
    }

    pub(super) fn into_list(self) -> Vec<Finding> {
        self.list
    }
}
