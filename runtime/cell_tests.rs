use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn read(outputs: &[Output], execution: Execution) -> String {
    observation(outputs, execution, Limits::default())
}

fn stdout(text: &str) -> Output {
    Output::Stdout { text: text.to_owned() }
}

fn forms(forms: &[(&str, Value)]) -> MimeBundle {
    MimeBundle(forms.iter().map(|(mime, value)| ((*mime).to_owned(), value.clone())).collect::<BTreeMap<_, _>>())
}

#[test]
fn outputs_keep_their_order_and_streams_run_on() {
    let outputs = [
        stdout("a"),
        stdout("b\n"),
        Output::Stderr { text: "warning".into() },
        Output::Result { data: MimeBundle::text("42") },
        stdout("end\n"),
    ];
    assert_eq!(read(&outputs, Execution::Ok), "ab\nwarning\n42\nend");
}

#[test]
fn a_program_without_output_says_so() {
    assert_eq!(read(&[], Execution::Ok), "[The program ran without output.]");
}

#[test]
fn pictures_are_named_and_other_forms_fall_back() {
    let picture = forms(&[("image/png", json!("iVBOR")), ("text/plain", json!("<Figure size 640x480>"))]);
    assert_eq!(read(&[Output::Display { data: picture, id: None }], Execution::Ok), "[Image]");
    let titled = forms(&[("image/png", json!("iVBOR")), ("text/plain", json!("Sales by month"))]);
    assert_eq!(read(&[Output::Display { data: titled, id: None }], Execution::Ok), "[Image]\nSales by month");
    let html = forms(&[("text/html", json!("<b>1</b>"))]);
    assert_eq!(read(&[Output::Result { data: html }], Execution::Ok), "<b>1</b>");
    let strange = forms(&[("application/x-thing", json!("?"))]);
    assert_eq!(read(&[Output::Result { data: strange }], Execution::Ok), "[application/x-thing]");
}

#[test]
fn a_short_traceback_is_whole_and_a_long_one_keeps_the_programs_frames() {
    let short = [
        "Traceback (most recent call last):",
        "  File \"<cell 1>\", line 1, in <module>",
        "    1 / 0",
        "ZeroDivisionError: division by zero",
    ];
    let error = |lines: &[&str]| Output::Error {
        name: "ZeroDivisionError".into(),
        value: "division by zero".into(),
        traceback: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(read(&[error(&short)], Execution::Error), short.join("\n"));

    let mut long = short[..3].to_vec();
    for _ in 0..10 {
        long.extend(["  File \"/usr/local/lib/python3/pandas/core.py\", line 9, in apply", "    return f(x)"]);
    }
    long.push(short[3]);
    let expected = [&short[..3], &["  [10 frames inside libraries]"], &short[3..]].concat().join("\n");
    assert_eq!(read(&[error(&long)], Execution::Error), expected);

    assert_eq!(read(&[error(&[])], Execution::Error), "ZeroDivisionError: division by zero");

    let lines = ["  File \"<cell 1>\", line 2", "    ``", "    ^", "SyntaxError: invalid syntax"];
    let syntax = Output::Error {
        name: "SyntaxError".into(),
        value: "invalid syntax (<cell 1>, line 2)".into(),
        traceback: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(read(&[syntax], Execution::Error), lines.join("\n"));
}

#[test]
fn of_a_progress_bar_the_last_state_is_read() {
    let bar = [stdout("a\r\n 10 %\r 50"), stdout(" %\r100 %\r"), stdout("\nb")];
    assert_eq!(read(&bar, Execution::Ok), "a\n100 %\nb");
}

#[test]
fn limits_are_said() {
    let interrupted = read(&[stdout("working")], Execution::Interrupted);
    assert_eq!(interrupted, "working\n[The program was interrupted; it may run for 30 s. Variables are kept.]");
    assert!(read(&[], Execution::Restarted).contains("earlier variables are gone"));
    let cut = [stdout("x\n"), Output::Truncated { stream: "stdout".into(), bytes: 7 }];
    assert_eq!(read(&cut, Execution::Ok), "x\n[7 more bytes of stdout are left out]");
}

fn display(id: &str, text: &str) -> Output {
    Output::Display { data: MimeBundle::text(text), id: Some(id.to_owned()) }
}

#[test]
fn what_was_cleared_is_not_read_and_a_display_is_read_in_its_last_form() {
    let clear = |wait| Output::ClearOutput { wait };
    assert_eq!(read(&[stdout("1"), clear(false), stdout("2")], Execution::Ok), "2");
    assert_eq!(read(&[stdout("1"), clear(true), stdout("2"), clear(true)], Execution::Ok), "2");
    let update = |text| Output::DisplayUpdate { data: MimeBundle::text(text), id: "bar".to_owned() };
    assert_eq!(
        read(&[display("bar", "0 %"), stdout("a\n"), update("50 %"), update("100 %")], Execution::Ok),
        "100 %\na"
    );
    assert_eq!(read(&[update("of an earlier cell")], Execution::Ok), "of an earlier cell");
}

#[test]
fn refusals_are_read_with_their_hints_and_a_lost_session_with_what_is_left() {
    let denial = Denial {
        kind: glassbox_sandbox::DenialKind::Time,
        message: "the cell ran for 30 s".into(),
        hint: "do less in one cell".into(),
    };
    let refused = [stdout("a"), Output::Denied { denial }];
    assert_eq!(read(&refused, Execution::Interrupted), "a\n[Refused: the cell ran for 30 s. do less in one cell.]");
    let lost =
        |recovery| read(&[Output::SessionLost { reason: "the kernel died".into(), recovery }], Execution::Restarted);
    assert_eq!(
        lost(Recovery::Restarted),
        "[The program was stopped: the kernel died. The session began anew: earlier variables are gone.]"
    );
    assert!(lost(Recovery::Restored).contains("as it was before this program"));
}
