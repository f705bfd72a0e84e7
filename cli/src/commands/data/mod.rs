//! `glassbox data`: files that models are fine-tuned with.

mod files;
mod tokens;

use std::path::{Path, PathBuf};

use glassbox::Recorded;
use glassbox::model::Vocab;
use glassbox::model::finetune::{
    self, Counts, Finding, Format, PairKeys, Placed, Reading, Renderer, Sample, Severity, recorded, sanity_table,
};
use glassbox::tools::ToolSpec;
use serde_json::json;

use crate::args::{DataArgs, DataCommand, TokenArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::sampling::Assignment;
use crate::settings::read_tools;
use crate::ui::{Ui, printable};
use files::{named, read_text, write_text};

/// Does what was asked.
///
/// # Errors
/// Where a file cannot be read or written, or the vocabulary cannot be had.
pub(crate) async fn data(args: DataArgs, interrupts: &Interrupts, ui: &mut Ui) -> Result<Exit, CliError> {
    tokio::select! {
        done = run(args, ui) => done,
        () = interrupts.next() => Err(CliError::Cancelled),
    }
}

async fn run(args: DataArgs, ui: &mut Ui) -> Result<Exit, CliError> {
    match args.command {
        DataCommand::Check { files, max_tokens, faults_only, keys, tokens } => {
            let max_tokens = limit(max_tokens);
            let vocab = match max_tokens {
                Some(_) => Some(tokens::vocabulary(&tokens, ui).await?),
                None => None,
            };
            let renderer = vocab.as_deref().map(|vocab| renderer(vocab, &tokens)).transpose()?;
            check(&files, &keys.into(), renderer.as_ref().zip(max_tokens), faults_only, ui)
        }
        DataCommand::Count { files, max_tokens, json, keys, tokens } => {
            let vocab = tokens::vocabulary(&tokens, ui).await?;
            count(&files, &keys.into(), &renderer(&*vocab, &tokens)?, limit(max_tokens), json, ui)
        }
        DataCommand::Show { file, sample, keys, tokens } => {
            let vocab = tokens::vocabulary(&tokens, ui).await?;
            show(&file, &keys.into(), sample as usize, (&renderer(&*vocab, &tokens)?, &*vocab), ui)
        }
        DataCommand::Render { file, out, max_tokens, keys, tokens } => {
            let vocab = tokens::vocabulary(&tokens, ui).await?;
            render(&file, &out, &keys.into(), &renderer(&*vocab, &tokens)?, limit(max_tokens), ui)
        }
        DataCommand::Convert { from, to, input, output, keys } => {
            convert((&input, from), (&output, to), &keys.into(), ui)
        }
        DataCommand::Samples { sessions, out, tools_file } => {
            let tools = tools_file.as_deref().map(read_tools).transpose()?;
            samples(&sessions, &out, tools.as_deref(), ui)
        }
    }
}

/// The number of `--max-tokens`; `none` is none.
fn limit(given: Option<Assignment>) -> Option<usize> {
    match given {
        Some(Assignment::Count(_, Some(most))) => Some(most as usize),
        _ => None,
    }
}

fn renderer<'v>(vocab: &'v dyn Vocab, args: &TokenArgs) -> Result<Renderer<'v>, CliError> {
    let renderer = Renderer::new(vocab).map_err(|error| {
        CliError::usage(error.to_string(), "`--tokenizer` takes ChatGLM3's `tokenizer.model`, or a GGUF file of it")
    })?;
    Ok(renderer.joined_system(args.joined_system))
}

fn read(path: &Path, format: Format, keys: &PairKeys) -> Result<Reading, CliError> {
    Ok(finetune::read(&read_text(path)?, format, keys))
}

/// `FILE:LINE: what is so; what to do`.
fn told(path: &Path, finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Fault => "",
        Severity::Loss => "lost: ",
        _ => "note: ",
    };
    printable(&format!("{}:{}: {word}{finding}", named(path), finding.line)).replace('\n', " ")
}

