use clap::Parser as _;

use super::*;
use crate::args::Cli;

fn resolve(args: &[&str]) -> Result<Settings, CliError> {
    let cli = Cli::try_parse_from(["glassbox"].iter().chain(args)).unwrap();
    Settings::resolve(&cli.agent)
}

fn problem(args: &[&str]) -> (String, String) {
    let error = resolve(args).unwrap_err();
    (error.to_string(), error.hint().unwrap())
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.tools.names().collect()
}

#[test]
fn the_default_tools_cannot_harm_and_shell_is_had_by_name() {
    let settings = resolve(&[]).unwrap();
    assert!(names(&settings).contains(&"calculator"));
    assert!(!names(&settings).contains(&"shell"));
    let settings = resolve(&["--tools", "all,shell"]).unwrap();
    assert!(names(&settings).contains(&"shell"));
    let settings = resolve(&["--tools", "track, get_weather,track"]).unwrap();
    assert_eq!(names(&settings), ["track", "get_weather"]);
    assert!(resolve(&["--tools", "none"]).unwrap().tools.is_empty());
}

#[test]
fn an_unknown_tool_is_answered_with_the_nearest() {
    let (message, hint) = problem(&["--tools", "calculater"]);
    assert_eq!(message, "no tool named `calculater` (nearest: `calculator`)");
    assert!(hint.contains("get_weather"), "{hint}");
    let (message, _) = problem(&["--tools", "none,track"]);
    assert_eq!(message, "`--tools` says `none` and names tools");
}

#[test]
fn a_tool_choice_must_be_possible() {
    assert_eq!(resolve(&["--tool-choice", "track"]).unwrap().tool_choice, ToolChoice::Named("track".into()));
    let (message, _) = problem(&["--tool-choice", "track", "--tools", "calculator"]);
    assert_eq!(message, "no tool named `track`");
    let (message, _) = problem(&["--tool-choice", "required", "--tools", "none"]);
    assert_eq!(message, "`--tool-choice required` needs a tool");
}

#[test]
fn an_adapter_may_have_a_scale_and_a_path_with_an_equals_sign() {
    let dir = tempfile::tempdir().unwrap();
    for (name, scale_text, scale) in [("a.gguf", "", 1.0), ("b=c.gguf", "=0.5", 0.5), ("d=e.gguf", "", 1.0)] {
        let path = dir.path().join(name);
        std::fs::write(&path, b"").unwrap();
        let lora = resolve(&["--lora", &format!("{}{scale_text}", path.display())]).unwrap().engine.lora;
        assert_eq!(lora, Some(LoraAdapter { path, scale }), "{name}");
    }
    assert_eq!(problem(&["--lora", "/nowhere/a.gguf"]).0, "cannot read /nowhere/a.gguf");
    let (message, _) = problem(&["--lora", "=0.5"]);
    assert_eq!(message, "`--lora =0.5` is not [NAME=]PATH[=SCALE]");
}

#[test]
fn adapters_with_names_act_where_they_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a=1.gguf");
    std::fs::write(&path, b"").unwrap();
    let given = |text: &str| text.replace("PATH", path.to_str().unwrap());
    let adapter = |scale| LoraAdapter { path: path.clone(), scale };
    let named = |name: &str, scale| NamedAdapter { name: name.to_owned(), adapter: adapter(scale) };
    let (weather, stocks) = (given("weather=PATH"), given("stocks=PATH=0.5"));
    let engine = resolve(&["--lora", &weather, "--lora", &stocks]).unwrap().engine;
    assert_eq!((engine.lora, engine.adapters), (None, vec![named("weather", 1.0), named("stocks", 0.5)]));
    let acts =
        |choice: &str| resolve(&["--lora", &weather, "--lora", &stocks, "--adapter", choice]).unwrap().engine.lora;
    assert_eq!(acts("weather"), Some(adapter(1.0)));
    assert_eq!((acts("stocks"), acts("stocks=2")), (Some(adapter(0.5)), Some(adapter(2.0))));
    let engine = resolve(&["--lora", &given("PATH"), "--lora", &stocks]).unwrap().engine;
    assert_eq!((engine.lora, engine.adapters.len()), (Some(adapter(1.0)), 1));
    for (args, message) in [
        (
            &["--lora", &given("PATH"), "--lora", &given("PATH=2")][..],
            "one adapter acts at a time, and two have no name",
        ),
        (&["--lora", &weather, "--adapter", "stocks"], "no adapter is named `stocks`"),
        (&["--adapter", "stocks"], "no adapter is named `stocks`"),
        (
            &["--lora", &given("PATH"), "--adapter", "x"],
            "one adapter acts at a time: the one without a name does already",
        ),
        (&["--lora", "two words=a.gguf"], "`--lora two words=a.gguf` is not [NAME=]PATH[=SCALE]"),
    ] {
        assert_eq!(problem(args).0, message);
    }
}

