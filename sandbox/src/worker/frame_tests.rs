use proptest::prelude::*;

use super::*;

const CAPS: Caps = Caps { head: 1 << 10, body: 1 << 12 };

fn read_all(bytes: &[u8]) -> (Vec<Frame>, Option<Broken>) {
    futures::executor::block_on(async {
        let (mut from, mut frames) = (bytes, Vec::new());
        loop {
            match read(&mut from, CAPS).await {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(broken) => return (frames, Some(broken)),
            }
        }
    })
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    futures::executor::block_on(write(&mut bytes, frame)).unwrap();
    bytes
}

#[test]
fn a_length_that_is_announced_is_not_allocated() {
    for bytes in [
        [0xff; 12],
        [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(matches!(read_all(&bytes), (none, Some(Broken::TooLong { .. })) if none.is_empty()));
    }
    // Within the bounds, but it never comes.
    let bytes = [0, 4, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, b'x'];
    assert!(matches!(read_all(&bytes), (none, Some(Broken::Stream(_))) if none.is_empty()));
}

#[test]
fn deep_and_wide_heads_are_refused_before_they_are_parsed() {
    let message = |head: Vec<u8>| Frame { head, body: Vec::new() }.message::<serde_json::Value>();
    assert!(matches!(message(b"[".repeat(1_000_000)), Err(Broken::NoMessage(_))));
    assert!(matches!(message(b"[1,".repeat(100_000)), Err(Broken::NoMessage(_))));
    let mut wide = b"[1".to_vec();
    wide.extend(b",1".repeat(MAX_PIECES));
    wide.push(b']');
    assert!(matches!(message(wide), Err(Broken::NoMessage(_))));
    // Brackets in a text are text.
    let text = serde_json::to_vec(&"[\"\\".repeat(100_000)).unwrap();
    assert!(message(text).is_ok());
    assert!(matches!(message(b"{\"no\": ".to_vec()), Err(Broken::NoMessage(_))));
}

proptest! {
    #[test]
    fn what_is_written_is_read(frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..100), prop::collection::vec(any::<u8>(), 0..200)), 0..8)) {
        let frames: Vec<Frame> = frames.into_iter().map(|(head, body)| Frame { head, body }).collect();
        let bytes: Vec<u8> = frames.iter().flat_map(bytes_of).collect();
        let (read, broken) = read_all(&bytes);
        prop_assert!(broken.is_none());
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (frames, _) = read_all(&bytes);
        for frame in frames {
            let _ = frame.message::<super::super::protocol::Say>();
        }
    }

    #[test]
    fn any_text_is_a_message_or_none(text in "[\\[\\]{}\",:a-z0-9\\\\]{0,200}") {
        let _ = Frame { head: text.into_bytes(), body: Vec::new() }.message::<super::super::protocol::Say>();
    }

    #[test]
    fn a_message_that_is_cut_is_an_error(cut in 1_usize..30) {
        let bytes = bytes_of(&Frame { head: b"{\"say\":\"ready\"}".to_vec(), body: vec![1, 2, 3, 4] });
        let (frames, broken) = read_all(&bytes[..bytes.len() - cut]);
        prop_assert!(frames.is_empty());
        prop_assert!(broken.is_some());
    }
}
