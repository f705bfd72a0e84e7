//! Files that a person gives to the interpreter, and how the model learns of them.

use glassbox_sandbox::{FileInfo, InterpreterError};

/// Where uploads lie.
const FOLDER: &str = "/mnt/data";

/// `data` as a file of this name in the uploads' folder.
pub(crate) fn file(name: &str, data: &[u8]) -> Result<FileInfo, InterpreterError> {
    let bad = |problem: &'static str| InterpreterError::BadPath { path: name.to_owned(), problem: problem.into() };
    if name.is_empty() || name == "." || name == ".." {
        return Err(bad("a file needs a name"));
    }
    // The name stands in the message, on a line of its own.
    if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        return Err(bad("an upload has a plain file name, without folders"));
    }
    Ok(FileInfo::new(format!("{FOLDER}/{name}"), data.len() as u64))
}

/// The message with the files announced before it, in the form that ChatGLM3's code interpreter was trained with.
pub(crate) fn announce(files: &[FileInfo], text: String) -> String {
    let files: String =
        files.iter().map(|file| format!("#File: {}\n#Size: {}\n#File uploaded\n", file.path, file.bytes)).collect();
    if files.is_empty() { text } else { files + &text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_announced_before_the_question() {
        let files = [file("sales.csv", b"a,b").unwrap(), file("销量 表.csv", b"").unwrap()];
        let text = announce(&files, "Sum it up.".to_owned());
        let first = "#File: /mnt/data/sales.csv\n#Size: 3\n#File uploaded\n";
        let second = "#File: /mnt/data/销量 表.csv\n#Size: 0\n#File uploaded\n";
        assert_eq!(text, format!("{first}{second}Sum it up."));
        assert_eq!(announce(&[], "Hello.".to_owned()), "Hello.");
    }

    #[test]
    fn a_name_with_folders_or_line_breaks_is_refused() {
        for name in ["", ".", "..", "a/b", "../x", "/etc/passwd", "a\\b", "a\n#File: /x"] {
            assert!(file(name, b"").is_err(), "{name:?}");
        }
    }
}
