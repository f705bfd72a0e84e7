//! `glassbox exec`: runs Python in the sandbox, without a model.

mod input;
mod show;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use glassbox::sandbox::{CellEvent, DenialKind, ExecuteRequest, Execution, Interpreter, Limits, Output};
use tokio_util::sync::CancellationToken;

use crate::args::{AgentArgs, ExecArgs, LimitArgs};
use crate::backend::{self, BackendArg, BackendSettings};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::pictures::OutFolder;
use crate::ui::{Ui, printable};

use input::StandardInput;
use show::Shown;

/// Runs the program. `shared` has the options of the sandbox that are the agent's too.
///
/// # Errors
/// What kept it from running; what it raised itself is an exit code.
pub(crate) async fn exec(
    args: ExecArgs,
    shared: AgentArgs,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let program = Program::read(&args).await?;
    let settings = BackendSettings {
        backend: args.backend,
        limits: limits(&args.limits, args.backend),
        start: args.image.of(&program.source),
        packages: shared.packages,
        kernel: shared.kernel,
        option: "--backend",
    };
    let uploads = read_uploads(&args.put)?;
    let session = backend::make(settings, ui)?.open().await?;
    for (name, data) in &uploads {
        session.put_file(name, data).await?;
    }
    let python = session.language() == "python";
    if !python && program.argv.len() > 1 {
        let text = format!("a program in {} takes no arguments here", printable(session.language()));
        return Err(CliError::usage(text, "leave them out"));
    }
    // A kernel's own arguments are there already: a file would read those.
    let others = args.backend == Some(BackendArg::Jupyter) && !program.echo;
    if python && (others || program.argv.len() > 1) {
        set_argv(session.as_ref(), &program.argv).await?;
    }
    let out = shared.out.map(OutFolder::new);
    let shown = Shown { json: args.json, value: program.echo, out: out.as_ref() };
    let files = Files { put: &uploads, out: out.as_ref() };
    let exit = run(&session, &program, shown, files, interrupts, ui).await?;
    files.save(session.as_ref(), ui).await?;
    session.close().await;
    Ok(exit)
}

/// Runs before the program, as a cell of its own that leaves no name behind.
async fn set_argv(session: &dyn Interpreter, argv: &[String]) -> Result<(), CliError> {
    // A list of JSON strings is one of Python's too.
    let list = serde_json::to_string(argv).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut events = session.execute(ExecuteRequest::new(format!("__import__('sys').argv[:] = {list}")));
    while events.next().await.transpose()?.is_some() {}
    Ok(())
}

/// What is run.
struct Program {
    source: String,
    /// Whether the last expression's value is shown.
    echo: bool,
    /// Whether standard input is the program's own.
    input: bool,
    /// Its name and its arguments.
    argv: Vec<String>,
}

impl Program {
    async fn read(args: &ExecArgs) -> Result<Self, CliError> {
        let words =
            || args.file.iter().map(|word| word.to_string_lossy().into_owned()).chain(args.args.iter().cloned());
        match (&args.code, &args.file) {
            (Some(code), _) => {
                let argv = std::iter::once("-c".to_owned()).chain(words()).collect();
                Ok(Self { source: code.clone(), echo: true, input: true, argv })
            }
            (None, Some(file)) if file.as_os_str() != "-" => {
                let source = std::fs::read(file).map_err(|source| CliError::reading(file, source))?;
                let source = String::from_utf8(source).map_err(|_| CliError::Content {
                    path: file.clone(),
                    problem: "it is not UTF-8 text".to_owned(),
                    hint: "pass a Python program".to_owned(),
                })?;
                Ok(Self { source, echo: false, input: true, argv: words().collect() })
            }
            (None, Some(_)) => {
                let source = crate::input::read_all().await?;
                Ok(Self { source, echo: false, input: false, argv: words().collect() })
            }
            (None, None) => {
                Err(CliError::usage("there is no program", "glassbox exec FILE, or -c CODE, or - for standard input"))
            }
        }
    }
}

fn limits(args: &LimitArgs, backend: Option<BackendArg>) -> Limits {
    let default = BackendArg::limits(backend);
    let mib = |given: Option<u64>, default: u64| given.map_or(default, |mib| mib.saturating_mul(1 << 20));
    Limits {
        soft_time: args.time.unwrap_or(default.soft_time),
        memory: mib(args.memory, default.memory),
        output: args.output.map_or(default.output, |kib| kib.saturating_mul(1 << 10)),
        disk: mib(args.disk, default.disk),
        files: args.files.unwrap_or(default.files),
        ..default
    }
}

/// The files of `--put`, by their names in the sandbox.
fn read_uploads(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    paths
        .iter()
        .map(|path| Ok((file_name(path)?, std::fs::read(path).map_err(|e| CliError::reading(path, e))?)))
        .collect()
}

fn file_name(path: &Path) -> Result<String, CliError> {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| CliError::usage(format!("{} names no file", path.display()), "pass a file with a name in UTF-8"))
}

/// The files of a session, as they are saved.
#[derive(Debug, Clone, Copy)]
struct Files<'a> {
    /// What was put there, which is not saved again unless it was changed.
    put: &'a [(String, Vec<u8>)],
    /// Where they go; nowhere without it.
    out: Option<&'a OutFolder>,
}

