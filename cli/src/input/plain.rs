//! Standard input that is no terminal.

use std::io::{BufRead, Read as _};

use tokio::sync::{mpsc, oneshot};

use super::{Line, MOST_BYTES};
use crate::error::CliError;

/// Lines from a thread of their own: reading cannot be cancelled, and must not keep the program from ending.
pub(crate) struct Lines {
    lines: mpsc::Receiver<Line>,
}

impl Lines {
    pub(super) fn open() -> Result<Self, CliError> {
        // Room for one: the thread is at most a line ahead.
        let (sender, lines) = mpsc::channel(1);
        spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let line = next_line(&mut input, MOST_BYTES);
                let last = line == Line::End;
                if sender.blocking_send(line).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { lines })
    }

    /// The next line. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Line {
        self.lines.recv().await.unwrap_or(Line::End)
    }
}

/// All of standard input, as one text without the line breaks at its end.
///
/// # Errors
/// [`CliError::Input`] where it is no text, empty or too long, or cannot be read.
pub(crate) async fn read_all() -> Result<String, CliError> {
    let (sender, text) = oneshot::channel();
    spawn(move || {
        let mut bytes = Vec::new();
        let result = std::io::stdin().lock().take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes);
        // The receiver is gone when the program ends meanwhile.
        let _ = sender.send(result.map(|_| bytes));
    })?;
    let bad = |problem: String, hint| CliError::Input { problem, hint };
    let ended = || bad("standard input could not be read".to_owned(), "pass the question as an argument");
    let bytes = text.await.map_err(|_| ended())?;
    let bytes = bytes.map_err(|error| {
        bad(format!("standard input could not be read: {error}"), "pass the question as an argument")
    })?;
    match text_of(bytes, MOST_BYTES) {
        Line::Text(text) if text.trim().is_empty() => {
            Err(bad("standard input held no question".to_owned(), "pass it as an argument, or pipe it in"))
        }
        Line::Text(text) => Ok(text),
        Line::Unusable(problem, hint) => Err(bad(format!("standard input: {problem}"), hint)),
        Line::Interrupted | Line::End => Err(ended()),
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), CliError> {
    let thread = std::thread::Builder::new().name("stdin".to_owned()).spawn(work);
    thread.map(drop).map_err(|source| CliError::Start { what: "a thread for standard input", source })
}

/// The next line of `input`, at most `most` bytes of it; the rest of a longer one is skipped.
fn next_line(input: &mut impl BufRead, most: usize) -> Line {
    let mut bytes = Vec::new();
    match input.by_ref().take(most as u64 + 1).read_until(b'\n', &mut bytes) {
        Ok(0) => return Line::End,
        Ok(_) => {}
        Err(error) => {
            return Line::Unusable(format!("it could not be read: {error}"), "check where standard input comes from");
        }
    }
    if bytes.len() > most && !bytes.ends_with(b"\n") && skip_line(input).is_err() {
        return Line::End;
    }
    text_of(bytes, most)
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                return {
                    input.consume(at.saturating_add(1));
                    Ok(())
                };
            }
            None => {
                let all = buffer.len();
                input.consume(all);
            }
        }
    }
}

fn text_of(mut bytes: Vec<u8>, most: usize) -> Line {
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() > most {
        return Line::Unusable(
            format!("the text is longer than {} MiB", most >> 20),
            "shorten it; no context holds so much",
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            Line::Unusable(
                format!("byte {at} (0x{byte:02x}) is not UTF-8"),
                "convert it to UTF-8, with iconv for example",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut bytes: &[u8], most: usize) -> Vec<Line> {
        let mut found = Vec::new();
        loop {
            match next_line(&mut bytes, most) {
                Line::End => return found,
                line => found.push(line),
            }
        }
    }

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    #[test]
    fn lines_end_with_a_break_or_with_the_input() {
        assert_eq!(lines("一\r\n\ntwo".as_bytes(), 100), [text("一"), text(""), text("two")]);
        assert_eq!(lines(b"a\0b\n", 100), [text("a\0b")]);
        assert_eq!(lines(b"", 100), []);
    }

    #[test]
    fn a_line_that_is_no_text_is_named_and_the_next_one_is_read() {
        let found = lines(b"ok\xff\nnext\n", 100);
        let Line::Unusable(problem, _) = &found[0] else { panic!("{found:?}") };
        assert_eq!(problem, "byte 2 (0xff) is not UTF-8");
        assert_eq!(found[1], text("next"));
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_whole() {
        let input = [vec![b'x'; 1 << 21], b"\nnext\n".to_vec()].concat();
        let found = lines(&input, 1 << 20);
        let Line::Unusable(problem, _) = &found[0] else { panic!("{found:?}") };
        assert_eq!(problem, "the text is longer than 1 MiB");
        assert_eq!(found[1..], [text("next")]);
        let exact = [vec![b'x'; 1 << 20], b"\nnext".to_vec()].concat();
        assert_eq!(lines(&exact, 1 << 20), [text(&"x".repeat(1 << 20)), text("next")]);
    }
}
