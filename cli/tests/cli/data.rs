//! `glassbox data`.

use serde_json::{Value, json};

use crate::support::{Home, Outcome, cache, finish};

/// Runs it with the cache of whoever runs the tests, where the tokenizer is, or comes on first use.
fn data(home: &Home, args: &[&str]) -> Outcome {
    let mut command = home.command(&[&["data"], args].concat());
    finish(command.env("GLASSBOX_CACHE", cache()).spawn().unwrap())
}

fn sample(reply: &str) -> Value {
    json!({"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": reply}]})
}

/// Samples one a line.
fn lines(samples: &[Value]) -> String {
    samples.iter().map(|sample| format!("{sample}\n")).collect()
}

fn read(path: &str) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_without_faults_is_checked() {
    let home = Home::new();
    let file = home.file("train.jsonl", lines(&[sample("Hello."), json!({"prompt": "a", "response": "b"})]));
    let outcome = home.run(&["data", "check", &file]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(0)), "{}", outcome.err);
    assert_eq!(outcome.err, "2 samples, 0 with a fault\n");
    let outcome = home.run_with(&["data", "check", "-"], lines(&[sample("x")]).as_bytes());
    assert_eq!((outcome.err.as_str(), outcome.code), ("1 sample, 0 with a fault\n", Some(0)));
}

#[test]
fn faults_are_told_with_file_and_line_on_standard_output() {
    let home = Home::new();
    let bad = json!({"conversations": [{"role": "human", "content": "Hi"}]});
    home.file("a.jsonl", lines(&[sample("x"), bad]));
    home.file("b.jsonl", "[\n{\"prompt\": \"a\", \"response\": \"\"},\n{}]\n");
    home.file("c.jsonl", "\n");
    let outcome = home.run(&["data", "check", "a.jsonl", "b.jsonl", "c.jsonl"]);
    assert_eq!(outcome.code, Some(1));
    insta::assert_snapshot!(format!("{}--- standard error\n{}", outcome.out, outcome.err));
    let outcome = home.run(&["data", "check", "--faults-only", "b.jsonl"]);
    assert_eq!(outcome.out.lines().count(), 1, "{}", outcome.out);
}

