//! What comes over a kernel's sockets, and what is made of it.

use jupyter_protocol::ExecuteRequest;
use proptest::prelude::*;

use super::*;

fn signer() -> Signer {
    Signer::new("secret").unwrap()
}

fn execute() -> Request {
    Request::new(Channel::Shell, "session", ExecuteRequest::new("1+1".into()), None).unwrap()
}

fn whole(frames: Vec<Vec<u8>>) -> Vec<Frame> {
    frames.into_iter().map(Frame::Whole).collect()
}

#[test]
fn a_request_is_signed_and_reads_back() {
    let request = execute();
    let message = signer().message(Channel::Shell, whole(signer().frames(&request))).unwrap();
    assert_eq!((message.kind.as_str(), message.parent.as_deref()), ("execute_request", None));
    assert_eq!(message.body, Body::Json(request.parts[3].clone()));
    assert!(message.header.get().contains(&request.id));
}

#[test]
fn the_signature_is_the_one_of_the_protocol() {
    let request = Request { channel: Channel::Shell, id: String::new(), parts: Default::default() };
    // From Python: hmac.new(b"secret", b"", "sha256").hexdigest()
    let expected = b"f9e66e179b6747ae54108f82f8ade8b3c25d76fd30afde6c395822c530196169";
    assert_eq!(signer().frames(&request).get(1).unwrap(), expected);
}

#[test]
fn a_message_signed_by_another_key_is_refused() {
    let frames = Signer::new("other").unwrap().frames(&execute());
    assert_eq!(signer().message(Channel::Shell, whole(frames)).unwrap_err(), Unreadable::Signature);
}

#[test]
fn identities_and_topics_before_the_delimiter_are_passed_over() {
    let mut frames = whole(signer().frames(&execute()));
    frames.insert(0, Frame::Whole(b"kernel.1.stream".to_vec()));
    assert!(signer().message(Channel::Iopub, frames).is_ok());
}

#[test]
fn a_content_too_large_to_keep_still_names_its_request() {
    let mut frames = whole(signer().frames(&execute()));
    *frames.get_mut(5).unwrap() = Frame::TooLarge(7);
    *frames.get_mut(3).unwrap() = Frame::Whole(br#"{"msg_id": "m1"}"#.to_vec());
    let message = signer().message(Channel::Iopub, frames).unwrap();
    assert_eq!((message.parent.as_deref(), message.body), (Some("m1"), Body::TooLarge(7)));
}

proptest! {
    #[test]
    fn any_frames_give_a_message_or_an_error(
        frames in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40).prop_map(Frame::Whole),
                Just(Frame::Whole(DELIMITER.to_vec())),
                Just(Frame::Whole(b"{}".to_vec())),
                any::<u64>().prop_map(Frame::TooLarge),
            ],
            0..10,
        )
    ) {
        let _ = signer().message(Channel::Iopub, frames);
    }

    #[test]
    fn any_parts_give_a_message_or_an_error(header in ".*", parent in ".*") {
        let _ = Message::from_parts(Channel::Iopub, header.as_bytes(), parent.as_bytes(), Body::TooLarge(1));
    }
}
