use super::screen::Screen;
use super::*;
use crate::args::ColorArg;
use crate::ui::style::ColorChoice;

fn show(quiet: bool) -> Show {
    Show { quiet, verbose: 0, color: ColorChoice::new(ColorArg::Never) }
}

fn terminal(quiet: bool) -> (Ui, Screen) {
    let screen = Screen::default();
    (Ui::to(Box::new(screen.clone()), true, Box::new(screen.clone()), true, show(quiet)), screen)
}

#[test]
fn on_one_screen_a_note_never_lands_in_the_middle_of_the_reply() {
    let (mut ui, screen) = terminal(false);
    ui.reply("Let me see.").unwrap();
    ui.note("→ track(symbol=\"10111\")");
    ui.reply("12412").unwrap();
    ui.end_reply().unwrap();
    ui.end_reply().unwrap();
    assert_eq!(screen.text(), "Let me see.\n→ track(symbol=\"10111\")\n12412\n");
}

#[test]
fn piped_output_holds_the_reply_alone_and_byte_for_byte() {
    let (out, err) = (Screen::default(), Screen::default());
    let mut ui = Ui::to(Box::new(out.clone()), false, Box::new(err.clone()), false, show(false));
    ui.status("reading the prompt");
    ui.note("a note");
    ui.reply("a\x1b[31mb\0").unwrap();
    assert_eq!(out.text(), "a\x1b[31mb\0");
    assert_eq!(err.text(), "a note\n");
}

#[test]
fn a_status_line_is_gone_before_anything_else_is_written() {
    let (mut ui, screen) = terminal(false);
    ui.status("reading");
    ui.reply("hi\n").unwrap();
    assert_eq!(screen.text(), "\r\x1b[2Kreading\r\x1b[2Khi\n");
}

#[test]
fn quiet_drops_notes_and_keeps_errors() {
    let (mut ui, screen) = terminal(true);
    ui.note("a note");
    ui.status("reading");
    ui.error(&CliError::usage("`--tools` names no tool", "see `glassbox tools`"));
    assert_eq!(screen.text(), "error: `--tools` names no tool\nhint: see `glassbox tools`\n");
}

#[test]
fn a_terminal_is_not_steered_by_the_reply() {
    let (mut ui, screen) = terminal(false);
    ui.reply("\x1b[2J\n").unwrap();
    assert_eq!(screen.text(), "␛[2J\n");
}
