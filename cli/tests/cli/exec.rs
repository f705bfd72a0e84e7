//! `glassbox exec` and `glassbox setup`, on the sandbox that `glassbox setup` made in the user's own cache.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use serde_json::Value;

use crate::support::{Home, Outcome, cache, finish};

fn exec_with(home: &Home, args: &[&str], input: &[u8]) -> Outcome {
    let mut command = home.command(&[&["exec"], args].concat());
    command.env("GLASSBOX_CACHE", cache());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, input).unwrap();
    drop(stdin);
    finish(child)
}

fn exec(args: &[&str]) -> Outcome {
    exec_with(&Home::new(), args, b"")
}

#[test]
fn a_program_runs_from_a_file_from_a_pipe_and_from_the_command_line() {
    let home = Home::new();
    let file = home.file("a.py", "print('爱心')\n40 + 2");
    let outcome = exec_with(&home, &[&file], b"");
    assert_eq!((outcome.out.as_str(), outcome.err.as_str(), outcome.code), ("爱心\n", "", Some(0)));
    let outcome = exec_with(&home, &["-"], b"print(1 + 1)");
    assert_eq!((outcome.out.as_str(), outcome.code), ("2\n", Some(0)));
    let outcome = exec(&["-c", "40 + 2"]);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str(), outcome.code), ("42\n", "", Some(0)));
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let cases: [(&[&str], i32); 6] = [
        (&["-c", "1 / 0"], 1),
        (&["-c", "import sys; sys.exit(3)"], 3),
        (&["-c", "raise SystemExit('bye')"], 1),
        (&["--time", "0.5", "-c", "while True: int()"], 124),
        (&["-c", "many = [bytearray(10**7) for _ in range(1000)]"], 137),
        (&["-c", "try: bytearray(2 * 10**9)\nexcept MemoryError: pass"], 0),
    ];
    for (args, code) in cases {
        let outcome = exec(args);
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.err);
    }
}

#[test]
fn errors_and_denials_go_to_standard_error() {
    let outcome = exec(&["-c", "print('seen')\nopen('/etc/passwd')"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("seen\n", Some(1)));
    assert!(outcome.err.contains("warning: denied: "), "{}", outcome.err);
    assert!(outcome.err.contains("hint: "), "{}", outcome.err);
    assert!(outcome.err.contains("FileNotFoundError"), "{}", outcome.err);
}

#[test]
fn events_are_had_as_json() {
    let outcome = exec(&["--json", "-c", "print('a')\n1"]);
    let events: Vec<Value> = outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["output"]["type"].as_str().unwrap_or("finished")).collect();
    assert_eq!(kinds, ["stdout", "result", "finished"]);
    assert_eq!(events[2]["execution"], "ok");
}

#[test]
fn files_go_in_and_out_and_pictures_are_saved() {
    let home = Home::new();
    let table = home.file("table.csv", "a,b\n1,2\n");
    let out = home.path("out");
    let source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('画一个爱心')\nplt.show()\nopen('copy.csv', 'w').write(open('table.csv').read())";
    let outcome = exec_with(&home, &["--put", &table, "--out", out.to_str().unwrap(), "-c", source], b"");
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(std::fs::read_to_string(out.join("copy.csv")).unwrap(), "a,b\n1,2\n");
    assert!(std::fs::read(out.join("picture-1.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(!out.join("table.csv").exists(), "what was put in is not saved again");
    assert!(!outcome.err.contains("Glyph"), "a glyph is missing: {}", outcome.err);
}

#[test]
fn input_comes_from_standard_input() {
    let outcome = exec_with(&Home::new(), &["-c", "print(input('name? ') + input())"], b"a\nb\n");
    assert_eq!((outcome.out.as_str(), outcome.code), ("ab\n", Some(0)), "{}", outcome.err);
}

#[test]
fn wrong_usage_is_told() {
    assert_eq!(exec(&[]).code, Some(2));
    assert_eq!(exec(&["nowhere.py"]).code, Some(1));
    assert_eq!(exec(&["--memory", "1", "-c", "1"]).code, Some(2));
}

#[test]
fn a_sandbox_that_is_not_set_up_names_the_command() {
    let home = Home::new();
    let outcome = home.run(&["exec", "-c", "1"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("error: the wasm sandbox is not set up"), "{}", outcome.err);
    assert!(outcome.err.ends_with("hint: type `glassbox setup`\n"), "{}", outcome.err);
    let outcome = home.run(&["setup", "--check"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.out.contains("it cannot be read"), "{}", outcome.out);
    assert!(!home.path("cache/sandbox").exists(), "a check makes nothing");
}

#[test]
fn a_set_up_sandbox_is_checked_and_left_alone() {
    let home = Home::new();
    let run = |args: &[&str]| finish(home.command(args).env("GLASSBOX_CACHE", cache()).spawn().unwrap());
    let outcome = run(&["setup", "--check", "--json"]);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &report["ready"]), (Some(0), &Value::Bool(true)), "{report}");
    let outcome = run(&["setup"]);
    assert!(outcome.code == Some(0) && outcome.err.starts_with("the sandbox is ready"), "{}", outcome.err);
}

#[test]
fn a_program_finds_its_arguments_and_options_after_it_are_its_own() {
    let home = Home::new();
    let file = home.file("a.py", "import sys\nprint(sys.argv[1:])");
    let outcome = exec_with(&home, &[&file, "a b", "--json", "'爱\"\\"], b"");
    assert_eq!(
        (outcome.out.as_str(), outcome.code),
        ("['a b', '--json', '\\'爱\"\\\\']\n", Some(0)),
        "{}",
        outcome.err
    );
    assert_eq!(exec(&["-c", "__import__('sys').argv", "x"]).out, "['-c', 'x']\n");
    assert_eq!(exec_with(&home, &["-", "x"], b"import sys; print(sys.argv)").out, "['-', 'x']\n");
    assert_eq!(exec(&["--backend", "small", "-c", "__import__('sys').argv", "x"]).out, "['-c', 'x']\n");
}

#[test]
fn a_second_interrupt_ends_a_program_and_keeps_the_files_that_it_has_written() {
    let home = Home::new();
    let out = home.path("out");
    // Catches every interrupt, and goes on.
    // What comes while `ready` is still being written is caught too.
    let source = "open('a.txt', 'w').write('kept')\nword = 'ready'\nwhile True:\n    try:\n        print(word, flush=True)\n        while True: pass\n    except BaseException: word = 'caught'";
    let mut command = home.command(&["exec", "--out", out.to_str().unwrap(), "-c", source]);
    let mut child = command.env("GLASSBOX_CACHE", cache()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let interrupt =
        || assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    interrupt();
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    interrupt();
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(130), "{}", outcome.err);
    // It may have been ended by the first interrupt alone, where this machine is slow; then that is told.
    let told = outcome.err.contains("are lost with it");
    assert!(told || std::fs::read_to_string(out.join("a.txt")).unwrap() == "kept", "{}", outcome.err);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_runs_in_a_worker_and_its_files_come_out() {
    let home = Home::new();
    let out = home.path("results");
    let code = "open('a.txt', 'w').write('kept')\nprint(input())";
    let args = ["--backend", "worker", "--out", out.to_str().unwrap(), "-c", code];
    let outcome = exec_with(&home, &args, b"typed\n");
    assert_eq!((outcome.out.as_str(), outcome.code), ("typed\n", Some(0)), "{}", outcome.err);
    assert_eq!(std::fs::read_to_string(out.join("a.txt")).unwrap(), "kept");
}
