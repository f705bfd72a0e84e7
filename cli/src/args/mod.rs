//! What can be typed. [`crate::settings`] turns it into what will be done.

mod data;
mod eval;
mod sandbox;
mod serve;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use glassbox::model::engine::KvCacheType;

use crate::backend::InterpreterArg;
use crate::sampling::{Assignment, Knob};

pub(crate) use data::{DataArgs, DataCommand, TokenArgs};
pub(crate) use eval::EvalArgs;
pub(crate) use sandbox::{ExecArgs, KernelArgs, LimitArgs, SetupArgs};
pub(crate) use serve::ServeArgs;

/// Chat with a local model that has tools.
#[derive(Debug, Parser)]
#[command(
    name = "glassbox",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Cli {
    /// What to do; without one, a chat opens.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Go on with a conversation that `/save` saved in a chat
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// How an agent is made.
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
    /// How things are shown.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Ends `glassbox --help`.
const AFTER_HELP: &str = "\
Examples:
  glassbox                                      chat with the default model
  glassbox run \"帮我查询股票10111的价格\"          answer once; the model calls `track`
  glassbox run --mode code \"画一个爱心\"            the model writes Python, which runs in a sandbox
  git diff | glassbox run - --system \"Write a commit message for this diff.\" --tools none
  glassbox --model ./chatglm3-6b.q4_k_m.gguf    chat with a model file of your own
  glassbox models                               the models that can be fetched by name

Exit codes:
  0    answered
  1    an error of the model, the engine, or a file
  2    wrong usage
  3    the turn ended without an answer (turn limit, token limit, context full)
  4    the model was not found or could not be fetched
  130  cancelled with Ctrl-C

The reply goes to standard output, everything else to standard error.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer one question and exit
    Run(RunArgs),
    /// Serve the model over OpenAI's chat API
    Serve(ServeArgs),
    /// Measure how often a model calls the right tool (BFCL v4)
    Eval(EvalArgs),
    /// Check, render, count and convert files that models are fine-tuned with
    Data(DataArgs),
    /// List, fetch and remove models
    Models(ModelsArgs),
    /// List the built-in tools
    Tools(ToolsArgs),
    /// Run Python in the sandbox, without a model
    Exec(ExecArgs),
    /// Set up the sandbox: fetch, verify, compile, try
    Setup(SetupArgs),
}

/// `glassbox run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox run \"What is 17 * 23?\"
  glassbox run --json \"What is 17 * 23?\" | jq -r 'select(.type == \"text\").text'
  echo '{\"price\": 12412}' | glassbox run --manual --tools track \"What does stock 10111 cost?\"")]
pub(crate) struct RunArgs {
    /// The question; `-`, or nothing when standard input is piped, reads it from there
    #[arg(value_name = "QUESTION")]
    pub(crate) question: Option<String>,
    /// Print the events as JSON, one a line, in place of the reply
    #[arg(long)]
    pub(crate) json: bool,
}

