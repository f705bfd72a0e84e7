//! `--interpreter`: where the model's programs run, on the sandboxes of the user's own cache and on a kernel.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{Home, Outcome, cache, finish};

/// The virtual environment with ipykernel. Made by `scripts/jupyter` where it is missing.
pub(crate) fn environment() -> &'static str {
    static ENVIRONMENT: OnceLock<String> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/jupyter");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// A home whose cache has the small sandbox and not the big one.
pub(crate) fn small_home() -> Home {
    let home = Home::new();
    let folders = std::fs::read_dir(cache().join("sandbox/compiled")).unwrap();
    let files: Vec<PathBuf> = folders.map(|folder| folder.unwrap().path().join("small.cwasm")).collect();
    for file in files.iter().filter(|file| file.exists()) {
        let key = file.parent().unwrap().file_name().unwrap();
        let target = home.path("cache/sandbox/compiled").join(key);
        std::fs::create_dir_all(&target).unwrap();
        std::fs::copy(file, target.join("small.cwasm")).unwrap();
    }
    home
}

fn run(home: &Home, replies: Value, args: &[&str]) -> Outcome {
    let model = home.script(replies);
    let mut command = home.command(&[&["run", "--model", &model, "go"], args].concat());
    finish(command.env("GLASSBOX_CACHE", cache()).spawn().unwrap())
}

#[test]
fn a_program_of_the_model_runs_where_it_was_asked_to() {
    let source = "import sys; print('at', sys.version_info[:2])";
    let run = |args: &[&str]| {
        let home = Home::new();
        let outcome = run(&home, json!([[{"code": source}], [{"text": "done"}]]), args);
        assert_eq!((outcome.out.as_str(), outcome.code), ("done\n", Some(0)), "{args:?}: {}", outcome.err);
        outcome.err
    };
    assert!(run(&["--mode", "code"]).contains("at (3, 15)"));
    assert!(run(&["--interpreter", "wasm"]).contains("at (3, 15)"));
    assert!(run(&["--interpreter", "small"]).contains("at (3, 14)"));
    let told = run(&["--interpreter", "jupyter", "--venv", environment()]);
    assert!(told.contains("at (3, ") && told.contains("note: programs in `jupyter` cannot call tools\n"), "{told}");
    let told = run(&["--interpreter", "jupyter", "--venv", environment(), "--unsandboxed", "--tools", "none"]);
    assert!(told.contains("warning: the model's programs can do what you can\n"), "{told}");
    assert!(!told.contains("cannot call tools"), "{told}");
}

#[test]
fn tools_of_code_mode_are_called_by_the_model_where_programs_cannot() {
    let home = Home::new();
    let replies = json!([[{"call": {"name": "calculator", "arguments": {"expression": "6*7"}}}], [{"text": "42"}]]);
    let args = ["--mode", "code", "--interpreter", "jupyter", "--venv", environment(), "--tools", "calculator"];
    let Outcome { out, err, code } = run(&home, replies, &args);
    assert_eq!((out.as_str(), code), ("42\n", Some(0)), "{err}");
    assert!(err.contains("note: programs in `jupyter` cannot call tools: the model calls them itself\n"), "{err}");
    assert!(err.contains("← 42"), "{err}");
}

#[test]
fn where_only_the_small_sandbox_is_set_up_programs_run_in_it_and_this_is_said() {
    let home = small_home();
    let model = home.script(json!([[{"code": "print(6 * 7)"}], [{"text": "done"}]]));
    let warned = |option: &str| {
        format!(
            "warning: the big sandbox is not set up: programs run in the small one, which has the standard library \
             alone\nhint: `glassbox setup` sets the big one up, with numpy and pandas; with `{option} small` this is \
             not said\n"
        )
    };
    let Outcome { out, err, code } = home.run(&["exec", "-c", "6 * 7"]);
    assert_eq!((out.as_str(), code), ("42\n", Some(0)), "{err}");
    assert_eq!(err, warned("--backend"));
    let Outcome { out, err, code } = home.run(&["run", "--mode", "code", "--model", &model, "go"]);
    assert_eq!((out.as_str(), code), ("done\n", Some(0)), "{err}");
    assert!(err.starts_with(&warned("--interpreter")) && err.contains("← 42"), "{err}");
    // By its name it is what was meant.
    let Outcome { out, err, .. } = home.run(&["exec", "--backend", "small", "-c", "6 * 7"]);
    assert_eq!((out.as_str(), err.as_str()), ("42\n", ""));
    let err = home.run(&["run", "--interpreter", "small", "--model", &model, "go"]).err;
    assert!(err.contains("← 42") && !err.contains("warning"), "{err}");
}