#[test]
fn samples_over_a_limit_are_told() {
    let home = Home::new();
    home.file("a.jsonl", lines(&[sample("x"), sample(&"word ".repeat(100))]));
    let outcome = data(&home, &["check", "a.jsonl", "--max-tokens", "50"]);
    assert_eq!(outcome.out, "a.jsonl:2: 111 tokens, and the limit is 50\n", "{}", outcome.err);
    assert_eq!(outcome.code, Some(0), "a limit is no fault of the sample");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let home = Home::new();
    let outcome = home.run(&["data", "check", "nowhere.jsonl"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("error: cannot read nowhere.jsonl\n"), "{}", outcome.err);
    home.file("latin.jsonl", b"{}\n{\"a\": \"\xe9\"}\n");
    let outcome = home.run(&["data", "check", "latin.jsonl"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("latin.jsonl is not usable: line 2 is not UTF-8"), "{}", outcome.err);
}

#[test]
fn the_sanity_table_shows_token_id_and_target() {
    let home = Home::new();
    home.file("a.jsonl", lines(&[sample("x"), sample("你好 people")]));
    let outcome = data(&home, &["show", "a.jsonl", "--sample", "2"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    insta::assert_snapshot!(format!("{}--- standard error\n{}", outcome.out, outcome.err));
    let outcome = data(&home, &["show", "a.jsonl", "--sample", "3"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("a.jsonl has no sample 3\nhint: it has 2"), "{}", outcome.err);
}

#[test]
fn what_is_rendered_is_what_was_counted() {
    let home = Home::new();
    let tools = json!([{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}]);
    let mut call = sample("Done.");
    call["tools"] = tools;
    let entry = json!({"role": "tool", "name": "f", "parameters": {"x": "it's"}, "observation": {"价": 1.0}});
    call["conversations"].as_array_mut().unwrap().insert(1, entry);
    home.file("a.jsonl", lines(&[call, sample("Hello."), json!({"prompt": "a", "response": "b"})]));
    let outcome = data(&home, &["render", "a.jsonl", "--out", "ids.jsonl"]);
    assert_eq!((outcome.err.as_str(), outcome.code), ("3 samples in ids.jsonl\n", Some(0)));
    let rendered = read(home.path("ids.jsonl").to_str().unwrap());
    let ids = |row: &Value| row["input_ids"].as_array().unwrap().len();
    let learnt = |row: &Value| row["labels"].as_array().unwrap().iter().filter(|label| **label != -100).count();
    assert_eq!(rendered[2], json!({"input_ids": [64790, 64792, 260, 280, 2], "labels": [-100, -100, -100, 280, 2]}));
    let counts: Value =
        serde_json::from_str(&data(&home, &["count", "a.jsonl", "--json", "--max-tokens", "30"]).out).unwrap();
    assert_eq!(counts["tokens"], rendered.iter().map(ids).sum::<usize>());
    assert_eq!(counts["targets"], rendered.iter().map(learnt).sum::<usize>());
    assert_eq!((&counts["longest"], &counts["longest_at"]), (&json!(ids(&rendered[0])), &json!("a.jsonl:1")));
    assert_eq!((&counts["samples"], &counts["pairs"], &counts["turns"]), (&json!(3), &json!(1), &json!(6)));
    assert_eq!((&counts["within"], &counts["faulty"]), (&json!(2), &json!(0)));
    // Cut as the published preprocessing cuts, and said.
    let outcome = data(&home, &["render", "a.jsonl", "--out", "-", "--max-tokens", "30"]);
    let first: Value = serde_json::from_str(outcome.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["input_ids"].as_array().unwrap()[..], rendered[0]["input_ids"].as_array().unwrap()[..30]);
    assert!(outcome.err.starts_with("a.jsonl:1: cut from "), "{}", outcome.err);
    assert!(outcome.err.contains("that would be learnt are lost\n"), "{}", outcome.err);
}

#[test]
fn a_file_with_a_fault_is_not_rendered_in_part() {
    let home = Home::new();
    home.file("a.jsonl", lines(&[sample("x"), json!({"conversations": []})]));
    let outcome = data(&home, &["render", "a.jsonl", "--out", "ids.jsonl"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("a.jsonl:2: conversations: it is empty; "), "{}", outcome.err);
    assert!(
        outcome
            .err
            .contains("error: a.jsonl is not usable: 1 sample with a fault\nhint: `glassbox data check a.jsonl`"),
        "{}",
        outcome.err
    );
    assert!(!home.path("ids.jsonl").exists());
    let outcome = data(&home, &["count", "a.jsonl"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.out.starts_with("samples  1 (pairs: 0)\n"), "{}", outcome.out);
    assert!(outcome.err.contains("warning: 1 sample with a fault, not counted\n"), "{}", outcome.err);
}

#[test]
fn a_conversion_says_what_is_lost_and_fails_where_a_sample_is_left_out() {
    let home = Home::new();
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let good =
        json!({"messages": [message("user", "Hi"), message("assistant", "Hello.")], "parallel_tool_calls": false});
    let bad = json!({"messages": [message("user", "Hi"), message("robot", "Hello.")]});
    home.file("chats.jsonl", lines(&[good.clone(), bad]));
    let outcome = home.run(&["data", "convert", "--from", "openai", "--to", "glm3", "chats.jsonl", "train.jsonl"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(1)));
    insta::assert_snapshot!(outcome.err);
    assert_eq!(read(home.path("train.jsonl").to_str().unwrap()), [sample("Hello.")]);
    // And back.
    let outcome = home.run(&["data", "convert", "--from", "glm3", "--to", "openai", "train.jsonl", "-"]);
    assert_eq!((outcome.err.as_str(), outcome.code), ("1 sample in -\n", Some(0)));
    assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap()["messages"], good["messages"]);
    let outcome = home.run(&["data", "convert", "--from", "glm3", "--to", "glm3", "train.jsonl", "-"]);
    assert_eq!(outcome.code, Some(2));
    let outcome = home.run(&["data", "convert", "--from", "sharegpt", "--to", "glm3", "train.jsonl", "-"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("it is one of glm3, openai, toolalpaca"), "{}", outcome.err);
}

#[test]
fn a_saved_chat_becomes_a_sample_that_can_be_rendered() {
    let home = Home::new();
    let model = home.script(json!([
        [{"call": {"name": "calculator", "arguments": {"expression": "6*7"}}}],
        [{"text": "It is 42."}],
    ]));
    let input = b"What is 6*7?\n/save talk.json\n";
    let chat = home.run_with(&["--model", &model, "--tools", "calculator", "--system", "Be brief."], input);
    assert_eq!(chat.code, Some(0), "{}", chat.err);
    let outcome = home.run(&["data", "samples", "talk.json", "--out", "train.jsonl"]);
    assert_eq!((outcome.err.as_str(), outcome.code), ("1 sample in train.jsonl\n", Some(0)));
    let sample = &read(home.path("train.jsonl").to_str().unwrap())[0];
    assert_eq!(sample["tools"][0]["name"], "calculator");
    assert_eq!(
        sample["conversations"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is 6*7?"},
            {"role": "tool", "name": "calculator", "parameters": {"expression": "6*7"}, "observation": "42"},
            {"role": "assistant", "content": "It is 42."},
        ])
    );
    let outcome = data(&home, &["show", "train.jsonl"]);
    assert!(outcome.out.contains("'tool'"), "{}", outcome.out);
    // Other tools than those that were recorded.
    home.file(
        "tools.json",
        r#"[{"name": "sum", "description": "d", "parameters": {"type": "object", "properties": {}}}]"#,
    );
    let outcome = home.run(&["data", "samples", "talk.json", "--tools-file", "tools.json", "--out", "-"]);
    assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap()["tools"][0]["name"], "sum", "{}", outcome.err);
    let outcome = home.run(&["data", "samples", "train.jsonl", "--out", "-"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.starts_with("error: "), "{}", outcome.err);
}

#[test]
fn a_tokenizer_that_is_none_or_cannot_be_fetched_is_said() {
    let home = Home::new();
    home.file("a.jsonl", lines(&[sample("x")]));
    home.file("other.model", "GGU");
    let outcome = data(&home, &["count", "a.jsonl", "--tokenizer", "other.model"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("hint: name the `tokenizer.model` of ChatGLM3-6B, or a GGUF file"), "{}", outcome.err);
    // Nothing listens on port 1, and there is no Python on this PATH.
    let mut command = home.command(&["data", "count", "a.jsonl"]);
    command.env("HF_ENDPOINT", "http://127.0.0.1:1").env("PATH", home.path("empty"));
    let outcome = finish(command.spawn().unwrap());
    assert_eq!(outcome.code, Some(4), "{}", outcome.err);
    assert!(
        outcome.err.contains("error: `chatglm3-tokenizer` could not be fetched from any source"),
        "{}",
        outcome.err
    );
    assert!(outcome.err.contains("GGUF file with its vocabulary: `--tokenizer FILE`\n"), "{}", outcome.err);
}
