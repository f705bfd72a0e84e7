//! ChatGLM3's own tool example on the default model, as `make demo` runs it.

use std::process::Command;

/// The model comes from the user's own cache, and is fetched where it is not there yet.
#[test]
fn the_model_calls_track_and_tells_the_price() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.args(["run", "--model", "qwen2.5-coder-0.5b", "--tools", "track,get_weather", "帮我查询股票10111的价格"]);
    let output = command.env_remove("RUST_LOG").env_remove("GLASSBOX_MODEL").output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("→ track(symbol=\"10111\")\n"), "{err}");
    assert!(err.lines().any(|line| line.starts_with("← {") && line.contains("12412")), "{err}");
    assert!(out.contains("12412"), "{out}");
}
