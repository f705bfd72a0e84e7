//! Messages in a Jupyter server's websocket: the binary frames of `v1.kernel.websocket.jupyter.org`, and the JSON of
//! servers that do not know them.
//!
//! Format: <https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html>. Read and written here,
//! because crate `jupyter-websocket-client` sends an `input_reply` over the shell channel, loses a reply with one odd
//! member, and adds up the lengths that a frame claims without looking.

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::super::message::{Body, Channel, Message, Request, Unreadable};

/// The subprotocol with binary frames.
pub(super) const BINARY: &str = "v1.kernel.websocket.jupyter.org";

/// How a server wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Binary,
    Json,
}

impl Protocol {
    /// A request as a frame.
    pub(super) fn frame(self, request: &Request) -> Frame {
        let [header, parent, metadata, content] = &request.parts;
        match self {
            Self::Binary => {
                let parts = [request.channel.name().as_bytes(), header, parent, metadata, content];
                let start = 8_usize.saturating_mul(parts.len().saturating_add(2)) as u64;
                let mut frame = (parts.len() as u64).saturating_add(1).to_le_bytes().to_vec();
                let mut offset = start;
                frame.extend_from_slice(&offset.to_le_bytes());
                for part in parts {
                    offset = offset.saturating_add(part.len() as u64);
                    frame.extend_from_slice(&offset.to_le_bytes());
                }
                for part in parts {
                    frame.extend_from_slice(part);
                }
                Frame::binary(frame)
            }
            Self::Json => {
                let part = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                Frame::text(format!(
                    r#"{{"channel":"{}","header":{},"parent_header":{},"metadata":{},"content":{},"buffers":[]}}"#,
                    request.channel.name(),
                    part(header),
                    part(parent),
                    part(metadata),
                    part(content)
                ))
            }
        }
    }
}

/// The members of a message in JSON.
#[derive(Deserialize)]
struct Json<'a> {
    channel: String,
    #[serde(borrow)]
    header: &'a RawValue,
    #[serde(borrow, default)]
    parent_header: Option<&'a RawValue>,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// The message of a frame; `None` where a frame carries none.
pub(super) fn message(frame: &Frame) -> Option<Result<Message, Unreadable>> {
    match frame {
        Frame::Binary(bytes) => Some(binary(bytes)),
        Frame::Text(text) => Some(json(text)),
        _ => None,
    }
}

fn binary(bytes: &[u8]) -> Result<Message, Unreadable> {
    let number = |at: usize| -> Option<usize> {
        let start = at.checked_mul(8)?;
        let number = bytes.get(start..start.checked_add(8)?)?;
        usize::try_from(u64::from_le_bytes(number.try_into().ok()?)).ok()
    };
    // The offset of each part, and that of the end. Buffers may follow, and are not for us.
    let part = |at: usize| -> Result<&[u8], Unreadable> {
        let offsets = (number(at.saturating_add(1)), number(at.saturating_add(2)));
        let (Some(from), Some(to)) = offsets else { return Err(Unreadable::Parts) };
        bytes.get(from..to).ok_or(Unreadable::Parts)
    };
    if number(0).is_none_or(|count| count < 6) {
        return Err(Unreadable::Parts);
    }
    let name = std::str::from_utf8(part(0)?).map_err(|_| Unreadable::Parts)?;
    let channel = Channel::from_name(name).ok_or(Unreadable::Parts)?;
    Message::from_parts(channel, part(1)?, part(2)?, Body::Json(part(4)?.to_vec()))
}

fn json(text: &str) -> Result<Message, Unreadable> {
    let json: Json<'_> = serde_json::from_str(text).map_err(|_| Unreadable::Parts)?;
    let channel = Channel::from_name(&json.channel).ok_or(Unreadable::Parts)?;
    let parent = json.parent_header.map_or("{}", RawValue::get);
    let body = Body::Json(json.content.get().as_bytes().to_vec());
    Message::from_parts(channel, json.header.get().as_bytes(), parent.as_bytes(), body)
}

#[cfg(test)]
mod tests {
    use jupyter_protocol::InputReply;
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{changed, changes, edited, edits, odd_number};

    fn request() -> Request {
        let reply = InputReply { value: "a".into(), ..InputReply::default() };
        Request::new(Channel::Stdin, "session", reply, None).unwrap()
    }

    #[test]
    fn a_message_reads_back_in_both_forms_and_on_its_channel() {
        for protocol in [Protocol::Binary, Protocol::Json] {
            let request = request();
            let read = message(&protocol.frame(&request)).unwrap().unwrap();
            assert_eq!((read.channel, read.kind.as_str()), (Channel::Stdin, "input_reply"));
            assert_eq!(read.body, Body::Json(request.parts[3].clone()));
        }
    }

    #[test]
    fn offsets_that_lead_anywhere_are_refused() {
        let Frame::Binary(good) = Protocol::Binary.frame(&request()) else { panic!() };
        for at in 0..7 {
            for value in [0, 1, 1 << 40, u64::MAX, u64::MAX / 8] {
                let mut bytes = good.to_vec();
                bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_le_bytes());
                let _ = binary(&bytes);
            }
        }
        assert_eq!(binary(&u64::MAX.to_le_bytes()).unwrap_err(), Unreadable::Parts);
    }

    proptest! {
        #[test]
        fn any_frame_gives_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
            let _ = binary(&bytes);
            let _ = json(&text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn tampered_binary_frames_give_a_message_or_an_error(
            offset in proptest::option::of((0_usize..7, odd_number())), changes in changes(),
        ) {
            let Frame::Binary(good) = Protocol::Binary.frame(&request()) else { panic!() };
            let mut bytes = good.to_vec();
            if let Some((at, number)) = offset {
                bytes[at * 8..at * 8 + 8].copy_from_slice(&number.to_le_bytes());
            }
            if let Ok(read) = binary(&changed(&bytes, &changes)) {
                let Body::Json(body) = read.body else { panic!() };
                // Nothing is made of what is not in the frame.
                prop_assert!(body.len() <= bytes.len() + 64 + good.len() * 8);
            }
        }

        #[test]
        fn tampered_json_frames_give_a_message_or_an_error(edits in edits(), changes in changes()) {
            let Frame::Text(good) = Protocol::Json.frame(&request()) else { panic!() };
            let frame = edited(&serde_json::from_str(&good).unwrap(), &edits);
            let read = json(&frame.to_string());
            let right = frame["channel"].as_str().is_some_and(|name| Channel::from_name(name).is_some())
                && (frame["header"]["msg_type"].is_string()
                    || frame["header"].as_array().is_some_and(|items| items.len() == 1 && items[0].is_string()))
                && frame.get("content").is_some();
            prop_assert_eq!(read.is_ok(), right, "{}", frame);
            let _ = json(&String::from_utf8_lossy(&changed(good.as_bytes(), &changes)));
        }
    }
}