fn check(
    files: &[PathBuf],
    keys: &PairKeys,
    limit: Option<(&Renderer<'_>, usize)>,
    faults_only: bool,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let (mut good, mut faulty, mut empty) = (0, 0, false);
    for path in files {
        let reading = read(path, Format::ChatGlm3, keys)?;
        if reading.samples.is_empty() && reading.faulty == 0 {
            empty = true;
            ui.line(&format!("{}:1: it holds no samples", printable(&named(path))))?;
        }
        for finding in &reading.findings {
            if !faults_only || finding.severity == Severity::Fault {
                ui.line(&told(path, finding))?;
            }
        }
        for Placed { line, value } in &reading.samples {
            let Some((renderer, most)) = limit else { break };
            let tokens = renderer.render(value).ids.len();
            if tokens > most {
                ui.line(&format!("{}:{line}: {tokens} tokens, and the limit is {most}", printable(&named(path))))?;
            }
        }
        good += reading.samples.len();
        faulty += reading.faulty;
    }
    ui.note(&format!("{}, {} with a fault", counted(good + faulty, "sample"), faulty));
    Ok(if faulty == 0 && !empty { Exit::Done } else { Exit::Error })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The samples of a file that must have no faults; else each is told, and the error says so.
fn faultless(path: &Path, reading: Reading, ui: &mut Ui) -> Result<Vec<Placed<Sample>>, CliError> {
    for finding in reading.findings.iter().filter(|finding| finding.severity == Severity::Fault) {
        ui.say(&told(path, finding));
    }
    let content = |problem: String| CliError::Content {
        path: path.to_owned(),
        problem,
        hint: format!("`glassbox data check {}` says all that is wrong", named(path)),
    };
    match (reading.faulty, reading.samples.is_empty()) {
        (0, false) => Ok(reading.samples),
        (0, true) => Err(content("it holds no samples".to_owned())),
        (faulty, _) => Err(content(format!("{} with a fault", counted(faulty, "sample")))),
    }
}

fn count(
    files: &[PathBuf],
    keys: &PairKeys,
    renderer: &Renderer<'_>,
    limit: Option<usize>,
    json: bool,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let mut counts = Counts::default();
    let mut longest = None;
    let mut faulty = 0_usize;
    for path in files {
        let reading = read(path, Format::ChatGlm3, keys)?;
        faulty = faulty.saturating_add(reading.faulty);
        for Placed { line, value } in &reading.samples {
            let before = counts.longest;
            counts.add(*line, value, &renderer.render(value), limit);
            if counts.longest > before {
                longest = Some(named(path));
            }
        }
    }
    let place = longest.map(|path| format!("{path}:{}", counts.longest_line));
    if json {
        let mut numbers = json!({
            "samples": counts.samples, "pairs": counts.pairs, "turns": counts.turns, "tokens": counts.tokens,
            "targets": counts.targets, "longest": counts.longest, "longest_at": place, "faulty": faulty,
        });
        if let (Some(limit), Some(numbers)) = (limit, numbers.as_object_mut()) {
            numbers.insert("max_tokens".to_owned(), json!(limit));
            numbers.insert("within".to_owned(), json!(counts.within));
        }
        ui.line(&numbers.to_string())?;
    } else {
        ui.line(&format!("samples  {} (pairs: {})", counts.samples, counts.pairs))?;
        ui.line(&format!("turns    {}", counts.turns))?;
        ui.line(&format!("tokens   {}", counts.tokens))?;
        ui.line(&format!("targets  {}", counts.targets))?;
        if let Some(place) = place {
            ui.line(&format!("longest  {} ({})", counts.longest, printable(&place)))?;
        }
        if let Some(limit) = limit {
            ui.line(&format!("within   {} of {} ({limit} tokens)", counts.within, counts.samples))?;
        }
    }
    if faulty > 0 {
        ui.warn(
            &format!("{} with a fault, not counted", counted(faulty, "sample")),
            "`glassbox data check` names them",
        );
        return Ok(Exit::Error);
    }
    Ok(Exit::Done)
}

fn show(
    path: &Path,
    keys: &PairKeys,
    number: usize,
    (renderer, vocab): (&Renderer<'_>, &dyn Vocab),
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let samples = faultless(path, read(path, Format::ChatGlm3, keys)?, ui)?;
    let Some(Placed { line, value }) = number.checked_sub(1).and_then(|at| samples.get(at)) else {
        return Err(CliError::usage(
            format!("{} has no sample {number}", named(path)),
            format!("it has {}; `--sample` counts from 1", samples.len()),
        ));
    };
    let rendered = renderer.render(value);
    for row in sanity_table(&rendered, vocab) {
        ui.line(&row)?;
    }
    ui.note(&format!(
        "sample {number} of {} (line {line}): {}, {} learnt",
        samples.len(),
        counted(rendered.ids.len(), "token"),
        rendered.learnt(),
    ));
    Ok(Exit::Done)
}

fn render(
    path: &Path,
    out: &Path,
    keys: &PairKeys,
    renderer: &Renderer<'_>,
    limit: Option<usize>,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let samples = faultless(path, read(path, Format::ChatGlm3, keys)?, ui)?;
    let mut text = String::new();
    for Placed { line, value } in &samples {
        let mut rendered = renderer.render(value);
        if let Some(limit) = limit.filter(|limit| *limit < rendered.ids.len()) {
            let (tokens, learnt) = (rendered.ids.len(), rendered.learnt());
            rendered.cut(limit);
            let lost = learnt.saturating_sub(rendered.learnt());
            let place = printable(&named(path)).into_owned();
            ui.say(&format!(
                "{place}:{line}: cut from {tokens} to {limit} tokens; {lost} that would be learnt are lost"
            ));
        }
        text.push_str(&json!({"input_ids": rendered.ids, "labels": rendered.targets}).to_string());
        text.push('\n');
    }
    write_text(out, &text, ui)?;
    ui.note(&format!("{} in {}", counted(samples.len(), "sample"), printable(&named(out))));
    Ok(Exit::Done)
}

fn convert(
    (path, from): (&Path, Format),
    (out, to): (&Path, Format),
    keys: &PairKeys,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    if from == to {
        return Err(CliError::usage(
            "both formats are the same",
            "`--from` and `--to` take glm3, openai and toolalpaca",
        ));
    }
    let reading = read(path, from, keys)?;
    let written = finetune::write(&reading.samples, to);
    for finding in reading.findings.iter().chain(&written.findings) {
        ui.say(&told(path, finding));
    }
    let left_out = reading.faulty.saturating_add(written.left_out);
    write_text(out, &written.text, ui)?;
    ui.note(&format!("{} in {}", counted(written.samples, "sample"), printable(&named(out))));
    if left_out > 0 {
        ui.warn(&format!("{} left out, as said above", counted(left_out, "sample")), "");
        return Ok(Exit::Error);
    }
    Ok(Exit::Done)
}

fn samples(sessions: &[PathBuf], out: &Path, tools: Option<&[ToolSpec]>, ui: &mut Ui) -> Result<Exit, CliError> {
    let mut samples = Vec::new();
    for path in sessions {
        let Recorded { system, tools: shown, messages, .. } = Recorded::read(path)?;
        let (conversation, findings) = recorded(1, system.as_deref(), tools.unwrap_or(&shown), &messages);
        for finding in &findings {
            ui.say(&told(path, finding));
        }
        if conversation.entries.is_empty() {
            return Err(CliError::Content {
                path: path.clone(),
                problem: "nothing was said in it".to_owned(),
                hint: "leave it out".to_owned(),
            });
        }
        samples.push(Placed { line: 1, value: Sample::Conversation(conversation) });
    }
    let written = finetune::write(&samples, Format::ChatGlm3);
    write_text(out, &written.text, ui)?;
    ui.note(&format!("{} in {}", counted(written.samples, "sample"), printable(&named(out))));
    Ok(Exit::Done)
}
