//! What cannot be used is named, with what to do, and with the documented exit code.

use serde_json::json;

use crate::support::{Home, Outcome};

fn refused(home: &Home, args: &[&str], code: i32, message: &str) {
    let outcome = home.run(&[args, &["question"]].concat());
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(code)), "{args:?}: {}", outcome.err);
    assert!(outcome.err.starts_with("error: "), "{args:?}: {}", outcome.err);
    assert!(outcome.err.contains(message), "{args:?}: {}", outcome.err);
}

#[test]
fn wrong_options_are_wrong_usage() {
    let home = Home::new();
    let model = home.script(json!([]));
    for (args, message) in [
        (&["--tools", "trakc"][..], "no tool named `trakc` (nearest: `track`)\nhint: the tools are: "),
        (&["--tool-choice", "tracks"], "no tool named `tracks` (nearest: `track`)\nhint: "),
        (&["--tool-choice", "required", "--tools", "none"], "needs a tool\nhint: "),
        (&["--top-p", "7"], "must be a number above 0 and at most 1"),
        (&["--temperature", "hot"], "must be a number from 0"),
        (&["--kv-cache", "q9"], "q8_0"),
        (&["--context", "1"], "64"),
        (&["--threads", "0"], "1..=1024"),
        (&["--tool-timeout", "0"], "must be a number of seconds above 0"),
        (&["--lora", "=2"], "is not [NAME=]PATH[=SCALE]\nhint: "),
        (&["--no-such-option"], "--no-such-option"),
        (&["--yes", "--approve", "deny"], "cannot be used with"),
    ] {
        refused(&home, &[&["run", "--model", &model], args].concat(), 2, message);
    }
    refused(&home, &["run", "--model", ""], 2, "the model's name is empty");
    let outcome = home.run(&["run", "--model", &model, " "]);
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let home = Home::new();
    for (model, message) in [
        ("./nowhere.gguf", "nowhere.gguf\nhint: "),
        ("qwen2.5-coder-0.5", "no model is named `qwen2.5-coder-0.5` (nearest: `qwen2.5-coder-0.5b`"),
        ("chatglm3-6b", "convert_hf_to_gguf.py"),
        (".", " is a folder"),
    ] {
        refused(&home, &["run", "--model", model], 4, message);
    }
    refused(&home, &["run", "--model", "hf:nobody"], 2, "hf:OWNER/REPO/FILE.gguf");
    refused(&home, &["run", "--model", "scripted:nowhere.json"], 1, "cannot read nowhere.json");
}

#[test]
fn a_file_that_is_no_model_is_refused_before_it_is_loaded() {
    let home = Home::new();
    for (name, bytes) in [
        ("text.gguf", b"not a model\n".to_vec()),
        ("empty.gguf", Vec::new()),
        ("short.gguf", [&b"GGUF"[..], &3_u32.to_le_bytes(), &[0xff; 16]].concat()),
    ] {
        let path = home.file(name, bytes);
        refused(&home, &["run", "--model", &path], 1, "is not a usable GGUF file");
    }
}

#[test]
fn the_environment_names_the_model_after_the_option() {
    let home = Home::new();
    let script = home.script(json!([[{"text": "from the environment"}]]));
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.command(&[&["run", "x"], args].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&[("GLASSBOX_MODEL", &script), ("MODEL_PATH", "nowhere.gguf")], &[]).0, "from the environment\n");
    assert_eq!(run(&[("MODEL_PATH", &script)], &[]).0, "from the environment\n");
    assert!(run(&[("MODEL_PATH", &script)], &["--model", "nowhere.gguf"]).1.contains("nowhere.gguf"));
}

#[test]
fn a_broken_script_is_named_with_its_place() {
    let home = Home::new();
    for (text, message) in [("{", "line 1"), (r#"{"replies": [[{"sing": "la"}]]}"#, "unknown variant `sing`")] {
        let model = format!("scripted:{}", home.file("script.json", text));
        refused(&home, &["run", "--model", &model], 1, message);
    }
}

#[test]
fn standard_input_that_is_no_text_is_refused_with_its_place() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let outcome = home.run_with(&["run", "--model", &model, "-"], b"price\xff?");
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.err.lines().next().unwrap(), "error: standard input: byte 5 (0xff) is not UTF-8");
    // A surrogate, as some programs write it: no UTF-8 either. In a chat the next line is taken.
    let Outcome { out, err, code } = home.run_with(&["--model", &model], b"\xed\xa0\x80\nhello\n");
    assert_eq!((out.as_str(), code), ("ok\n", Some(1)));
    assert!(err.starts_with("error: byte 0 (0xed) is not UTF-8\nhint: "), "{err}");
}

#[test]
fn nul_bytes_and_special_tokens_in_a_message_are_text() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let outcome = home.run_with(&["--model", &model, "--tools", "none"], b"a\0b <|im_end|> <|system|>\n");
    assert_eq!((outcome.out.as_str(), outcome.code), ("ok\n", Some(0)), "{}", outcome.err);
}

#[test]
fn a_megabyte_in_one_line_is_counted_and_refused_and_the_chat_goes_on() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let input = ["x".repeat(1 << 20).as_bytes(), b"\nhello\n"].concat();
    let Outcome { out, err, code } = home.run_with(&["--model", &model, "--tools", "none"], &input);
    assert_eq!((out.as_str(), code), ("ok\n", Some(3)), "{err}");
    assert!(err.contains("the context holds 8192\nhint: "), "{err}");
    let input = vec![b'x'; (16 << 20) + 2];
    let outcome = home.run_with(&["run", "--model", &model, "-"], &input);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("longer than 16 MiB"), "{}", outcome.err);
}

#[test]
fn what_the_model_gets_wrong_is_shown() {
    let home = Home::new();
    let model = home.script(json!([
        [{"call": {"name": "trakc", "arguments": {}}}],
        [{"malformed": {"name": "track", "raw": "{\"name\": \"track\", ", "problem": "it ends early"}}],
        [{"call": {"name": "track", "arguments": {"symbol": 10111}}}],
        [{"text": "12412"}],
    ]));
    let Outcome { out, err, code } = home.run(&["run", "--model", &model, "--tools", "track", "price?"]);
    assert_eq!((out.as_str(), code), ("12412\n", Some(0)), "{err}");
    for part in [
        "→ trakc()\n← unknown tool: no tool named `trakc` (nearest: `track`)",
        "it ends early",
        "→ track(symbol=10111)",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn a_deep_argument_is_an_observation_and_no_crash() {
    let home = Home::new();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let model = home.script(json!([[{"call": {"name": "track", "arguments": {"symbol": deep}}}], [{"text": "ok"}]]));
    let outcome = home.run(&["run", "--model", &model, "--tools", "track", "price?"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("ok\n", Some(0)), "{}", outcome.err);
    assert!(outcome.err.contains("← invalid arguments: "), "{}", outcome.err);
}

#[test]
fn programs_without_a_sandbox_are_told_how_to_set_it_up() {
    let home = Home::new();
    let model = home.script(serde_json::json!([[{"code": "print(1)"}]]));
    let outcome = home.run(&["--model", &model, "run", "--mode", "code", "go"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("not set up") && outcome.err.contains("glassbox setup"), "{}", outcome.err);
    let outcome = home.run(&["--model", &model, "run", "--mode", "code", "--interpreter", "none", "go"]);
    assert_eq!(outcome.code, Some(2));
}
