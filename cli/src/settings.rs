//! What will be done: the arguments with environment, files and defaults worked in, and checked against each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glassbox::ToolAccess;
use glassbox::model::ToolChoice;
use glassbox::model::engine::{KvCacheType, LoraAdapter, NamedAdapter};
use glassbox::sandbox::wasm::Image;
use glassbox::tools::{Registry, ToolSpec, builtin};

use crate::adapters::Loras;
use crate::args::{AgentArgs, ApproveArg, KernelArgs, ModeArg, OutputArgs};
use crate::backend::{BackendArg, BackendSettings, InterpreterArg, Start};
use crate::error::CliError;
use crate::sampling::Tuning;
use crate::ui::ColorChoice;

/// How much is shown, and in what colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Show {
    /// The reply and errors only.
    pub(crate) quiet: bool,
    /// `-v` once, twice, …
    pub(crate) verbose: u8,
    /// Colours.
    pub(crate) color: ColorChoice,
}

impl From<&OutputArgs> for Show {
    fn from(args: &OutputArgs) -> Self {
        Self { quiet: args.quiet, verbose: args.verbose, color: ColorChoice::new(args.color) }
    }
}

/// Where the model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelSource {
    /// A catalog name, a path, or `hf:…`.
    Named(String),
    /// A script to be replayed.
    Script(PathBuf),
}

/// Who decides on calls that could do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approvals {
    /// Nobody: all are allowed.
    Auto,
    /// The person.
    Ask,
    /// Nobody: none is allowed.
    Deny,
}

/// How the engine is set up; `None` leaves the engine's default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EngineSettings {
    /// Tokens of the context.
    pub(crate) context: Option<u32>,
    /// Threads.
    pub(crate) threads: Option<u32>,
    /// Layers on the GPU.
    pub(crate) gpu_layers: Option<u32>,
    /// Number type of the KV cache.
    pub(crate) kv_cache: Option<KvCacheType>,
    /// The adapter that acts unasked.
    pub(crate) lora: Option<LoraAdapter>,
    /// The adapters that can be chosen.
    pub(crate) adapters: Vec<NamedAdapter>,
    /// The chat format.
    pub(crate) dialect: Option<String>,
    /// Generations that run at once.
    pub(crate) sequences: u32,
    /// Generations that may wait for those; `None` is the engine's own number.
    pub(crate) queue: Option<usize>,
}

/// What the model may use.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    /// Its programs run here; none where there is none.
    pub(crate) interpreter: Option<BackendSettings>,
    /// How it gets at the tools.
    pub(crate) access: ToolAccess,
    /// The tools where none are named: `all` or `none`.
    tools: &'static str,
}

/// Works out `--mode`, `--interpreter` and what belongs to it.
fn means(args: &AgentArgs) -> Result<Means, CliError> {
    let mode = args.mode.unwrap_or(match args.interpreter {
        Some(InterpreterArg::In(_)) => ModeArg::All,
        Some(InterpreterArg::None) | None => ModeArg::Tool,
    });
    let runs = matches!(mode, ModeArg::Code | ModeArg::All);
    let of_sandbox = args.packages.is_some() || args.kernel != KernelArgs::default();
    let interpreter = match args.interpreter {
        Some(InterpreterArg::None) if runs => {
            return Err(CliError::usage(
                "the modes `code` and `all` need an interpreter",
                "leave out `--interpreter none`, or take `--mode tool`",
            ));
        }
        Some(InterpreterArg::In(_)) if !runs => {
            return Err(CliError::usage(
                "this mode runs no programs",
                "leave out `--interpreter`, or take `--mode all`",
            ));
        }
        None | Some(InterpreterArg::None) if !runs && of_sandbox => {
            return Err(CliError::usage(
                "`--packages`, `--kernel`, `--venv`, `--bwrap` and `--unsandboxed` are of the interpreter, and there is none",
                "name one with `--interpreter`, or take `--mode code`",
            ));
        }
        Some(InterpreterArg::In(backend)) => Some(Some(backend)),
        None | Some(InterpreterArg::None) => runs.then_some(None),
    };
    let interpreter = interpreter.map(|backend| BackendSettings {
        backend,
        limits: BackendArg::limits(backend),
        start: Start::Prefer(Image::Scientific),
        packages: args.packages.clone(),
        kernel: args.kernel.clone(),
        option: "--interpreter",
    });
    let access = if mode == ModeArg::Code { ToolAccess::Code } else { ToolAccess::Both };
    let tools = if matches!(mode, ModeArg::Chat | ModeArg::Code) { "none" } else { "all" };
    Ok(Means { interpreter, access, tools })
}

