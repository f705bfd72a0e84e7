//! `glassbox models`.

use serde_json::Value;

use crate::support::{Home, without};

#[test]
fn an_empty_cache_lists_what_can_be_fetched() {
    let home = Home::new();
    let outcome = home.run(&["models"]);
    assert_eq!(outcome.code, Some(0));
    insta::assert_snapshot!(format!("{}--- standard error\n{}", outcome.out, outcome.err));
    assert_eq!(home.run(&["models", "list"]).out, outcome.out);
    assert!(!home.path("cache").exists(), "listing makes nothing");
}

#[test]
fn the_list_is_had_as_json() {
    let home = Home::new();
    for args in [&["models", "--json"][..], &["models", "list", "--json"]] {
        let list: Vec<Value> = serde_json::from_str(&home.run(args).out).unwrap();
        let default: Vec<&Value> = list.iter().filter(|model| model["default"] == true).collect();
        assert_eq!(default.len(), 1);
        assert_eq!(default[0]["name"], "qwen2.5-coder-0.5b");
        assert_eq!(default[0]["cached"], false);
    }
}

#[test]
fn where_names_the_cache_and_says_what_is_not_there() {
    let home = Home::new();
    let outcome = home.run(&["models", "where"]);
    assert_eq!(without(&outcome.out, &home.path("cache"), "CACHE"), "CACHE\n");
    let outcome = home.run(&["models", "where", "smollm2-135m"]);
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(4)));
    assert_eq!(
        outcome.err,
        "error: smollm2-135m is not in the cache\nhint: fetch it with `glassbox models pull smollm2-135m`\n"
    );
    let outcome = home.run(&["models", "where", "gpt-4"]);
    assert_eq!(outcome.code, Some(4));
    assert!(outcome.err.starts_with("error: no model is named `gpt-4`\nhint: "), "{}", outcome.err);
}

#[test]
fn a_file_in_the_cache_that_is_not_the_model_is_listed_as_damaged_and_can_be_removed() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("cache/models")).unwrap();
    let file = home.path("cache/models/smollm2-135m.gguf");
    std::fs::write(&file, b"half a model").unwrap();
    let list = home.run(&["models"]).out;
    let line = list.lines().find(|line| line.starts_with("smollm2-135m")).unwrap();
    assert!(line.contains("damaged"), "{line}");
    let outcome = home.run(&["models", "rm", "smollm2-135m"]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.err, "smollm2-135m is removed; 12 B are free again.\n");
    assert!(!file.exists());
    let outcome = home.run(&["models", "rm", "smollm2-135m"]);
    assert_eq!((outcome.err.as_str(), outcome.code), ("smollm2-135m is not in the cache.\n", Some(0)));
    assert_eq!(home.run(&["models", "rm", "gpt-4"]).code, Some(4));
}

#[test]
fn a_name_that_cannot_be_pulled_is_refused() {
    let home = Home::new();
    let file = home.file("m.gguf", b"GGUF");
    let outcome = home.run(&["models", "pull", &file]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("use it as it is: `--model "), "{}", outcome.err);
    assert_eq!(home.run(&["models", "pull", "gpt-4"]).code, Some(4));
    assert_eq!(home.run(&["models", "pull"]).code, Some(2));
}

#[test]
fn a_pull_that_reaches_no_source_names_each_and_what_to_do() {
    let home = Home::new();
    // Nothing listens on port 1, and there is no Python on this PATH.
    let mut command = home.command(&["models", "pull", "smollm2-135m"]);
    command.env("HF_ENDPOINT", "http://127.0.0.1:1").env("PATH", home.path("empty"));
    let outcome = crate::support::finish(command.spawn().unwrap());
    assert_eq!(outcome.code, Some(4), "{}", outcome.err);
    assert!(outcome.err.contains("fetching smollm2-135m (98 MB) from hf:"), "{}", outcome.err);
    assert!(outcome.err.contains("error: `smollm2-135m` could not be fetched from any source"), "{}", outcome.err);
    assert!(outcome.err.contains("hint: install python3 with pip"), "{}", outcome.err);
}
