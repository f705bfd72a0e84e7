//! `glassbox` with its messages piped in.

use serde_json::json;

use crate::support::{Home, Outcome};

#[test]
fn each_line_is_a_message_and_stop_leaves() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "一"}], [{"text": "two"}], [{"text": "three"}]]));
    let Outcome { out, err, code } = home.run_with(&["--model", &model], "你好\n\n再来\nstop\nnot read\n".as_bytes());
    assert_eq!((out.as_str(), code), ("一\ntwo\n", Some(0)), "{err}");
    assert_eq!(err, "");
}

#[test]
fn clear_forgets_the_conversation() {
    let home = Home::new();
    // The context holds one message of this length and not two.
    let script = json!({"context_tokens": 100, "replies": [[{"text": "1"}], [{"text": "2"}], [{"text": "3"}]]});
    let model = format!("scripted:{}", home.file("script.json", script.to_string()));
    let long = "word ".repeat(50);
    let refused = home.run_with(&["--model", &model, "--tools", "none"], format!("{long}\n{long}\n").as_bytes());
    assert_eq!((refused.out.as_str(), refused.code), ("1\n", Some(3)), "{}", refused.err);
    assert!(refused.err.contains("tokens, and the context holds 100\nhint: "), "{}", refused.err);
    for clear in ["clear", "/clear"] {
        let outcome =
            home.run_with(&["--model", &model, "--tools", "none"], format!("{long}\n{clear}\n{long}\n").as_bytes());
        assert_eq!((outcome.out.as_str(), outcome.code), ("1\n2\n", Some(0)), "{}", outcome.err);
        assert!(outcome.err.contains("The conversation is forgotten."), "{}", outcome.err);
    }
}

#[test]
fn commands_answer_on_standard_error() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let input =
        "/help\n/tools\n/system\n/system 你是助手\n/system\n/set temperature 0.2\n/set\n/stats\n//slash\n/exit\n";
    let Outcome { out, err, code } = home.run_with(&["--model", &model, "--tools", "track"], input.as_bytes());
    assert_eq!((out.as_str(), code), ("ok\n", Some(0)), "{err}");
    insta::assert_snapshot!(err);
}

#[test]
fn an_unknown_command_is_answered_with_the_nearest_and_the_chat_goes_on() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let Outcome { out, err, code } = home.run_with(&["--model", &model], b"/clera\n/set top_p 7\nhello\n");
    assert_eq!((out.as_str(), code), ("ok\n", Some(2)));
    assert!(err.contains("error: there is no command `/clera` (nearest: `/clear`)\nhint: "), "{err}");
    assert!(err.contains("error: top_p 7: the value must be a number above 0 and at most 1 (off)\nhint: "), "{err}");
}

#[test]
fn a_failed_turn_is_told_and_the_next_one_is_taken() {
    let home = Home::new();
    let calls = json!([{"call": {"name": "track", "arguments": {"symbol": "10111"}}}]);
    let model = home.script(json!([calls, [{"text": "ok"}]]));
    let Outcome { out, err, code } = home.run_with(&["--model", &model, "--max-turns", "1"], b"price?\nhello\n");
    assert_eq!((out.as_str(), code), ("ok\n", Some(3)));
    assert!(err.contains("warning: no answer: "), "{err}");
}

#[test]
fn in_manual_mode_results_and_messages_come_in_turn() {
    let home = Home::new();
    let call = json!([{"call": {"name": "track", "arguments": {"symbol": "10111"}}}]);
    let model = home.script(json!([call, [{"text": "one"}], [{"text": "two"}]]));
    let outcome = home.run_with(&["--model", &model, "--manual", "--tools", "track"], b"price?\n12412\nthanks\n");
    assert_eq!((outcome.out.as_str(), outcome.code), ("one\ntwo\n", Some(0)), "{}", outcome.err);
    assert!(outcome.err.contains("← 12412"), "{}", outcome.err);
}

#[test]
fn piped_messages_leave_no_history() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    home.run_with(&["--model", &model], b"secret\n");
    assert!(!home.path("state").exists());
}

#[test]
fn a_saved_conversation_goes_on_in_the_next_chat() {
    let home = Home::new();
    let talk = home.path("talk.json");
    let talk = talk.to_str().unwrap();
    let first = home.script(json!([[{"text": "one"}], [{"text": "two"}]]));
    let saved = home.run_with(&["--model", &first], format!("a\nb\n/save {talk}\n").as_bytes());
    assert_eq!((saved.out.as_str(), saved.code), ("one\ntwo\n", Some(0)), "{}", saved.err);
    assert!(saved.err.contains("saved as "), "{}", saved.err);
    let next = home.script(json!([[{"text": "three"}]]));
    for (args, input) in
        [(vec!["--resume", talk], "c\n/stats\n".to_owned()), (vec![], format!("/load {talk}\nc\n/stats\n"))]
    {
        let outcome = home.run_with(&[&["--model", &next], &args[..]].concat(), input.as_bytes());
        assert_eq!((outcome.out.as_str(), outcome.code), ("three\n", Some(0)), "{}", outcome.err);
        assert!(outcome.err.contains("This conversation has 2 messages of yours."), "{}", outcome.err);
        assert!(outcome.err.contains("1 messages sent, 6 in the conversation."), "{}", outcome.err);
    }
    let absent = home.run_with(&["--model", &next, "--resume", "no.json"], b"c\n");
    assert_eq!((absent.out.as_str(), absent.code), ("", Some(1)), "{}", absent.err);
    assert!(absent.err.contains("no.json: reading it failed"), "{}", absent.err);
    let misplaced = home.run_with(&["--model", &next, "--resume", talk, "run", "hi"], b"");
    assert_eq!(misplaced.code, Some(2), "{}", misplaced.err);
}

#[test]
fn adapters_that_are_not_there_are_said() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = home.run_with(&["--model", &model], b"/adapter\n/adapter none\n/adapter weather=0.5\n");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("No adapter has a name: `--lora NAME=PATH` loads one.\n"), "{}", outcome.err);
    assert!(outcome.err.contains("None acts from the next message on.\n"), "{}", outcome.err);
    let refused = "error: no adapter is named `weather`\nhint: load it: glassbox --lora weather=PATH\n";
    assert!(outcome.err.contains(refused), "{}", outcome.err);
}
