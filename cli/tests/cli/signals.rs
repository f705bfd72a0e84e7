//! Ctrl-C and closed pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command};

use serde_json::json;

use crate::support::{Home, finish};

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_interrupt_ends_a_run() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "this goes on"}, {"hang": true}]]));
    let mut child = home.command(&["run", "--model", &model, "hello"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut begin = [0; 4];
    out.read_exact(&mut begin).unwrap(); // the reply has begun
    interrupt(&child);
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(130), "{}", outcome.err);
    assert_eq!(outcome.err, "cancelled\n");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with('\n'), "the line of the reply is ended: {rest:?}");
}

#[test]
fn an_interrupt_ends_a_run_that_waits_for_an_answer() {
    let home = Home::new();
    let model =
        home.script(json!([[{"call": {"name": "track", "arguments": {"symbol": "1"}}}], [{"text": "not reached"}]]));
    let mut child =
        home.command(&["run", "--model", &model, "--manual", "--tools", "track", "price?"]).spawn().unwrap();
    // Standard input stays open, and nobody writes to it.
    let stdin = child.stdin.take().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut asked = Vec::new();
    err.read_until(b':', &mut asked).unwrap();
    interrupt(&child);
    let outcome = finish(child);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(130), ""));
    drop(stdin);
}

#[test]
fn an_interrupt_cancels_the_turn_of_a_chat_and_not_the_chat() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "this goes on"}, {"hang": true}], [{"text": "the next"}]]));
    let mut child = home.command(&["--model", &model]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut begin = [0; 4];
    out.read_exact(&mut begin).unwrap();
    interrupt(&child);
    let mut line = String::new();
    out.read_line(&mut line).unwrap(); // the line of the cancelled reply is ended
    stdin.write_all(b"again\n").unwrap();
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "the next\n");
    drop(stdin);
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(130), "a script learns that one turn was cancelled");
    assert_eq!(outcome.err, "cancelled\n");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let home = Home::new();
    let model = home.script(json!([[{"pause_ms": 1}, {"text": "word ".repeat(2000)}]]));
    let mut child = home.command(&["run", "--model", &model, "hello"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut begin = [0; 4];
    out.read_exact(&mut begin).unwrap();
    drop(out);
    let outcome = finish(child);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}
