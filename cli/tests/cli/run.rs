//! `glassbox run`.

use serde_json::{Value, json};

use crate::support::{Home, Outcome};

fn track_and_reply() -> Value {
    json!([
        [{"call": {"name": "track", "arguments": {"symbol": "10111"}}}],
        [{"text": "股票10111的价格是12412。"}],
    ])
}

#[test]
fn the_reply_goes_to_standard_output_and_the_call_to_standard_error() {
    let home = Home::new();
    let model = home.script(track_and_reply());
    let Outcome { out, err, code } =
        home.run(&["run", "--model", &model, "--tools", "track,get_weather", "帮我查询股票10111的价格"]);
    assert_eq!(out, "股票10111的价格是12412。\n");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert_eq!(lines[0], r#"→ track(symbol="10111")"#);
    assert!(lines[1].starts_with("← {") && lines[1].contains("12412"), "{err}");
    assert_eq!(code, Some(0));
}

#[test]
fn quiet_leaves_the_reply_alone() {
    let home = Home::new();
    let model = home.script(track_and_reply());
    let Outcome { out, err, code } = home.run(&["--model", &model, "run", "--quiet", "price?"]);
    assert_eq!((out.as_str(), err.as_str(), code), ("股票10111的价格是12412。\n", "", Some(0)));
}

#[test]
fn colours_come_only_when_asked_for() {
    let home = Home::new();
    let model = home.script(track_and_reply());
    let outcome = home.run(&["run", "--model", &model, "price?"]);
    assert!(!outcome.err.contains('\x1b'), "{}", outcome.err);
    let outcome = home.run(&["run", "--model", &model, "--color", "always", "price?"]);
    assert!(outcome.err.contains("\x1b[36m→ track"), "{}", outcome.err);
}

#[test]
fn the_question_is_read_from_standard_input() {
    let home = Home::new();
    for args in [&["run", "--json"][..], &["run", "--json", "-"]] {
        let model = home.script(json!([[{"text": "ok"}]]));
        let outcome = home.run_with(&[args, &["--model", &model]].concat(), "第一行\n第二行\n".as_bytes());
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    }
    let model = home.script(json!([]));
    let outcome = home.run_with(&["run", "--model", &model], b" \n");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.starts_with("error: standard input held no question\nhint: "), "{}", outcome.err);
}

