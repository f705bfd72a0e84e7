//! What is typed after `exec` and `setup`, and of kernels.

use std::path::PathBuf;

use clap::Args;

use crate::backend::{BackendArg, ImageArg};

use super::seconds;

/// `glassbox exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox exec -c \"import sympy; sympy.factorint(2**64 - 1)\"
  glassbox exec --put table.csv --out results analysis.py table.csv
  echo 'print(1 + 1)' | glassbox exec -

The program's standard output and what it displays go to standard output, everything else to standard error.

Exit codes:
  0    the program ran to its end
  1    it raised an exception, or was lost; `sys.exit(N)` gives N
  2    wrong usage
  124  it ran into the time limit
  130  it was interrupted with Ctrl-C; a second Ctrl-C ends it at once and saves its files
  137  it ran into the memory limit, or raised MemoryError itself")]
pub(crate) struct ExecArgs {
    /// The program; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What it finds in `sys.argv`; options after FILE are its own
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// The program itself; the value of its last expression is shown
    #[arg(short, long = "command", value_name = "CODE", id = "code")]
    pub(crate) code: Option<String>,
    /// Print the events as JSON, one a line, in place of the output
    #[arg(long)]
    pub(crate) json: bool,
    /// Put a file into /mnt/data first; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) put: Vec<PathBuf>,
    /// Where it runs [default: wasm, or small where only that is set up]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<BackendArg>,
    /// What the session starts from: `scientific` has numpy, pandas, matplotlib and sympy imported; `auto` takes it
    /// where the program names one of them
    #[arg(long, value_name = "NAME", default_value = "auto", hide_possible_values = true)]
    pub(crate) image: ImageArg,
    /// What it may use.
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Which Jupyter kernel, and how it is kept in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct KernelArgs {
    /// The Jupyter kernel's name [default: IPYKERNEL, else python3]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Sandbox")]
    pub(crate) kernel: Option<String>,
    /// A virtual environment that has the Jupyter kernel
    #[arg(long, global = true, value_name = "DIR", help_heading = "Sandbox")]
    pub(crate) venv: Option<PathBuf>,
    /// Have `bwrap` make the Jupyter kernel's namespaces, on hosts where only that may
    #[arg(long, global = true, conflicts_with = "unsandboxed", help_heading = "Sandbox")]
    pub(crate) bwrap: bool,
    /// Let the Jupyter kernel do what you can: programs read your files and reach your network
    #[arg(long, global = true, help_heading = "Sandbox")]
    pub(crate) unsandboxed: bool,
}

/// What a program may use.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Seconds until it is interrupted [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub(crate) time: Option<std::time::Duration>,
    /// MiB of memory [default: 512; of a Jupyter kernel 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=4096), help_heading = "Limits")]
    pub(crate) memory: Option<u64>,
    /// KiB kept of standard output, and of standard error [default: 1024]
    #[arg(long, value_name = "KIB", help_heading = "Limits")]
    pub(crate) output: Option<u64>,
    /// MiB of files [default: 64]
    #[arg(long, value_name = "MIB", help_heading = "Limits")]
    pub(crate) disk: Option<u64>,
    /// Files and folders [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) files: Option<u32>,
}

/// `glassbox setup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Fetches 98 MB of CPython in WebAssembly and a font, verifies them by sha256, compiles for this machine (about a minute on
two cores, once), builds the images that sessions start from, and tries the result. What is there already is kept; it may
be interrupted and run again. Where that package can be had from nowhere, the small sandbox is made in its place.")]
pub(crate) struct SetupArgs {
    /// Only say what is there and what is not; exit code 1 where something is missing
    #[arg(long)]
    pub(crate) check: bool,
    /// Make the small sandbox too, of CPython 3.14 and its standard library; needs python3 with venv
    #[arg(long)]
    pub(crate) small: bool,
    /// Do every step again, from the files that were fetched
    #[arg(long, conflicts_with = "check")]
    pub(crate) force: bool,
    /// Print the check as JSON
    #[arg(long, requires = "check")]
    pub(crate) json: bool,
}
