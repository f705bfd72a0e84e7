//! Jupyter messages: signing and splitting what goes over ZeroMQ, and the few members of a header that matter.
//!
//! Format: <https://jupyter-client.readthedocs.io/en/stable/messaging.html>. What is sent is made with
//! `jupyter-protocol`'s types. What comes is read leniently and by need (see [`content`](super::content)): a typed reply
//! with one odd member would be a lost reply, and a lost reply a cell that never ends.

use hmac::{Hmac, Mac};
use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::zmtp::Frame;
use crate::InterpreterError;
use crate::hex::hex;

/// Between a socket's identities and the message.
const DELIMITER: &[u8] = b"<IDS|MSG>";

/// Where a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Shell,
    Control,
    Stdin,
    Iopub,
}

impl Channel {
    /// Its name in Jupyter Server's frames.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Control => "control",
            Self::Stdin => "stdin",
            Self::Iopub => "iopub",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Shell, Self::Control, Self::Stdin, Self::Iopub].into_iter().find(|channel| channel.name() == name)
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// JSON, not looked at yet.
    Json(Vec<u8>),
    /// Too large to keep; its bytes.
    TooLarge(u64),
}

/// A message from the kernel.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) channel: Channel,
    /// Such as `stream`.
    pub(super) kind: String,
    /// The `msg_id` of the request that it belongs to.
    pub(super) parent: Option<String>,
    /// The whole header, for replies to it.
    pub(super) header: Box<RawValue>,
    pub(super) body: Body,
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("no `<IDS|MSG>`")]
    Delimiter,
    #[error("less than the five parts of a message")]
    Parts,
    #[error("the signature is wrong")]
    Signature,
    #[error("the header is no JSON object with `msg_type`")]
    Header,
}

/// The members of a header that matter.
#[derive(Deserialize)]
struct Header {
    msg_type: String,
}

#[derive(Deserialize)]
struct ParentHeader {
    msg_id: String,
}

impl Message {
    /// From its parts, as they are the same on every transport.
    pub(super) fn from_parts(channel: Channel, header: &[u8], parent: &[u8], body: Body) -> Result<Self, Unreadable> {
        let header: &RawValue = serde_json::from_slice(header).map_err(|_| Unreadable::Header)?;
        let Header { msg_type } = serde_json::from_str(header.get()).map_err(|_| Unreadable::Header)?;
        let parent = serde_json::from_slice::<ParentHeader>(parent).ok().map(|parent| parent.msg_id);
        Ok(Self { channel, kind: msg_type, parent, header: header.to_owned(), body })
    }
}

/// A message to the kernel.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) channel: Channel,
    /// Its `msg_id`.
    pub(super) id: String,
    /// Header, parent header, metadata and content, as JSON.
    pub(super) parts: [Vec<u8>; 4],
}

impl Request {
    /// `parent` is the header of the message that this answers.
    pub(super) fn new(
        channel: Channel,
        session: &str,
        content: impl Into<JupyterMessageContent>,
        parent: Option<&RawValue>,
    ) -> Result<Self, InterpreterError> {
        let message = JupyterMessage::new(content, None).with_session(session);
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(InterpreterError::backend);
        Ok(Self {
            channel,
            id: message.header.msg_id.clone(),
            parts: [
                json(serde_json::to_vec(&message.header))?,
                parent.map_or_else(|| b"{}".to_vec(), |parent| parent.get().as_bytes().to_vec()),
                b"{}".to_vec(),
                json(serde_json::to_vec(&message.content))?,
            ],
        })
    }
}

/// Signs and verifies, by HMAC-SHA256. It tells the kernel that the request is ours; that a message is the kernel's own
/// it cannot tell, because the code that runs there can read the key.
#[derive(Clone)]
pub(super) struct Signer {
    key: Hmac<Sha256>,
}

impl Signer {
    pub(super) fn new(key: &str) -> Result<Self, InterpreterError> {
        Ok(Self { key: Hmac::new_from_slice(key.as_bytes()).map_err(InterpreterError::backend)? })
    }

    fn digest(&self, parts: [&[u8]; 4]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// The frames of a request.
    pub(super) fn frames(&self, request: &Request) -> Vec<Vec<u8>> {
        let [header, parent, metadata, content] = &request.parts;
        let mac = self.digest([header, parent, metadata, content]).finalize().into_bytes();
        let mut frames = vec![DELIMITER.to_vec(), hex(&mac).into_bytes()];
        frames.extend(request.parts.iter().cloned());
        frames
    }

    /// The message of frames that came over `channel`.
    pub(super) fn message(&self, channel: Channel, frames: Vec<Frame>) -> Result<Message, Unreadable> {
        let mut frames =
            frames.into_iter().skip_while(|frame| !matches!(frame, Frame::Whole(part) if part == DELIMITER));
        frames.next().ok_or(Unreadable::Delimiter)?;
        let mut next = || frames.next().ok_or(Unreadable::Parts);
        let (signature, header, parent, metadata, content) = (next()?, next()?, next()?, next()?, next()?);
        let (Frame::Whole(signature), Frame::Whole(header), Frame::Whole(parent), Frame::Whole(metadata)) =
            (signature, header, parent, metadata)
        else {
            return Err(Unreadable::Parts);
        };
        match content {
            Frame::Whole(content) => {
                let mac = self.digest([&header, &parent, &metadata, &content]);
                mac.verify_slice(&unhex(&signature)).map_err(|_| Unreadable::Signature)?;
                Message::from_parts(channel, &header, &parent, Body::Json(content))
            }
            // Its signature cannot be checked any more. All that comes of it is a number of bytes.
            Frame::TooLarge(bytes) => Message::from_parts(channel, &header, &parent, Body::TooLarge(bytes)),
        }
    }
}

/// Bytes of hexadecimal digits; empty where they are none, which is no signature.
fn unhex(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)?.wrapping_shl(4) | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().unwrap_or_default()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
