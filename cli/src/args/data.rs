//! What is typed after `data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use glassbox::model::finetune::{Format, PairKeys};

use super::knob;
use crate::sampling::{Assignment, Knob};

/// `glassbox data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox data check train.jsonl
  glassbox data show train.jsonl --sample 3
  glassbox data render train.jsonl --out train.ids.jsonl --max-tokens 2048
  glassbox data convert --from openai --to glm3 chats.jsonl train.jsonl
  glassbox data samples talk.json --out train.jsonl

A file is a JSON list of samples or has one a line. A sample has `conversations` (and `tools`), or `prompt` and `response`.
Tokens are those of ChatGLM3's own tokenizer, which is fetched on first use. docs/finetuning.md has the rules.

Exit codes: 1 where a sample has a fault; each is told with its file and line.")]
pub(crate) struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

/// What `glassbox data` can do. `--out`, `--max-tokens` and `--tools-file` are also options of the whole command, with values
/// of the same types.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Say what is wrong with files, each with its line and what to do
    Check {
        /// The files; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Also say which samples have more tokens than this
        #[arg(long, value_name = "N", value_parser = knob(Knob::MaxTokens))]
        max_tokens: Option<Assignment>,
        /// Faults alone
        #[arg(long)]
        faults_only: bool,
        /// How pairs are named.
        #[command(flatten)]
        keys: KeyArgs,
        /// The vocabulary.
        #[command(flatten)]
        tokens: TokenArgs,
    },
    /// Count samples, turns, tokens and targets
    Count {
        /// The files; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Also count the samples that have no more tokens than this
        #[arg(long, value_name = "N", value_parser = knob(Knob::MaxTokens))]
        max_tokens: Option<Assignment>,
        /// Print the numbers as JSON
        #[arg(long)]
        json: bool,
        /// How pairs are named.
        #[command(flatten)]
        keys: KeyArgs,
        /// The vocabulary.
        #[command(flatten)]
        tokens: TokenArgs,
    },
    /// Print the sanity table of a sample: each token, its id, its target (-100: not learnt)
    Show {
        /// The file; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which sample, from 1
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        sample: u32,
        /// How pairs are named.
        #[command(flatten)]
        keys: KeyArgs,
        /// The vocabulary.
        #[command(flatten)]
        tokens: TokenArgs,
    },
    /// Write the tokens and targets of every sample: `{"input_ids": […], "labels": […]}`, one a line
    Render {
        /// The file; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where to; `-` is standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Cut samples that have more tokens, and say which
        #[arg(long, value_name = "N", value_parser = knob(Knob::MaxTokens))]
        max_tokens: Option<Assignment>,
        /// How pairs are named.
        #[command(flatten)]
        keys: KeyArgs,
        /// The vocabulary.
        #[command(flatten)]
        tokens: TokenArgs,
    },
    /// Convert a file: glm3 (this format), openai (chat fine-tuning), toolalpaca
    Convert {
        /// The format that it has
        #[arg(long, value_name = "FORMAT")]
        from: Format,
        /// The format that it gets
        #[arg(long, value_name = "FORMAT")]
        to: Format,
        /// The file; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Where to; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        /// How pairs are named.
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Make samples of conversations that `/save` or `Session::save` wrote
    Samples {
        /// The saved conversations
        #[arg(value_name = "SESSION", required = true)]
        sessions: Vec<PathBuf>,
        /// Where to; `-` is standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A JSON list of tools, in place of those that were recorded
        #[arg(long, value_name = "FILE")]
        tools_file: Option<PathBuf>,
    },
}

/// How prompt and response are named in a file of pairs.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The key of the prompt in a file of pairs
    #[arg(long, value_name = "KEY", default_value = "prompt")]
    prompt_key: String,
    /// The key of the response
    #[arg(long, value_name = "KEY", default_value = "response")]
    response_key: String,
}

impl From<KeyArgs> for PairKeys {
    fn from(args: KeyArgs) -> Self {
        Self { prompt: args.prompt_key, response: args.response_key }
    }
}

/// Whose tokens, and how they are laid out.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// A `tokenizer.model` of ChatGLM3, or a GGUF file with its vocabulary [default: fetched]
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Put a system entry into the message with the tools, as `glassbox` prompts the model, in place of one of its own, as
    /// the published preprocessing has it
    #[arg(long)]
    pub(crate) joined_system: bool,
}