impl Files<'_> {
    /// Saves every file below `/mnt/data` that is not as it was put there.
    async fn save(self, session: &dyn Interpreter, ui: &mut Ui) -> Result<(), CliError> {
        let Some(out) = self.out else { return Ok(()) };
        for file in session.list_files().await? {
            let Some(name) = file.path.strip_prefix("/mnt/data/") else { continue };
            let data = session.get_file(&file.path).await?;
            if !self.put.iter().any(|(known, before)| known == name && *before == data) {
                let path = out.file(&file.path, &data)?;
                ui.note(&format!("saved {}", printable(&path.display().to_string())));
            }
        }
        Ok(())
    }

    /// Saves what is there of a program that is about to be ended.
    async fn rescue(self, session: &dyn Interpreter, ui: &mut Ui) {
        if let Err(error) = self.save(session, ui).await {
            ui.warn(&format!("files that the program wrote are lost: {error}"), "");
        }
    }
}

async fn run(
    session: &Arc<dyn Interpreter>,
    program: &Program,
    shown: Shown<'_>,
    files: Files<'_>,
    interrupts: &Interrupts,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let cancellation = CancellationToken::new();
    let mut request = ExecuteRequest::new(program.source.clone()).with_cancellation(cancellation.clone());
    if program.input {
        request = request.with_input(Arc::new(StandardInput));
    }
    let mut events = session.execute(request);
    let mut seen = Seen::default();
    let interrupted = interrupts.next();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                let Some(event) = event.transpose()? else { return Ok(Exit::Error) };
                shown.event(&event, ui)?;
                match event {
                    CellEvent::Output { output } => seen.output(&output),
                    CellEvent::Finished { execution, .. } => {
                        ui.end_reply()?;
                        if seen.lost && files.out.is_some() {
                            ui.warn("files that the program wrote before its session was lost are lost with it", "");
                        }
                        return Ok(seen.exit(execution));
                    }
                }
            }
            () = &mut interrupted => {
                if std::mem::replace(&mut seen.interrupted, true) {
                    // Asked twice: the program is given no time to tidy up. Its files are taken before it is ended, which
                    // would take them back.
                    files.rescue(session.as_ref(), ui).await;
                    return Err(CliError::Cancelled);
                }
                interrupted.set(interrupts.next());
                if session.interrupt().await.is_err() {
                    cancellation.cancel();
                }
            }
        }
    }
}

/// What the exit code follows from.
#[derive(Debug, Default)]
struct Seen {
    time: bool,
    memory: bool,
    interrupted: bool,
    lost: bool,
    code: Option<u8>,
}

impl Seen {
    fn output(&mut self, output: &Output) {
        match output {
            Output::Denied { denial } if denial.kind == DenialKind::Time => self.time = true,
            Output::Denied { denial } if denial.kind == DenialKind::Memory => self.memory = true,
            Output::SessionLost { .. } => self.lost = true,
            Output::Error { name, value, .. } => {
                // `sys.exit("message")` ends with 1, as in Python, and of a number the last eight bits count.
                let code = value.parse::<i64>().map_or(1, |code| code.to_le_bytes()[0]);
                self.code = (name == "SystemExit").then_some(code);
                // A limit that the program lived through is not what ended it. A kernel's allocator says nothing but the
                // exception, numpy's has a name of its own.
                self.memory = name.ends_with("MemoryError");
            }
            _ => {}
        }
    }

    fn exit(&self, execution: Execution) -> Exit {
        match execution {
            Execution::Ok => Exit::Done,
            _ if self.time => Exit::TimeLimit,
            _ if self.interrupted => Exit::Cancelled,
            _ if self.memory => Exit::MemoryLimit,
            _ => self.code.map_or(Exit::Error, Exit::Program),
        }
    }
}

/// Seconds for a person.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use glassbox::sandbox::Denial;

    use super::*;

    fn denied(kind: DenialKind) -> Output {
        Output::Denied { denial: Denial { kind, message: String::new(), hint: String::new() } }
    }

    fn error(name: &str, value: &str) -> Output {
        Output::Error { name: name.into(), value: value.into(), traceback: vec![] }
    }

    fn exit(outputs: &[Output], execution: Execution) -> u8 {
        let mut seen = Seen::default();
        outputs.iter().for_each(|output| seen.output(output));
        seen.exit(execution).code()
    }

    #[test]
    fn the_exit_code_says_what_ended_the_program() {
        assert_eq!(exit(&[], Execution::Ok), 0);
        assert_eq!(exit(&[error("ValueError", "no")], Execution::Error), 1);
        assert_eq!(exit(&[error("SystemExit", "3")], Execution::Error), 3);
        assert_eq!(exit(&[error("SystemExit", "bye")], Execution::Error), 1);
        assert_eq!(exit(&[denied(DenialKind::Time)], Execution::Interrupted), 124);
        assert_eq!(exit(&[denied(DenialKind::Time)], Execution::Restarted), 124);
        assert_eq!(exit(&[denied(DenialKind::Memory), error("MemoryError", "")], Execution::Error), 137);
        assert_eq!(exit(&[error("_ArrayMemoryError", "Unable to allocate 8 GiB")], Execution::Error), 137);
        let caught = [denied(DenialKind::Memory), error("ValueError", "")];
        assert_eq!(exit(&caught, Execution::Error), 1);
        assert_eq!(exit(&[error("SystemExit", "-1")], Execution::Error), 255);
        assert_eq!(exit(&[denied(DenialKind::Network), error("PermissionError", "")], Execution::Error), 1);
        // A program that caught its MemoryError has ended well.
        assert_eq!(exit(&[denied(DenialKind::Memory)], Execution::Ok), 0);
    }
}