#[test]
fn what_only_the_big_sandbox_can_be_meant_by_is_an_error_where_only_the_small_one_is_set_up() {
    let home = small_home();
    let model = home.script(json!([[{"text": "done"}]]));
    let exec = home.run(&["exec", "--backend", "wasm", "-c", "1"]);
    let agent = home.run(&["run", "--interpreter", "wasm", "--model", &model, "go"]);
    for (outcome, option) in [(exec, "--backend"), (agent, "--interpreter")] {
        let Outcome { out, err, code } = outcome;
        assert_eq!((out.as_str(), code), ("", Some(1)), "{err}");
        assert!(err.starts_with("error: the wasm sandbox is not set up: "), "{err}");
        let hint = format!("hint: type `glassbox setup`, or add `{option} small`: ");
        assert!(err.contains(&hint), "{err}");
    }
    let Outcome { err, code, .. } = home.run(&["exec", "--image", "scientific", "-c", "1"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("hint: type `glassbox setup`"), "{err}");
}

#[test]
fn options_that_the_backend_would_not_look_at_are_refused() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "ok"}]]));
    let cases: [(&[&str], &str, &str); 5] = [
        (&["exec", "--venv", ".", "-c", "1"], "error: `--venv` is for Jupyter kernels", "add `--backend jupyter`"),
        (&["run", "--mode", "code", "--kernel", "a", "x"], "error: `--kernel` is for", "add `--interpreter jupyter`"),
        (
            &["exec", "--backend", "jupyter", "--packages", ".", "-c", "1"],
            "error: `--packages` is for Python",
            "--venv",
        ),
        (&["run", "--packages", ".", "x"], "error: `--packages`, ", "--mode code"),
        (&["run", "--interpreter", "wams", "x"], "invalid value 'wams'", "wasm, small, worker, jupyter, none"),
    ];
    for (args, error, hint) in cases {
        let outcome = home.run(&[args, &["--model", &model]].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.err);
        assert!(outcome.err.contains(error) && outcome.err.contains(hint), "{args:?}: {}", outcome.err);
    }
}

#[test]
fn the_kernel_is_that_of_the_variable_ipykernel() {
    let home = Home::new();
    let exec = |kernel: &str| {
        let args = ["exec", "--backend", "jupyter", "--venv", environment(), "-c", "6 * 7"];
        finish(home.command(&args).env("IPYKERNEL", kernel).spawn().unwrap())
    };
    let outcome = exec("chatglm3-demo");
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert!(outcome.err.contains("no kernel named `chatglm3-demo`; there are: python3"), "{}", outcome.err);
    let outcome = exec("python3");
    assert_eq!((outcome.out.as_str(), outcome.code), ("42\n", Some(0)), "{}", outcome.err);
}

#[test]
fn a_kernel_over_its_memory_ends_as_any_other_program_over_it() {
    let home = Home::new();
    for (code, exit) in [("many = bytearray(4 << 30)", 137), ("try: bytearray(4 << 30)\nexcept MemoryError: pass", 0)] {
        let outcome = home.run(&["exec", "--backend", "jupyter", "--venv", environment(), "-c", code]);
        assert_eq!(outcome.code, Some(exit), "{code}: {}", outcome.err);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_a_kernel_cannot_be_kept_in_it_is_refused_unless_unsandboxed_is_given() {
    let home = Home::new();
    let exec = |more: &str| {
        let glassbox = env!("CARGO_BIN_EXE_glassbox");
        let venv = environment();
        // A machine that gives no network namespaces.
        let shell = format!(
            "echo 0 > /proc/sys/user/max_net_namespaces; exec {glassbox} exec --backend jupyter --venv {venv} {more} -c '6 * 7'"
        );
        let mut command = Command::new("unshare");
        command.args(["-r", "sh", "-c", &shell]).env("GLASSBOX_CACHE", home.path("cache"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    };
    let outcome = exec("");
    assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(1)), "{}", outcome.err);
    assert!(outcome.err.contains("could not be kept in: ") && outcome.err.contains("namespace"), "{}", outcome.err);
    assert!(outcome.err.contains("unsandboxed kernel by name"), "{}", outcome.err);
    let outcome = exec("--unsandboxed");
    assert_eq!((outcome.out.as_str(), outcome.code), ("42\n", Some(0)), "{}", outcome.err);
}
