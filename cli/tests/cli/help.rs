//! What `--help` says.

use crate::support::Home;

fn help(args: &[&str]) -> String {
    let outcome = Home::new().run(args);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    outcome.out
}

#[test]
fn of_the_command() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn of_run() {
    insta::assert_snapshot!(help(&["run", "--help"]));
}

#[test]
fn of_exec() {
    insta::assert_snapshot!(help(&["exec", "--help"]));
}

#[test]
fn of_setup() {
    insta::assert_snapshot!(help(&["setup", "--help"]));
}

#[test]
fn of_models() {
    insta::assert_snapshot!(help(&["models", "--help"]));
}

#[test]
fn of_models_pull() {
    insta::assert_snapshot!(help(&["models", "pull", "--help"]));
}

#[test]
fn of_data() {
    insta::assert_snapshot!(help(&["data", "--help"]));
}

#[test]
fn of_data_render() {
    insta::assert_snapshot!(help(&["data", "render", "--help"]));
}

#[test]
fn of_data_convert() {
    insta::assert_snapshot!(help(&["data", "convert", "--help"]));
}

#[test]
fn of_tools() {
    insta::assert_snapshot!(help(&["tools", "--help"]));
}

#[test]
fn the_version_is_the_crate_s() {
    assert_eq!(help(&["--version"]), concat!("glassbox ", env!("CARGO_PKG_VERSION"), "\n"));
}