#[test]
fn in_manual_mode_the_results_are_typed() {
    let home = Home::new();
    let calls = json!([
        [{"call": {"name": "track", "arguments": {"symbol": "10111"}}}, {"call": {"name": "track", "arguments": {"symbol": "10112"}}}],
        [{"text": "1 and 2"}],
    ]);
    let model = home.script(calls);
    let args = ["run", "--json", "--model", &model, "--manual", "--tools", "track", "prices?"];
    let Outcome { out, err, code } = home.run_with(&args, "{\"price\": 1}\n两元\n".as_bytes());
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err, "result of track(symbol=\"10111\"): \nresult of track(symbol=\"10112\"): \n");
    let observations: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["type"] == "tool_finished")
        .map(|event| event["observation"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(observations, ["{\"price\": 1}", "两元"]);
}

#[test]
fn in_manual_mode_a_missing_result_is_an_error() {
    let home = Home::new();
    let model = home.script(track_and_reply());
    let outcome = home.run(&["run", "--model", &model, "--manual", "--tools", "track", "price?"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.err.contains("error: standard input ended before the result of track(symbol=\"10111\")\nhint: "),
        "{}",
        outcome.err
    );
    let outcome = home.run_with(&["run", "--model", &model, "--manual", "-"], b"price?");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("the question cannot come from there"), "{}", outcome.err);
}

#[test]
fn tools_from_a_file_are_answered_by_the_person() {
    let home = Home::new();
    let tools = json!([{"type": "function", "function": {"name": "音乐", "description": "播放", "parameters": {
        "type": "object", "properties": {"song": {"type": "string"}}, "required": ["song"]}}}]);
    let tools = home.file("tools.json", tools.to_string());
    let model = home.script(json!([[{"call": {"name": "音乐", "arguments": {"song": "茉莉花"}}}], [{"text": "好"}]]));
    let outcome = home.run_with(&["run", "--model", &model, "--manual", "--tools-file", &tools, "播放"], b"playing\n");
    assert_eq!((outcome.out.as_str(), outcome.code), ("好\n", Some(0)), "{}", outcome.err);
    assert!(outcome.err.contains("→ 音乐(song=\"茉莉花\")") && outcome.err.contains("← playing"), "{}", outcome.err);
}

#[test]
fn without_a_terminal_a_call_that_could_harm_is_denied_and_yes_allows_it() {
    let home = Home::new();
    let replies =
        json!([[{"call": {"name": "shell", "arguments": {"command": "echo hi > made-by-shell"}}}], [{"text": "done"}]]);
    let model = home.script(replies);
    let outcome = home.run(&["run", "--model", &model, "--tools", "shell", "make a file"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("done\n", Some(0)));
    assert!(outcome.err.contains("← denied: "), "{}", outcome.err);
    assert!(!home.path("made-by-shell").exists());

    let outcome = home
        .run_with(&["run", "--model", &model, "--tools", "shell", "--approve", "ask", "make a file"], b"perhaps\nno\n");
    assert!(outcome.err.contains("allow it? ") && outcome.err.contains("← denied: "), "{}", outcome.err);
    assert!(!home.path("made-by-shell").exists());

    let outcome =
        home.run_with(&["run", "--model", &model, "--tools", "shell", "--approve", "ask", "make a file"], b"y\n");
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(home.path("made-by-shell").exists());

    std::fs::remove_file(home.path("made-by-shell")).unwrap();
    let outcome = home.run(&["run", "--model", &model, "--tools", "shell", "--yes", "make a file"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(home.path("made-by-shell").exists());
}

#[test]
fn a_turn_without_an_answer_has_its_own_exit_code() {
    let home = Home::new();
    let model = home.script(track_and_reply());
    let outcome = home.run(&["run", "--model", &model, "--max-turns", "1", "price?"]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.err.ends_with("hint: raise it with `--max-turns N`\n"), "{}", outcome.err);

    let model = home.script(json!([[{"text": "a reply of more than two tokens"}]]));
    let outcome = home.run(&["run", "--model", &model, "--max-tokens", "2", "hello"]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.err.ends_with("hint: raise it with `--max-tokens N`\n"), "{}", outcome.err);

    let outcome = home.run(&["run", "--model", &model, "--context", "64", "--tools", "none", &"long ".repeat(200)]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.err.starts_with("error: ") && outcome.err.contains("hint: "), "{}", outcome.err);
}

#[test]
fn a_script_that_is_over_is_an_error_of_the_model() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = home.run(&["run", "--model", &model, "hello"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(1)));
    assert!(outcome.err.starts_with("error: the script is over"), "{}", outcome.err);
}

#[test]
fn system_instructions_come_from_text_or_file() {
    let home = Home::new();
    let file = home.file("system.txt", "你是一个助手\n");
    for (option, value) in [("--system", "你是一个助手"), ("--system-file", file.as_str())] {
        let model = home.script(json!([[{"text": "ok"}]]));
        let outcome = home.run(&["run", "--json", "--model", &model, "--tools", "none", option, value, "x"]);
        let first: Value = serde_json::from_str(outcome.out.lines().next().unwrap()).unwrap();
        // 18 bytes of instructions: 5 tokens as the script counts, and 4 a message; 1 + 4 for the question.
        assert_eq!(first["prompt_tokens"], 5 + 4 + 1 + 4, "{option}: {}", outcome.out);
    }
    let outcome = home.run(&["run", "--system", "a", "--system-file", &file, "x"]);
    assert_eq!(outcome.code, Some(2));
}