/// Everything that an agent is made of.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The model.
    pub(crate) model: ModelSource,
    /// The engine.
    pub(crate) engine: EngineSettings,
    /// Instructions.
    pub(crate) system: Option<String>,
    /// The tools.
    pub(crate) tools: Registry,
    /// What the model may use.
    pub(crate) means: Means,
    /// Where pictures and files are saved.
    pub(crate) out: PathBuf,
    /// Whether a tool may or must be called.
    pub(crate) tool_choice: ToolChoice,
    /// Whether the person answers the calls.
    pub(crate) manual: bool,
    /// Approvals.
    pub(crate) approvals: Approvals,
    /// How long one call may run; `None` leaves the gate's default.
    pub(crate) tool_timeout: Option<Duration>,
    /// The most generations in one turn; `None` leaves the agent's default.
    pub(crate) max_turns: Option<u32>,
    /// Sampling.
    pub(crate) tuning: Tuning,
}

impl Settings {
    /// Works the arguments out.
    ///
    /// # Errors
    /// [`CliError::Usage`] where arguments make no sense alone or together, and file errors.
    pub(crate) fn resolve(args: &AgentArgs) -> Result<Self, CliError> {
        let means = means(args)?;
        let Loras { unasked, named } = Loras::read(&args.loras, args.adapter.as_deref())?;
        let tools = tools(args, &means)?;
        let mut tuning = Tuning::default();
        for assignment in args.assignments() {
            assignment.apply(&mut tuning);
        }
        Ok(Self {
            model: model(args.model.as_deref())?,
            engine: EngineSettings {
                context: args.context,
                threads: args.threads,
                gpu_layers: args.gpu_layers,
                kv_cache: args.kv_cache,
                lora: unasked,
                adapters: named,
                dialect: args.dialect.clone(),
                // One conversation: the whole context is its own.
                sequences: 1,
                queue: None,
            },
            system: system(args)?,
            out: args.out.clone().unwrap_or_else(|| PathBuf::from("glassbox-out")),
            tool_choice: tool_choice(&args.tool_choice, &tools, &means)?,
            means,
            tools,
            manual: args.manual,
            approvals: approvals(args),
            tool_timeout: args.tool_timeout,
            max_turns: args.max_turns,
            tuning,
        })
    }
}

fn model(given: Option<&str>) -> Result<ModelSource, CliError> {
    // `MODEL_PATH` comes after `--model` and `GLASSBOX_MODEL` (clap reads that one).
    let named = match given {
        Some(name) => name.to_owned(),
        None => glassbox::model::catalog::default_source(),
    };
    if named.is_empty() {
        return Err(CliError::usage(
            "the model's name is empty",
            "pass `--model NAME`; `glassbox models` lists the names",
        ));
    }
    Ok(match named.strip_prefix("scripted:") {
        Some(path) => ModelSource::Script(path.into()),
        None => ModelSource::Named(named),
    })
}

fn system(args: &AgentArgs) -> Result<Option<String>, CliError> {
    match (&args.system, &args.system_file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(path)) => read_text(path).map(|text| Some(text.trim_end().to_owned())),
        (None, None) => Ok(None),
    }
}

fn approvals(args: &AgentArgs) -> Approvals {
    match args.approve {
        _ if args.yes => Approvals::Auto,
        Some(ApproveArg::Auto) => Approvals::Auto,
        Some(ApproveArg::Ask) => Approvals::Ask,
        Some(ApproveArg::Deny) => Approvals::Deny,
        // The question is put on standard error and answered on standard input: both ends need a person.
        None if crate::input::person_is_there() => Approvals::Ask,
        None => Approvals::Deny,
    }
}

