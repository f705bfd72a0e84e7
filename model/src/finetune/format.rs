//! The formats of fine-tune files.

use std::fmt;
use std::str::FromStr;

use super::finding::{Finding, Findings};
use super::json::Document;
use super::sample::{Placed, Sample};
use super::samples::{self, PairKeys};
use super::{openai, toolalpaca};
use crate::dialect::pyjson;

/// A format of fine-tune files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// ChatGLM3's: `tools` and `conversations`, or `prompt` and `response`; one sample a line, or a list of them. Written
    /// one a line.
    ChatGlm3,
    /// OpenAI's chat format for fine-tuning: `messages` and `tools`, one sample a line.
    OpenAi,
    /// ToolAlpaca's data: a list of APIs, each with its `NLDocumentation` and `Instances`.
    ToolAlpaca,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ChatGlm3, Self::OpenAi, Self::ToolAlpaca];

    /// `glm3`, `openai` or `toolalpaca`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatGlm3 => "glm3",
            Self::OpenAi => "openai",
            Self::ToolAlpaca => "toolalpaca",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| format!("it is one of {}", known()))
    }
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Reading {
    /// The samples without a fault, in the file's order.
    pub samples: Vec<Placed<Sample>>,
    /// All that was found out, in the file's order.
    pub findings: Vec<Finding>,
    /// Samples with a fault.
    pub faulty: usize,
}

/// Reads a whole file. `keys` are those of the pairs in ChatGLM3's format.
pub fn read(text: &str, format: Format, keys: &PairKeys) -> Reading {
    let document = Document::new(text);
    let mut reading = Reading::default();
    for item in document.items() {
        let item = match item {
            Ok(item) => item,
            Err(broken) => {
                let mut findings = Findings::default();
                let hint = "a file is a JSON list of samples, or has one sample a line";
                findings.fault(broken.line, "", broken.problem, hint);
                reading.take(Vec::new(), findings);
                continue;
            }
        };
        let line = document.line(item);
        let placed = |value| Placed { line, value };
        if format == Format::ToolAlpaca {
            for (found, findings) in toolalpaca::read(&document, item) {
                reading.take(found.into_iter().collect(), findings);
            }
            continue;
        }
        let mut findings = Findings::default();
        let sample = match format {
            Format::OpenAi => openai::read(&document, item, &mut findings).map(Sample::Conversation),
            _ => samples::sample(&document, item, keys, &mut findings),
        };
        reading.take(sample.map(placed).into_iter().collect(), findings);
    }
    reading
}

impl Reading {
    fn take(&mut self, samples: Vec<Placed<Sample>>, findings: Findings) {
        if findings.faults() > 0 {
            self.faulty = self.faulty.saturating_add(1);
        } else {
            self.samples.extend(samples);
        }
        self.findings.extend(findings.into_list());
    }
}

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Written {
    /// The text.
    pub text: String,
    /// Samples in it.
    pub samples: usize,
    /// Samples that the format cannot hold.
    pub left_out: usize,
    /// What is not carried over, by the line that it was read from.
    pub findings: Vec<Finding>,
}

/// Writes samples in a format.
pub fn write(samples: &[Placed<Sample>], format: Format) -> Written {
    let mut written = Written::default();
    let mut apis = toolalpaca::Apis::default();
    for Placed { line, value: sample } in samples {
        let mut findings = Findings::default();
        let value = match (format, sample) {
            (Format::ChatGlm3, sample) => Some(sample.to_json()),
            (_, Sample::Pair(_)) => {
                findings.fault(*line, "", format!("a pair has no roles, and `{format}` has"), "");
                None
            }
            (Format::OpenAi, Sample::Conversation(conversation)) => openai::write(*line, conversation, &mut findings),
            (Format::ToolAlpaca, Sample::Conversation(conversation)) => {
                apis.add(*line, conversation, &mut findings);
                None
            }
        };
        if findings.faults() > 0 {
            written.left_out = written.left_out.saturating_add(1);
        } else {
            written.samples = written.samples.saturating_add(1);
            if let Some(value) = value {
                written.text.push_str(&pyjson::dumps(&value, None));
                written.text.push('\n');
            }
        }
        written.findings.extend(findings.into_list());
    }
    if format == Format::ToolAlpaca {
        written.text = pyjson::dumps(&apis.into_json(), Some(4));
        written.text.push('\n');
    }
    written
}
