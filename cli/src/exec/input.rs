//! Standard input as what `input()` reads.

use std::io::BufRead as _;

use async_trait::async_trait;
use glassbox::sandbox::InputSource;

/// Reads lines of standard input.
#[derive(Debug)]
pub(crate) struct StandardInput;

#[async_trait]
impl InputSource for StandardInput {
    async fn line(&self, prompt: &str, _hidden: bool) -> Option<String> {
        let prompt = prompt.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            // Where standard error is gone, nobody sees the prompt; the answer may come all the same.
            let _ = write!(std::io::stderr(), "{}", crate::ui::printable(&prompt));
            let _ = std::io::stderr().flush();
            let mut line = String::new();
            match std::io::stdin().lock().read_line(&mut line) {
                Ok(0) | Err(_) => None,
                Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
            }
        });
        read.await.ok().flatten()
    }
}
