//! Reads fine-tune files and tells what was found.

use glassbox_model::finetune::{self, Finding, Format, PairKeys, Reading, Severity};

pub(crate) fn read(text: &str, format: Format) -> Reading {
    finetune::read(text, format, &PairKeys::default())
}

/// `LINE: PLACE: …` of each finding with this weight.
pub(crate) fn told(findings: &[Finding], severity: Severity) -> Vec<String> {
    findings.iter().filter(|f| f.severity == severity).map(|f| format!("{}: {f}", f.line)).collect()
}

/// A sample of these entries, on one line.
pub(crate) fn talk(entries: &str) -> String {
    format!(r#"{{"conversations": [{entries}]}}"#)
}

pub(crate) const USER: &str = r#"{"role": "user", "content": "u"}"#;
pub(crate) const REPLY: &str = r#"{"role": "assistant", "content": "a"}"#;
