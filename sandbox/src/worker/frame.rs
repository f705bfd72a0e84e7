//! Frames: the length of the head in four bytes, that of the body in eight, both little-endian; the head in JSON; the body.
//!
//! Both ends read with the same bounds. Nothing is allocated because a frame announces it, only for what has come; and
//! JSON is looked at before it is parsed, as a parsed value can take fifty times the length of its text.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Values, members and items of a head, at most.
const MAX_PIECES: usize = 2_000_000;
/// How deep a head may be nested. The parser would refuse 128.
const MAX_DEPTH: usize = 120;

/// The longest frames that are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Bytes of a head.
    pub(super) head: u64,
    /// Bytes of a body.
    pub(super) body: u64,
}

/// A message as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The stream failed, or ended in the middle of a frame.
    #[error("{0}")]
    Stream(#[from] io::Error),
    /// The frame is longer than any.
    #[error("a frame of {announced} bytes, where {most} are the most")]
    TooLong { announced: u64, most: u64 },
    /// The head is no message.
    #[error("{0}")]
    NoMessage(String),
}

impl Frame {
    /// The frame of a message.
    pub(super) fn new(message: &impl Serialize, body: Vec<u8>) -> io::Result<Self> {
        Ok(Self { head: serde_json::to_vec(message)?, body })
    }

    /// The message.
    pub(super) fn message<T: DeserializeOwned>(&self) -> Result<T, Broken> {
        check(&self.head).map_err(|problem| Broken::NoMessage(problem.to_owned()))?;
        serde_json::from_slice(&self.head).map_err(|error| Broken::NoMessage(error.to_string()))
    }
}

/// Whether a reader takes the head of this frame.
pub(super) fn fits(frame: &Frame, caps: Caps) -> bool {
    frame.head.len() as u64 <= caps.head && frame.body.len() as u64 <= caps.body && check(&frame.head).is_ok()
}

/// Looks at JSON without parsing it: how deep, and how many pieces.
pub(super) fn check(json: &[u8]) -> Result<(), &'static str> {
    let (mut depth, mut pieces, mut text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        if text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => text = true,
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                pieces = pieces.saturating_add(1);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => pieces = pieces.saturating_add(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err("it is nested too deep");
        }
        if pieces > MAX_PIECES {
            return Err("it has too many pieces");
        }
    }
    Ok(())
}

/// Reads a frame; none at the end of the stream. Not cancel safe.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), caps: Caps) -> Result<Option<Frame>, Broken> {
    let mut lengths = [0; 12];
    let first = from.read(&mut lengths).await?;
    if first == 0 {
        return Ok(None);
    }
    if let Some(rest) = lengths.get_mut(first..) {
        from.read_exact(rest).await?;
    }
    let (head, body) = lengths.split_at(4);
    let head = head.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    let body = body.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(Some(Frame { head: part(from, head, caps.head).await?, body: part(from, body, caps.body).await? }))
}

async fn part(from: &mut (impl AsyncRead + Unpin), announced: u64, most: u64) -> Result<Vec<u8>, Broken> {
    if announced > most {
        return Err(Broken::TooLong { announced, most });
    }
    let mut bytes = Vec::new();
    from.take(announced).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == announced { Ok(bytes) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
}

/// Writes a frame.
pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let head = u32::try_from(frame.head.len()).map_err(io::Error::other)?;
    let mut first = Vec::with_capacity(frame.head.len().saturating_add(12));
    first.extend_from_slice(&head.to_le_bytes());
    first.extend_from_slice(&(frame.body.len() as u64).to_le_bytes());
    first.extend_from_slice(&frame.head);
    to.write_all(&first).await?;
    to.write_all(&frame.body).await?;
    to.flush().await
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
