//! ZeroMQ's wire protocol (ZMTP 3.0, RFC 23, mechanism NULL), the connecting side: as much as a Jupyter client needs.
//!
//! Written here because the other end is code that may be hostile: it can take a kernel's sockets and write anything
//! to them. The `zeromq` crate reserves the announced length of a frame at once and has no maximum, so nine bytes would
//! end the whole host. Here memory grows with what has really come, up to [`MAX_MESSAGE`]; what goes beyond is read,
//! counted and thrown away, so that the connection stays usable.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Bytes of a message that are kept, all its frames together.
pub(super) const MAX_MESSAGE: usize = 64 << 20;
/// Frames of a message that are kept; a Jupyter message has six and its buffers.
const MAX_FRAMES: usize = 64;
/// Bytes of a command; READY has less than a hundred.
const MAX_COMMAND: u64 = 4096;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Which socket the kernel's one is met with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketType {
    /// Shell, control and stdin.
    Dealer,
    /// IOPub.
    Sub,
}

impl SocketType {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Dealer => b"DEALER",
            Self::Sub => b"SUB",
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// As it was sent.
    Whole(Vec<u8>),
    /// Its length; it was not kept.
    TooLarge(u64),
}

/// Reads messages.
pub(super) struct Reader<R> {
    stream: BufReader<R>,
}

/// Writes messages.
pub(super) struct Writer<W> {
    stream: W,
}

/// Greets the other end. `identity` is what a ROUTER socket calls us by; may be empty.
pub(super) async fn handshake<R, W>(
    reader: R,
    mut writer: W,
    socket: SocketType,
    identity: &[u8],
) -> Result<(Reader<R>, Writer<W>)>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // Signature, version 3.0, mechanism, client, filler.
    let mut greeting = [0_u8; 64];
    for (byte, value) in greeting.iter_mut().zip(b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL") {
        *byte = *value;
    }
    writer.write_all(&greeting).await?;
    let mut reader = Reader { stream: BufReader::with_capacity(64 << 10, reader) };
    let mut theirs = [0_u8; 64];
    reader.stream.read_exact(&mut theirs).await?;
    match theirs {
        [0xFF, _, _, _, _, _, _, _, _, 0x7F, 3..=255, _, b'N', b'U', b'L', b'L', 0, ..] => {}
        _ => return Err(invalid("no ZMTP 3 greeting")),
    }

    let mut ready = Vec::from(*b"\x05READY");
    for (name, value) in [(b"Socket-Type".as_slice(), socket.name()), (b"Identity", identity)] {
        ready.push(u8::try_from(name.len()).unwrap_or_default());
        ready.extend_from_slice(name);
        ready.extend_from_slice(&u32::try_from(value.len()).unwrap_or_default().to_be_bytes());
        ready.extend_from_slice(value);
    }
    let mut writer = Writer { stream: writer };
    writer.frame(COMMAND, &ready).await?;
    writer.stream.flush().await?;
    let (flags, length) = reader.header().await?;
    if flags & COMMAND == 0 || length > MAX_COMMAND {
        return Err(invalid("no READY command"));
    }
    match reader.take(length).await? {
        command if command.starts_with(b"\x05READY") => Ok((reader, writer)),
        _ => Err(invalid("the kernel refused the connection")),
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// The next message. At the end of the stream, [`ErrorKind::UnexpectedEof`].
    pub(super) async fn message(&mut self) -> Result<Vec<Frame>> {
        let (mut frames, mut room) = (Vec::new(), MAX_MESSAGE);
        loop {
            let (flags, length) = self.header().await?;
            if flags & COMMAND != 0 {
                self.skip(length).await?;
                continue;
            }
            let fits = usize::try_from(length).is_ok_and(|length| length <= room);
            if fits && frames.len() < MAX_FRAMES {
                let frame = self.take(length).await?;
                room = room.saturating_sub(frame.len());
                frames.push(Frame::Whole(frame));
            } else {
                self.skip(length).await?;
                if frames.len() < MAX_FRAMES {
                    frames.push(Frame::TooLarge(length));
                }
            }
            if flags & MORE == 0 {
                return Ok(frames);
            }
        }
    }

    /// Flags and length of a frame.
    async fn header(&mut self) -> Result<(u8, u64)> {
        let flags = self.stream.read_u8().await?;
        if flags & !(MORE | LONG | COMMAND) != 0 {
            return Err(invalid("a frame with unknown flags"));
        }
        let length =
            if flags & LONG == 0 { u64::from(self.stream.read_u8().await?) } else { self.stream.read_u64().await? };
        Ok((flags, length))
    }

    /// `length` bytes. Memory grows as they come.
    async fn take(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(length).read_to_end(&mut bytes).await?;
        if read as u64 == length { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads `length` bytes and throws them away.
    async fn skip(&mut self, length: u64) -> Result<()> {
        let skipped = tokio::io::copy_buf(&mut (&mut self.stream).take(length), &mut tokio::io::sink()).await?;
        if skipped == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Sends a message of these frames.
    pub(super) async fn message(&mut self, frames: &[&[u8]]) -> Result<()> {
        let last = frames.len().saturating_sub(1);
        for (at, frame) in frames.iter().enumerate() {
            self.frame(if at < last { MORE } else { 0 }, frame).await?;
        }
        self.stream.flush().await
    }

    /// Subscribes a SUB socket to everything.
    pub(super) async fn subscribe(&mut self) -> Result<()> {
        self.message(&[b"\x01"]).await
    }

    async fn frame(&mut self, flags: u8, body: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(body.len().saturating_add(9));
        match u8::try_from(body.len()) {
            Ok(length) => bytes.extend_from_slice(&[flags, length]),
            Err(_) => {
                bytes.push(flags | LONG);
                bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(body);
        self.stream.write_all(&bytes).await
    }
}

fn invalid(problem: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
#[path = "zmtp_tests.rs"]
mod tests;