/// `glassbox models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// What to do with models; without one, they are listed.
    #[command(subcommand)]
    pub(crate) command: Option<ModelsCommand>,
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `glassbox models` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models that can be fetched by name (the default)
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch models into the cache and verify their checksums
    Pull {
        /// Names from `glassbox models`
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Remove models from the cache
    Rm {
        /// Names from `glassbox models`
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Print the cache folder, or the file of a cached model
    Where {
        /// A name from `glassbox models`
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// `glassbox tools`.
#[derive(Debug, Args)]
pub(crate) struct ToolsArgs {
    /// Print names, descriptions, hints and parameter schemas as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How an agent is made: model, instructions, tools, sampling, engine.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The model: a name from `glassbox models`, a path to a GGUF file, or `hf:owner/repo/file.gguf`;
    /// `scripted:FILE` replays a script. MODEL_PATH is read too
    #[arg(short, long, global = true, env = "GLASSBOX_MODEL", value_name = "MODEL", help_heading = "Model")]
    pub(crate) model: Option<String>,
    /// The chat format, where the one read from the model file is wrong: chatglm3, glm4, hermes, generic
    #[arg(long, global = true, value_name = "NAME", help_heading = "Model")]
    pub(crate) dialect: Option<String>,
    /// A LoRA adapter (GGUF) made for the model, with its strength, 1 where left out. With a name it acts only where that is
    /// chosen; may be repeated
    #[arg(long = "lora", global = true, value_name = "[NAME=]PATH[=SCALE]", help_heading = "Model")]
    pub(crate) loras: Vec<String>,
    /// The named LoRA adapter that acts where none is chosen
    #[arg(long, global = true, value_name = "NAME[=SCALE]", help_heading = "Model")]
    pub(crate) adapter: Option<String>,

    /// Instructions for the whole conversation
    #[arg(
        short,
        long,
        global = true,
        value_name = "TEXT",
        conflicts_with = "system_file",
        help_heading = "Conversation"
    )]
    pub(crate) system: Option<String>,
    /// A file with the instructions
    #[arg(long, global = true, value_name = "FILE", help_heading = "Conversation")]
    pub(crate) system_file: Option<PathBuf>,
    /// The most replies of the model to one message, calls included [default: 8]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Conversation")]
    pub(crate) max_turns: Option<u32>,

    /// What the model may use: chat (nothing), tool (tools), code (a Python sandbox; `--tools` become functions of its
    /// programs), all (tools and the sandbox) [default: tool, or all with `--interpreter`]
    #[arg(long, global = true, value_name = "MODE", hide_possible_values = true, help_heading = "Tools")]
    pub(crate) mode: Option<ModeArg>,
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        value_parser = InterpreterArg::parser(),
        hide_possible_values = true,
        help = InterpreterArg::help(),
        help_heading = "Tools"
    )]
    pub(crate) interpreter: Option<InterpreterArg>,
    /// A folder of pure-Python packages that programs in WebAssembly may import: wheels (`pip download -d DIR NAME`), or
    /// unpacked
    #[arg(long, global = true, value_name = "DIR", help_heading = "Sandbox")]
    pub(crate) packages: Option<PathBuf>,
    /// Which kernel, and how it is kept in.
    #[command(flatten)]
    pub(crate) kernel: KernelArgs,
    /// The folder for pictures that programs draw and for files that they write [default: glassbox-out; with `exec`,
    /// nothing is saved without it]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// The tools, comma-separated; `all` for every tool that cannot harm, `none`. `shell` is had by name only
    /// [default: all; none in the modes chat and code]
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',', help_heading = "Tools")]
    pub(crate) tools: Option<Vec<String>>,
    /// A JSON list of tools in OpenAI's or the bare form, answered by you (needs --manual)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Tools")]
    pub(crate) tools_file: Option<PathBuf>,
    /// Whether a tool may or must be called: auto, none, required, or a tool's name
    #[arg(
        long,
        global = true,
        value_name = "CHOICE",
        default_value = "auto",
        hide_default_value = false,
        help_heading = "Tools"
    )]
    pub(crate) tool_choice: String,
    /// What happens with calls that could do harm: auto (allow), ask, deny [default: ask on a terminal, else deny]
    #[arg(long, global = true, value_name = "HOW", hide_possible_values = true, help_heading = "Tools")]
    pub(crate) approve: Option<ApproveArg>,
    /// Allow every call, as `--approve auto`
    #[arg(short, long, global = true, conflicts_with = "approve", help_heading = "Tools")]
    pub(crate) yes: bool,
    /// How long a call of a tool without a limit of its own may run, in seconds [default: 60]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, help_heading = "Tools")]
    pub(crate) tool_timeout: Option<std::time::Duration>,
    /// Run no tool: you type each result
    #[arg(long, global = true, help_heading = "Tools")]
    pub(crate) manual: bool,

    /// Randomness: 0 takes the likeliest token [default: 0]
    #[arg(long, global = true, value_name = "T", value_parser = knob(Knob::Temperature), help_heading = "Sampling")]
    pub(crate) temperature: Option<Assignment>,
    /// Keep the smallest set of tokens with this much probability [default: 1, off]
    #[arg(long, global = true, value_name = "P", value_parser = knob(Knob::TopP), help_heading = "Sampling")]
    pub(crate) top_p: Option<Assignment>,
    /// Keep the K likeliest tokens [default: 0, off]
    #[arg(long, global = true, value_name = "K", value_parser = knob(Knob::TopK), help_heading = "Sampling")]
    pub(crate) top_k: Option<Assignment>,
    /// Drop tokens less likely than this share of the likeliest [default: 0, off]
    #[arg(long, global = true, value_name = "P", value_parser = knob(Knob::MinP), help_heading = "Sampling")]
    pub(crate) min_p: Option<Assignment>,
    /// Make tokens of the last 64 less likely [default: 1, off]
    #[arg(long, global = true, value_name = "R", value_parser = knob(Knob::RepetitionPenalty), help_heading = "Sampling")]
    pub(crate) repetition_penalty: Option<Assignment>,
    /// Seed of the sampler, or `random` [default: random]
    #[arg(long, global = true, value_name = "N", value_parser = knob(Knob::Seed), help_heading = "Sampling")]
    pub(crate) seed: Option<Assignment>,
    /// The most tokens of one reply [default: what the context holds]
    #[arg(long, global = true, value_name = "N", value_parser = knob(Knob::MaxTokens), help_heading = "Sampling")]
    pub(crate) max_tokens: Option<Assignment>,

    /// Tokens of the context, prompt and reply together [default: 8192, or less where the model has less]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(64..), help_heading = "Engine")]
    pub(crate) context: Option<u32>,
    /// Threads that compute [default: what the machine offers]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Engine")]
    pub(crate) threads: Option<u32>,
    /// Layers on the GPU [default: all, where this build has a GPU backend]
    #[arg(long, global = true, value_name = "N", help_heading = "Engine")]
    pub(crate) gpu_layers: Option<u32>,
    /// Number type of the KV cache: f16, q8_0 (half the memory), q4_0 (a quarter, with some loss), … [default: f16]
    #[arg(long, global = true, value_name = "TYPE", help_heading = "Engine")]
    pub(crate) kv_cache: Option<KvCacheType>,
}

