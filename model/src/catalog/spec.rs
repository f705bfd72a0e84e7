//! What a person may type where a model is wanted.

use std::{path::PathBuf, str::FromStr};

use super::{Entry, FetchError, entries, entries::by_hand, entry};

/// What a source text means.
#[derive(Debug)]
pub(crate) enum Spec {
    Catalog(&'static Entry),
    File(PathBuf),
    Hub(HubFile),
}

impl Spec {
    /// Reads `text`: `hf:…` first, then a catalog name, then an existing path.
    pub(crate) fn read(text: &str) -> Result<Self, FetchError> {
        if let Some(rest) = text.strip_prefix("hf:") {
            return rest.parse().map(Self::Hub);
        }
        // A name before a path: a folder `smollm2-135m` that lies around must not hide the model.
        if let Some(entry) = entry(text) {
            return Ok(Self::Catalog(entry));
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Err(FetchError::Folder { path });
        }
        if path.exists() {
            return Ok(Self::File(path));
        }
        if let Some(known) = by_hand(text) {
            return Err(FetchError::NotFetchable { name: text.to_owned(), how: known.hint });
        }
        let looks_like_a_path = text.contains(['/', '\\']) || path.extension().is_some_and(|e| e == "gguf");
        if looks_like_a_path {
            return Err(FetchError::NoFile { path });
        }
        Err(FetchError::UnknownName { name: text.to_owned(), nearest: nearest(text) })
    }
}

/// Catalog names that `text` may have been meant for: those that start like it, and those that differ little.
fn nearest(text: &str) -> Vec<String> {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let wanted = plain(text);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = entries()
        .iter()
        .filter_map(|e| {
            let name = plain(e.name);
            let distance = strsim::damerau_levenshtein(&wanted, &name);
            let near = distance * 3 <= name.len().max(wanted.len());
            (near || name.starts_with(&wanted)).then_some((distance, e.name))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// A file on the Hugging Face Hub: `OWNER/REPO/PATH`, and `@REVISION` after it where it is not `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// `OWNER/REPO`.
    pub repo: String,
    /// Branch, tag or commit; `main` where none was given.
    pub revision: String,
    /// The file's path in the repository.
    pub file: String,
}

impl FromStr for HubFile {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let bad = |problem| FetchError::BadHubFile { text: format!("hf:{text}"), problem };
        let (path, revision) = text.rsplit_once('@').unwrap_or((text, "main"));
        let mut segments = path.splitn(3, '/');
        let (Some(owner), Some(repo), Some(file)) = (segments.next(), segments.next(), segments.next()) else {
            return Err(bad("it needs an owner, a repository and a file"));
        };
        // The segments become folders of the cache and parts of an address: nothing that means more than itself.
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '='))
        };
        if ![owner, repo].into_iter().chain(file.split('/')).chain(revision.split('/')).all(plain) {
            return Err(bad("a part of it is empty or has a character that the Hub does not use"));
        }
        if !file.to_ascii_lowercase().ends_with(".gguf") {
            return Err(bad("the file must be a .gguf file"));
        }
        Ok(Self { repo: format!("{owner}/{repo}"), revision: revision.to_owned(), file: file.to_owned() })
    }
}

impl std::fmt::Display for HubFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "hf:{}/{}", self.repo, self.file)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Spec::read("qwen2.5-coder-0.5").unwrap_err();
        assert!(
            error.to_string().starts_with("no model is named `qwen2.5-coder-0.5` (nearest: `qwen2.5-coder-0.5b`"),
            "{error}"
        );
        let error = Spec::read("smollm").unwrap_err();
        assert!(error.to_string().contains("`smollm2-135m`"), "{error}");
        let error = Spec::read("gpt-4").unwrap_err();
        assert_eq!(error.to_string(), "no model is named `gpt-4`");
        assert!(Spec::read("").is_err());
    }

    #[test]
    fn chatglm3_says_how_to_convert_it() {
        for name in ["chatglm3-6b", "THUDM/chatglm3-6b", "ChatGLM3-6B"] {
            let error = Spec::read(name).unwrap_err();
            assert!(matches!(error, FetchError::NotFetchable { .. }), "{error}");
            assert!(error.hint().unwrap().contains("convert_hf_to_gguf.py"));
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_no_unknown_name() {
        assert!(matches!(Spec::read("./nowhere.gguf"), Err(FetchError::NoFile { .. })));
        assert!(matches!(Spec::read("nowhere.gguf"), Err(FetchError::NoFile { .. })));
        assert!(matches!(Spec::read(env!("CARGO_MANIFEST_DIR")), Err(FetchError::Folder { .. })));
        assert!(matches!(Spec::read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")), Ok(Spec::File(_))));
    }

    #[test]
    fn a_hub_file_is_read_and_written_back() {
        let file: HubFile = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/q4.gguf".parse().unwrap();
        assert_eq!((file.repo.as_str(), file.revision.as_str()), ("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "main"));
        assert_eq!(file.to_string(), "hf:Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/q4.gguf");
        let file: HubFile = "a/b/sub/q4.gguf@refs/pr/1".parse().unwrap();
        assert_eq!((file.file.as_str(), file.revision.as_str()), ("sub/q4.gguf", "refs/pr/1"));
        assert_eq!(file.to_string(), "hf:a/b/sub/q4.gguf@refs/pr/1");
    }

    #[test]
    fn a_hub_file_cannot_leave_its_folder() {
        for text in [
            "",
            "a",
            "a/b",
            "a/b/",
            "a/b/c",
            "../b/c.gguf",
            "a/../c.gguf",
            "a/b/../c.gguf",
            "a/b//c.gguf",
            "a/b/c.gguf@",
            "a/b/c.gguf@..",
            "a/b/c.gguf@../x",
            "a/b/c d.gguf",
            "a/b/c.gguf?x=1",
            "a/b/%2e%2e/c.gguf",
            "a/b/\0.gguf",
            "a\\b/c/d.gguf",
        ] {
            let result = text.parse::<HubFile>();
            assert!(matches!(result, Err(FetchError::BadHubFile { .. })), "{text}: {result:?}");
        }
    }
}