/// The built-in tools, and the names that `--tools all` stands for: those that cannot harm.
///
/// # Errors
/// Where two built-in tools had one name.
pub(crate) fn built_in() -> Result<(Registry, Vec<String>), CliError> {
    let registry = Registry::of(builtin::all()).map_err(glassbox::Error::from)?;
    let harmless = builtin::harmless().iter().map(|tool| tool.spec().name.clone()).collect();
    Ok((registry, harmless))
}

fn tools(args: &AgentArgs, means: &Means) -> Result<Registry, CliError> {
    let from_file = match &args.tools_file {
        Some(path) if !args.manual => {
            return Err(CliError::usage(
                format!("the tools of {} have no implementation", path.display()),
                "add --manual, and you type each tool's result",
            ));
        }
        Some(path) => read_tools(path)?,
        None => Vec::new(),
    };
    // A file of tools stands for itself: the built-in ones are added to it only by name.
    let default = if from_file.is_empty() { means.tools } else { "none" };
    let asked = args.tools.clone().unwrap_or_else(|| vec![default.to_owned()]);
    let (catalog, harmless) = built_in()?;
    let mut names: Vec<String> = Vec::new();
    let mut none = false;
    for name in asked.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let more = match name {
            "none" => {
                none = true;
                Vec::new()
            }
            "all" => harmless.clone(),
            name if catalog.get(name).is_some() => vec![name.to_owned()],
            name => return Err(unknown_tool(name, &catalog)),
        };
        names.extend(more.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    }
    if none && !names.is_empty() {
        return Err(CliError::usage("`--tools` says `none` and names tools", "leave out the one or the other"));
    }
    let mut registry = Registry::new();
    for name in names {
        if let Some(tool) = catalog.get(&name) {
            registry.register(tool.clone()).map_err(glassbox::Error::from)?;
        }
    }
    for spec in from_file {
        let unanswered = crate::ask::unanswered(spec);
        registry.register(unanswered).map_err(glassbox::Error::from)?;
    }
    Ok(registry)
}

fn unknown_tool(name: &str, known: &Registry) -> CliError {
    let nearest = known.nearest(name).map(|nearest| format!(" (nearest: `{nearest}`)")).unwrap_or_default();
    let names: Vec<&str> = known.names().collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    CliError::usage(format!("no tool named `{name}`{nearest}"), format!("the tools are: {known}"))
}

fn tool_choice(text: &str, tools: &Registry, means: &Means) -> Result<ToolChoice, CliError> {
    let choice = match text {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        name if tools.get(name).is_some() => ToolChoice::Named(name.to_owned()),
        name => return Err(unknown_tool(name, tools)),
    };
    if choice == ToolChoice::Required && tools.is_empty() && means.interpreter.is_none() {
        return Err(CliError::usage("`--tool-choice required` needs a tool", "name one with `--tools`"));
    }
    Ok(choice)
}

/// A list of tools, in OpenAI's form, the bare form, or the object `{"tools": [...]}` around it.
pub(crate) fn read_tools(path: &Path) -> Result<Vec<ToolSpec>, CliError> {
    let hint = "it must be a JSON list of {\"name\", \"description\", \"parameters\"}, bare or as OpenAI's `tools`";
    let bad = |problem: String| CliError::Content { path: path.to_owned(), problem, hint: hint.to_owned() };
    let value: serde_json::Value = serde_json::from_str(&read_text(path)?).map_err(|error| bad(error.to_string()))?;
    let list = value.get("tools").unwrap_or(&value);
    let list = list.as_array().ok_or_else(|| bad("it holds no list of tools".to_owned()))?;
    if list.is_empty() {
        return Err(bad("the list of tools is empty".to_owned()));
    }
    let specs = list.iter().enumerate();
    specs
        .map(|(at, value)| ToolSpec::from_json(value).map_err(|error| bad(format!("tool {}: {error}", at + 1))))
        .collect()
}

fn read_text(path: &Path) -> Result<String, CliError> {
    let bytes = std::fs::read(path).map_err(|error| CliError::reading(path, error))?;
    String::from_utf8(bytes).map_err(|error| CliError::Content {
        path: path.to_owned(),
        problem: format!("it is not UTF-8 (at byte {})", error.utf8_error().valid_up_to()),
        hint: "convert it with iconv".to_owned(),
    })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
