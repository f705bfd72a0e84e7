//! What comes over a kernel's sockets, and what is made of it.

use jupyter_protocol::ExecuteRequest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fuzz::{changed, changes, edited, edits};
use crate::jupyter::content;

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

/// Contents as kernels send them.
fn contents() -> Vec<Value> {
    let data = json!({"text/plain": "2", "image/png": "aGk=\n", "application/json": {"n": [1, 2]}});
    vec![
        json!({"name": "stdout", "text": "a\n"}),
        json!({"data": data, "metadata": {}, "transient": {"display_id": "d"}}),
        json!({"execution_state": "idle"}),
        json!({"wait": true}),
        json!({"prompt": "?", "password": true}),
        json!({"status": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[31ma\u{1b}[0m"], "execution_count": 1}),
        json!({"status": "ok", "execution_count": 1, "user_expressions": {},
               "payload": [{"source": "page", "data": data, "start": 0}, {"source": "ask_exit", "keepkernel": false}]}),
    ]
}

/// A member of a header; serde takes the members of a struct from a list, too.
fn member<'a>(header: &'a Value, name: &str) -> Option<&'a str> {
    match header {
        Value::Array(items) if items.len() == 1 => items[0].as_str(),
        header => header[name].as_str(),
    }
}

/// All that is ever made of a content, whatever the message says of its kind.
fn use_up(content: &[u8]) {
    use content::{Clear, Display, Failure, Input, Reply, Status, Stream};
    let _ = serde_json::from_slice::<Stream<'_>>(content).map(|stream| (stream.name.len(), stream.text.len()));
    let _ = serde_json::from_slice::<Display<'_>>(content).map(|display| (display.bundle(), display.id()));
    let _ = serde_json::from_slice::<Failure>(content).map(Failure::output);
    let _ = serde_json::from_slice::<Reply<'_>>(content).map(|reply| (reply.pages(), reply.ends_kernel()));
    let _ = serde_json::from_slice::<Status<'_>>(content).map(|status| status.execution_state.len());
    let _ = serde_json::from_slice::<Clear>(content).map(|clear| clear.wait);
    let _ = serde_json::from_slice::<Input>(content).map(|input| (input.prompt, input.password));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// As by a program that has read the kernel's key.
    #[test]
    fn tampered_parts_signed_with_the_key_give_a_message_or_an_error(
        header in edits(), parent in edits(), content in (proptest::sample::select(contents()), edits()), bytes in changes(),
    ) {
        let given = json!({"msg_id": "m", "msg_type": "stream", "session": "s", "username": "u", "version": "5.3"});
        let (header, parent) = (edited(&given, &header), edited(&given, &parent));
        let content = changed(edited(&content.0, &content.1).to_string().as_bytes(), &bytes);
        let parts = [header.to_string().into_bytes(), parent.to_string().into_bytes(), b"{}".to_vec(), content.clone()];
        let request = Request { channel: Channel::Iopub, id: String::new(), parts };
        match signer().message(Channel::Iopub, whole(signer().frames(&request))) {
            Ok(message) => {
                prop_assert_eq!(member(&header, "msg_type"), Some(message.kind.as_str()));
                prop_assert_eq!(member(&parent, "msg_id"), message.parent.as_deref());
                prop_assert_eq!(message.body, Body::Json(content.clone()));
            }
            Err(problem) => {
                prop_assert_eq!(problem, Unreadable::Header);
                prop_assert!(member(&header, "msg_type").is_none(), "{}", header);
            }
        }
        use_up(&content);
    }

    /// As by a program that has not.
    #[test]
    fn frames_tampered_with_after_signing_are_refused(part in 1_usize..6, bytes in changes()) {
        let mut frames = signer().frames(&execute());
        let before = frames.clone();
        frames[part] = changed(&frames[part], &bytes);
        // Hexadecimal digits may be written in capitals.
        let same = frames == before || frames[1].eq_ignore_ascii_case(&before[1]) && frames[2..] == before[2..];
        let read = signer().message(Channel::Shell, whole(frames));
        prop_assert_eq!(read.is_ok(), same, "{:?}", read);
    }
}
