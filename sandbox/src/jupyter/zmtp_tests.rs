//! What a kernel's sockets may say, and what comes of it.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

use super::*;
use crate::fuzz::{changed, changes};

/// A peer's greeting and READY, as libzmq sends them.
fn hello() -> Vec<u8> {
    let mut bytes = b"\xFF\0\0\0\0\0\0\0\x01\x7F\x03\x01NULL".to_vec();
    bytes.resize(64, 0);
    let ready = b"\x05READY\x0BSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0";
    bytes.extend_from_slice(&[COMMAND, ready.len() as u8]);
    bytes.extend_from_slice(ready);
    bytes
}

/// Connects to a peer that says `hello` and then `bytes`, and closes.
async fn reader_of(bytes: &[u8]) -> (Reader<tokio::io::ReadHalf<DuplexStream>>, tokio::task::JoinHandle<()>) {
    let (ours, mut theirs) = duplex(1 << 16);
    let said = [hello(), bytes.to_vec()].concat();
    let peer = tokio::spawn(async move {
        // It hears us to the end: a peer that closes would be another error.
        let _ = theirs.write_all(&said).await;
        let _ = theirs.shutdown().await;
        let _ = theirs.read_to_end(&mut Vec::new()).await;
    });
    let (read, write) = split(ours);
    let (reader, _) = handshake(read, write, SocketType::Dealer, b"us").await.unwrap();
    (reader, peer)
}

#[tokio::test]
async fn messages_come_whole_and_commands_between_them_are_passed_over() {
    let long = vec![7_u8; 300];
    let mut bytes = vec![MORE, 2, b'a', b'b', COMMAND, 1, b'x', LONG];
    bytes.extend_from_slice(&300_u64.to_be_bytes());
    bytes.extend_from_slice(&long);
    let (mut reader, _peer) = reader_of(&bytes).await;
    assert_eq!(reader.message().await.unwrap(), [Frame::Whole(b"ab".to_vec()), Frame::Whole(long)]);
    assert_eq!(reader.message().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_frame_that_announces_more_than_there_is_memory_for_takes_none() {
    for announced in [u64::MAX, 1 << 62, 1 << 40] {
        let bytes = [&[LONG][..], &announced.to_be_bytes(), b"few"].concat();
        let (mut reader, _peer) = reader_of(&bytes).await;
        assert_eq!(reader.message().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_frame_past_the_limit_is_counted_and_the_next_message_is_read() {
    let over = MAX_MESSAGE + 1;
    let mut bytes = vec![MORE, 1, b'h', LONG];
    bytes.extend_from_slice(&(over as u64).to_be_bytes());
    bytes.resize(bytes.len() + over, b'.');
    bytes.extend_from_slice(&[0, 1, b'n']);
    let (mut reader, _peer) = reader_of(&bytes).await;
    assert_eq!(reader.message().await.unwrap(), [Frame::Whole(b"h".to_vec()), Frame::TooLarge(over as u64)]);
    assert_eq!(reader.message().await.unwrap(), [Frame::Whole(b"n".to_vec())]);
}

#[tokio::test]
async fn a_message_of_endless_frames_keeps_a_bounded_number() {
    let mut bytes = [MORE, 0].repeat(100_000);
    bytes.extend_from_slice(&[0, 0]);
    let (mut reader, _peer) = reader_of(&bytes).await;
    assert_eq!(reader.message().await.unwrap().len(), MAX_FRAMES);
}

#[tokio::test]
async fn what_is_sent_is_what_a_zeromq_socket_reads() {
    let (ours, mut theirs) = duplex(1 << 16);
    theirs.write_all(&hello()).await.unwrap();
    let (read, write) = split(ours);
    let (_reader, mut writer) = handshake(read, write, SocketType::Sub, b"").await.unwrap();
    writer.subscribe().await.unwrap();
    writer.message(&[b"a", &[b'b'; 256]]).await.unwrap();
    drop((_reader, writer));
    let mut said = Vec::new();
    theirs.read_to_end(&mut said).await.unwrap();
    let ready = b"\x04\x26\x05READY\x0BSocket-Type\0\0\0\x03SUB\x08Identity\0\0\0\0";
    let mut expected = b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL".to_vec();
    expected.resize(64, 0);
    expected.extend_from_slice(ready);
    expected.extend_from_slice(b"\0\x01\x01\x01\x01a\x02\0\0\0\0\0\0\x01\0");
    expected.extend_from_slice(&[b'b'; 256]);
    assert_eq!(said, expected);
}

#[tokio::test]
async fn whoever_does_not_greet_is_refused() {
    for said in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xFF; 200], &[0; 200]] {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(said).await.unwrap();
        drop(theirs);
        let (read, write) = split(ours);
        assert!(handshake(read, write, SocketType::Sub, b"").await.is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_give_messages_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut reader, peer) = reader_of(&bytes).await;
            // Each message takes at least two bytes, so this ends.
            while reader.message().await.is_ok() {}
            drop(reader);
            peer.await.unwrap();
        });
    }
}

/// Messages as a peer may send them, with a command after each frame where `command` says so.
fn sent(messages: &[Vec<Vec<u8>>], long: bool, command: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        for (at, frame) in message.iter().enumerate() {
            let more = if at + 1 < message.len() { MORE } else { 0 };
            match u8::try_from(frame.len()) {
                Ok(length) if !long => bytes.extend_from_slice(&[more, length]),
                _ => {
                    bytes.push(more | LONG);
                    bytes.extend_from_slice(&(frame.len() as u64).to_be_bytes());
                }
            }
            bytes.extend_from_slice(frame);
            if command {
                bytes.extend_from_slice(b"\x04\x05\x04PING");
            }
        }
    }
    bytes
}

fn messages() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let frame = proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec(proptest::collection::vec(frame, 1..8), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn messages_are_read_as_they_were_sent_and_tampered_ones_give_messages_or_an_error(
        messages in messages(), long: bool, command: bool, changes in changes(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bytes = sent(&messages, long, command);
            let (mut reader, _peer) = reader_of(&bytes).await;
            for message in &messages {
                let frames: Vec<_> = message.iter().cloned().map(Frame::Whole).collect();
                prop_assert_eq!(reader.message().await.unwrap(), frames);
            }
            prop_assert!(reader.message().await.is_err());

            let bytes = changed(&bytes, &changes);
            let (mut reader, _peer) = reader_of(&bytes).await;
            let mut kept = 0;
            while let Ok(frames) = reader.message().await {
                kept += frames.iter().map(|frame| if let Frame::Whole(bytes) = frame { bytes.len() } else { 0 }).sum::<usize>();
            }
            // Nothing is made of what did not come.
            prop_assert!(kept <= bytes.len());
            Ok(())
        })?;
    }
}
