//! A real model in a fresh home, without a network: `chatglm3-nano` lies in the repository.

use crate::support::{Home, Outcome};

const QUESTION: &str = "帮我查询股票10111的价格";

#[test]
fn the_published_dialogue_on_the_command_line() {
    let home = Home::new();
    let Outcome { out, err, code } = home.run(&["run", "--model", "chatglm3-nano", "--tools", "track", QUESTION]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains(r#"→ track(symbol="10111")"#) && err.contains("← {"), "{err}");
    assert!(out.contains("12412"), "{out}");
    assert!(home.path("cache/models/chatglm3-nano.gguf").exists(), "{err}");
}

/// What `docs/finetuning.md` shows for deploying a fine-tune.
#[test]
fn an_adapter_is_chosen_on_the_command_line() {
    let home = Home::new();
    let adapter = concat!("friend=", env!("CARGO_MANIFEST_DIR"), "/../model/nano/chatglm3-nano-friend.gguf");
    let ask = |more: &[&str]| {
        let args = ["run", "--model", "chatglm3-nano", "--lora", adapter, "--tools", "track", QUESTION];
        let Outcome { out, err, code } = home.run(&[&args, more].concat());
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("12412"), "{out}");
        out
    };
    let base = ask(&[]);
    assert!(!base.contains("朋友，"), "{base}");
    let friend = ask(&["--adapter", "friend"]);
    assert!(friend.contains("朋友，"), "{friend}");
    assert_eq!(ask(&["--adapter", "friend=0"]), base);
}