impl AgentArgs {
    /// The sampling options that were given.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = Assignment> {
        [self.temperature, self.top_p, self.top_k, self.min_p, self.repetition_penalty, self.seed, self.max_tokens]
            .into_iter()
            .flatten()
    }
}

/// How things are shown.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Colours: auto (on a terminal, and NO_COLOR turns them off), always, never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(crate) color: ColorArg,
    /// Show no calls, progress or figures: the reply and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Show observations in full, and what happens inside; twice for more. RUST_LOG overrides the log's part
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

/// `--approve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApproveArg {
    /// Allow every call
    Auto,
    /// Ask before each
    Ask,
    /// Allow none
    Deny,
}

/// `--mode`, as the modes of ChatGLM3's demo are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Words alone
    Chat,
    /// Tools
    Tool,
    /// Programs
    Code,
    /// Both
    All,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal
    Auto,
    /// Even when piped
    Always,
    /// Never
    Never,
}

/// A parser of one sampling setting, so that option and `/set` have one range.
fn knob(knob: Knob) -> impl Fn(&str) -> Result<Assignment, String> + Clone {
    move |text| knob.parse(text)
}

/// Seconds, with or without a fraction.
fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "must be a number of seconds above 0 and at most 86400".to_owned();
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok()).ok_or_else(wrong)
}

/// The whole command, with the agent's options hidden where they say nothing (`data`, `models`, `tools`, `exec`, `setup`).
pub(crate) fn command() -> clap::Command {
    use clap::CommandFactory as _;
    let mut command = Cli::command();
    // Global options reach the subcommands when the command is built; they can be hidden there only after that.
    command.build();
    let of_agents =
        |heading: Option<&str>| matches!(heading, Some("Model" | "Conversation" | "Tools" | "Sampling" | "Engine"));
    // Of the agent's options, those of the sandbox are `exec`'s too.
    let hide = move |arg: clap::Arg, runs: bool| {
        let heading = arg.get_help_heading();
        // `data` has a required `--out` of its own, under no heading.
        let of_programs = heading == Some("Sandbox") || (arg.get_id() == "out" && heading.is_some());
        let hidden = of_agents(heading) || (of_programs && !runs);
        if hidden { arg.hide(true) } else { arg }
    };
    for name in ["data", "models", "tools", "exec", "setup"] {
        let hide = move |arg| hide(arg, name == "exec");
        command = command.mut_subcommand(name, |sub| {
            let names: Vec<String> = sub.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            let sub = names.into_iter().fold(sub, |sub, name| sub.mut_subcommand(name, |leaf| leaf.mut_args(hide)));
            sub.mut_args(hide)
        });
    }
    command
}