#[test]
fn tools_from_a_file_need_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tools.json");
    let bare = r#"{"name": "echo", "description": "Repeat.", "parameters": {"type": "object", "properties": {}}}"#;
    let file = path.to_str().unwrap();
    for text in [format!("[{bare}]"), format!(r#"{{"tools": [{{"type": "function", "function": {bare}}}]}}"#)] {
        std::fs::write(&path, text).unwrap();
        let settings = resolve(&["--manual", "--tools-file", file]).unwrap();
        assert_eq!(names(&settings), ["echo"]);
        let settings = resolve(&["--manual", "--tools-file", file, "--tools", "track"]).unwrap();
        assert_eq!(names(&settings), ["track", "echo"]);
        let (message, hint) = problem(&["--tools-file", file]);
        assert!(message.ends_with("tools.json have no implementation"), "{message}");
        assert!(hint.contains("--manual"));
    }
    for (text, wrong) in [("{", "EOF"), ("{}", "no list"), ("[]", "empty"), (r#"[{"description": "x"}]"#, "tool 1: ")] {
        std::fs::write(&path, text).unwrap();
        let (message, _) = problem(&["--manual", "--tools-file", file]);
        assert!(message.contains(wrong), "{text}: {message}");
    }
    std::fs::write(&path, b"[\xff]").unwrap();
    let (message, _) = problem(&["--manual", "--tools-file", file]);
    assert!(message.ends_with("it is not UTF-8 (at byte 1)"), "{message}");
    let (message, _) = problem(&["--manual", "--tools-file", "/nowhere/tools.json"]);
    assert_eq!(message, "cannot read /nowhere/tools.json");
}

#[test]
fn a_script_is_told_by_its_prefix() {
    assert_eq!(resolve(&["--model", "scripted:a.json"]).unwrap().model, ModelSource::Script("a.json".into()));
    assert_eq!(resolve(&["--model", "./m.gguf"]).unwrap().model, ModelSource::Named("./m.gguf".into()));
    assert!(resolve(&["--model", ""]).is_err());
}

#[test]
fn sampling_options_arrive() {
    let settings = resolve(&["--temperature", "0.7", "--seed", "3", "--max-tokens", "64"]).unwrap();
    assert_eq!(settings.tuning.sampling.temperature, 0.7);
    assert_eq!(settings.tuning.sampling.seed, Some(3));
    assert_eq!(settings.tuning.max_tokens, Some(64));
}

#[test]
fn an_interpreter_is_named_as_exec_names_its_backend() {
    use clap::ValueEnum as _;
    for backend in BackendArg::value_variants() {
        let name = backend.to_possible_value().unwrap().get_name().to_owned();
        let settings = resolve(&["--interpreter", &name]).unwrap();
        assert_eq!(settings.means.interpreter.unwrap().backend, Some(*backend));
        assert_eq!(settings.means.access, ToolAccess::Both);
    }
    let chosen = |args: &[&str]| resolve(args).unwrap().means.interpreter.map(|settings| settings.backend);
    assert_eq!(chosen(&["--interpreter", "none"]), None);
    assert_eq!(chosen(&[]), None);
    // `wasm`, or `small` where only that is set up.
    assert_eq!(chosen(&["--mode", "code"]), Some(None));
    assert_eq!(problem(&["--mode", "tool", "--interpreter", "small"]).0, "this mode runs no programs");
    let (message, _) = problem(&["--mode", "all", "--interpreter", "none"]);
    assert_eq!(message, "the modes `code` and `all` need an interpreter");
}
