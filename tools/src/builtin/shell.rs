//! `shell`: runs a command.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::{ToolContext, tool};

/// How long output is still read after the shell has ended, from processes that it left behind.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// The tool `shell(command)`: runs a command with `sh -c`, as the user who runs the program, with all that user's
/// rights and no sandbox. It is in no default set and, being `destructive`, is refused unless an
/// [`Approver`](crate::Approver) says yes.
///
/// The command has no input. It and everything it started in its process group are killed when the call is cancelled or
/// its time is up, and what it leaves in the background is killed when it ends.
#[derive(Debug, Clone)]
pub struct Shell {
    directory: Option<PathBuf>,
    kept: usize,
}

impl Default for Shell {
    fn default() -> Self {
        Self { directory: None, kept: 1024 * 1024 }
    }
}

/// The command could not be run.
#[derive(Debug, thiserror::Error)]
#[error("the shell could not be run: {source}")]
pub struct ShellError {
    #[from]
    source: std::io::Error,
}

impl Shell {
    /// Runs commands in the program's own working directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs commands in `directory`.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Keeps at most `bytes` bytes of a command's output, half of its beginning and half of its end. Default: 1 MiB.
    #[must_use]
    pub fn keeping(mut self, bytes: usize) -> Self {
        self.kept = bytes;
        self
    }

    fn spawn(&self, command: &str) -> std::io::Result<Child> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what the shell starts can be killed with it.
        shell.process_group(0).kill_on_drop(true);
        if let Some(directory) = &self.directory {
            shell.current_dir(directory);
        }
        shell.spawn()
    }
}

#[tool]
impl Shell {
    /// Run a command with `sh -c` and return what it prints (stdout and stderr together) and its exit code.
    #[tool(destructive, open_world)]
    pub async fn shell(
        &self,
        /// The command line.
        command: String,
        context: &ToolContext,
    ) -> Result<String, ShellError> {
        if command.contains('\0') {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the command contains a NUL byte").into());
        }
        let mut child = self.spawn(&command)?;
        let mut group = Group::of(&child);
        let mut output = Kept::new(self.kept);
        let (mut out, mut err) = (Stream::new(child.stdout.take()), Stream::new(child.stderr.take()));
        let mut ended: Option<ExitStatus> = None;
        let afterwards = tokio::time::sleep(Duration::MAX);
        tokio::pin!(afterwards);
        while ended.is_none() || out.is_open() || err.is_open() {
            tokio::select! {
                text = out.read(), if out.is_open() => output.take(text?, context),
                text = err.read(), if err.is_open() => output.take(text?, context),
                status = child.wait(), if ended.is_none() => {
                    ended = Some(status?);
                    afterwards.as_mut().reset(tokio::time::Instant::now() + AFTERWARDS);
                }
                () = &mut afterwards, if ended.is_some() => break,
            }
        }
        if !out.is_open() && !err.is_open() {
            // Nobody holds the pipes, so nothing is left to kill, and the group's number may soon be another's.
            group.disarm();
        }
        let text = output.text();
        let text = text.trim_end_matches('\n');
        let status = ended.map_or_else(|| "unknown".to_owned(), exit);
        Ok(if text.is_empty() { format!("(no output)\n[{status}]") } else { format!("{text}\n[{status}]") })
    }
}

fn exit(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Kills a process group when it is dropped: at the end, and when the call is cancelled.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails where nobody is left, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// One of the command's pipes, read as text.
struct Stream<R> {
    pipe: Option<R>,
    buffer: Vec<u8>,
    /// The beginning of a character whose end has not come yet.
    half: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    fn new(pipe: Option<R>) -> Self {
        Self { pipe, buffer: vec![0; 8192], half: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// The next text; at the end of the pipe, what is left. Safe to drop between two polls: nothing is read then.
    async fn read(&mut self) -> std::io::Result<String> {
        let Some(pipe) = &mut self.pipe else { return Ok(String::new()) };
        let count = pipe.read(&mut self.buffer).await?;
        if count == 0 {
            self.pipe = None;
        }
        self.half.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
        let whole = if self.pipe.is_some() { whole_characters(&self.half) } else { self.half.len() };
        let rest = self.half.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.half, rest)).into_owned();
        Ok(text)
    }
}

/// How many of the bytes are there before a character that is not complete. Bytes that are no text at all count as whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut end = 0;
    for chunk in bytes.utf8_chunks() {
        end += chunk.valid().len();
        let invalid = chunk.invalid().len();
        if end + invalid == bytes.len()
            && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none())
        {
            return end;
        }
        end += invalid;
    }
    end
}

/// The beginning and the end of a long text.
struct Kept {
    half: usize,
    head: String,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Kept {
    fn new(bytes: usize) -> Self {
        Self { half: bytes / 2, head: String::new(), tail: VecDeque::new(), left_out: 0 }
    }

    fn take(&mut self, text: String, context: &ToolContext) {
        context.emit(&text);
        let room = if self.tail.is_empty() { self.half.saturating_sub(self.head.len()) } else { 0 };
        let (head, tail) = text.split_at_checked(text.floor_char_boundary(room)).unwrap_or_default();
        self.head.push_str(head);
        self.tail.extend(tail.bytes());
        let too_many = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..too_many);
        self.left_out += too_many;
    }

    fn text(self) -> String {
        let Self { mut head, tail, left_out, .. } = self;
        let tail = Vec::from(tail);
        if left_out > 0 {
            head.push_str(&format!("\n[… {left_out} bytes were not kept …]\n"));
        }
        head + &String::from_utf8_lossy(&tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_not_complete_waits_for_its_end() {
        let text = "天气".as_bytes();
        assert_eq!(whole_characters(text), 6);
        assert_eq!(whole_characters(&text[..4]), 3);
        assert_eq!(whole_characters(&text[..5]), 3);
        assert_eq!(whole_characters(b"ab\xff\xff"), 4, "what can never become text is not waited for");
        assert_eq!(whole_characters(b"\xff\xe5"), 1);
    }

    #[tokio::test]
    async fn a_pipe_that_splits_characters_gives_whole_ones() {
        let (mut writer, reader) = tokio::io::duplex(5);
        let text = "天气预报 🌤 zażółć".repeat(20);
        let sent = text.clone();
        let writing =
            tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut writer, sent.as_bytes()).await });
        let mut stream = Stream::new(Some(reader));
        let mut got = String::new();
        while stream.is_open() {
            got.push_str(&stream.read().await.unwrap());
        }
        writing.await.unwrap().unwrap();
        assert_eq!(got, text);
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let mut kept = Kept::new(20);
        for n in 0..1000 {
            kept.take(format!("{n} "), &ToolContext::default());
        }
        let text = kept.text();
        assert!(text.starts_with("0 1 2 3 4 ") && text.ends_with("998 999 "), "{text}");
        assert!(text.contains("bytes were not kept"), "{text}");
        let mut kept = Kept::new(20);
        kept.take("short".into(), &ToolContext::default());
        assert_eq!(kept.text(), "short");
    }
}
