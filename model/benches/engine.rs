//! What does the engine cost over llama.cpp itself, what does a kept KV cache save, what does a grammar cost, and how
//! long does a cancelled generation go on?
//!
//! `cargo bench --workspace --bench engine [-- MODEL]`. Both sides of each question run in turn, several rounds; the
//! table shows medians and their ratio. `GLASSBOX_BENCH_ROUNDS` sets the rounds (default 5).
//!
//! A process holds one model at a time: the threads that llama.cpp computes with wait for each other asleep where a process
//! has more of them than there are CPUs, and that is slower than either side alone. What is measured against llama.cpp
//! itself is measured in a process for each side; the one that asks says when each begins.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, waits, and ends at once where it cannot run"
)]

use std::{
    io::{BufRead, BufReader, Write},
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt;
use glassbox_bench::{begin, median, ms, only_asked, rounds, row, subject, threads};
use glassbox_model::{
    Request, Sampling, Vocab,
    catalog::{Silent, resolve},
    dialect::{self, Grammar},
    engine::{Engine, EngineEvent, EngineOptions, GenerateRequest},
};
use glassbox_tools::{ToolSpec, builtin};
use llama_cpp_2::{
    context::params::LlamaContextParams,
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    sampling::LlamaSampler,
    token::LlamaToken,
};
use tokio_util::sync::CancellationToken;

/// Tokens of the prompt that is read.
const PROMPT: usize = 512;
/// Tokens that are written.
const WRITTEN: u32 = 64;
const CONTEXT: u32 = 2048;
/// Set in a process that is one side: which.
const SIDE: &str = "GLASSBOX_BENCH_SIDE";

fn main() {
    if only_asked() {
        return;
    }
    let file = model_file(subject().as_deref().unwrap_or("qwen2.5-coder-0.5b"));
    if let Ok(side) = std::env::var(SIDE) {
        return answer(&side, &file);
    }
    let rounds = rounds(5);
    begin(&format!("{}, {} threads, medians of {rounds} rounds", file.display(), threads()));
    against_raw(&file, rounds);
    engine_alone(&file, rounds);
    many_tools(&file, rounds);
    cancelling(&file, rounds);
}

/// Decode and prefill against llama-cpp-2's own calls.
fn against_raw(file: &Path, rounds: usize) {
    // One sequence, so that both sides attend to the same tokens. Of several, the kept ones lie in the same cache.
    let mut sides = ["engine", "raw", "keeper"].map(|name| (Side::start(name, file), Speeds::default()));
    let [(first, _), ..] = &mut sides;
    let prompt: Vec<u32> = first.ask("");
    for round in 0..=rounds {
        // A first token of its own makes each prompt new to the KV cache.
        let mut prompt: Vec<String> = prompt.iter().map(u32::to_string).collect();
        if let Some(first) = prompt.first_mut() {
            *first = (round * 7 + 100).to_string();
        }
        for (side, speeds) in &mut sides {
            let [prefill, decode] = side.ask::<f64>(&prompt.join(" "))[..] else { panic!("a side gives two speeds") };
            // The first round warms each up.
            if round > 0 {
                speeds.prefill.push(prefill);
                speeds.decode.push(decode);
            }
        }
    }
    let [(_, mut ours), (_, mut theirs), (_, mut beside)] = sides;
    row(
        "prefill of 512 tokens, tokens/s | llama.cpp's own calls",
        median(&mut ours.prefill),
        median(&mut theirs.prefill),
    );
    let alone = median(&mut ours.decode);
    row("decode of 64 tokens, tokens/s | llama.cpp's own calls", alone, median(&mut theirs.decode));
    row("decode beside kept sequences, tokens/s | none", median(&mut beside.decode), alone);
}

/// A process that runs one side; it is ended when dropped.
struct Side {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    fn start(name: &str, file: &Path) -> Self {
        let program = std::env::current_exe().expect("this program is a file");
        let mut command = Command::new(program);
        command.arg(file).env(SIDE, name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the side starts");
        let input = child.stdin.take().expect("it has an input");
        let output = BufReader::new(child.stdout.take().expect("it has an output"));
        Self { child, input, output }
    }

    /// What it answers to a line: to a prompt's tokens its speeds of prefill and decode in tokens a second, to none a prompt.
    fn ask<T: std::str::FromStr<Err: std::fmt::Debug>>(&mut self, line: &str) -> Vec<T> {
        writeln!(self.input, "{line}").expect("the side listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the side answers");
        answer.split_whitespace().map(|number| number.parse().expect("the side answers with numbers")).collect()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a side, until no more lines come.
fn answer(side: &str, file: &Path) {
    let sequences = if side == "engine" { 1 } else { options().sequences };
    let raw = (side == "raw").then(|| Raw::load(file));
    let engine = raw
        .is_none()
        .then(|| Engine::load(file, &EngineOptions { sequences, ..options() }, |_| {}).expect("the model loads"));
    for line in std::io::stdin().lines() {
        let line = line.expect("the input is text");
        let asked: Vec<u32> = line.split_whitespace().map(|id| id.parse().expect("the number of a token")).collect();
        let done = match (&raw, &engine) {
            (_, Some(engine)) if asked.is_empty() => {
                let prompt: Vec<String> = prompt(&*engine.vocab()).iter().map(u32::to_string).collect();
                println!("{}", prompt.join(" "));
                continue;
            }
            (Some(raw), _) => raw.run(&asked),
            (_, Some(engine)) => run(engine, &asked, None),
            _ => return,
        };
        println!("{} {}", done.prefill_speed(), done.decode_speed());
    }
}

/// What the KV cache saves and what a grammar costs, engine against itself.
fn engine_alone(file: &Path, rounds: usize) {
    let engine = Engine::load(file, &options(), |_| {}).expect("the model loads");
    let vocab = engine.vocab();
    let base = prompt(&*vocab);
    let question = vocab.tokenize("\nAnd what would you say to that, in one word? Answer:");
    let (mut kept, mut fresh) = (Vec::new(), Vec::new());
    let (mut held, mut free, mut text) = (Vec::new(), Vec::new(), Vec::new());
    let (mut drawn, mut drawn_free) = (Vec::new(), Vec::new());
    let call = Grammar { lark: CALL.to_owned() };
    let any = offered(&*vocab, &engine);
    for round in 0..=rounds {
        let mut first = base.clone();
        if let Some(head) = first.first_mut() {
            *head = (round as u32).saturating_mul(11).saturating_add(5000);
        }
        let turn_one = run(&engine, &first, None);
        let mut second = first.clone();
        second.extend(&turn_one.ids);
        second.extend(&question);
        let with = run(&engine, &second, None);
        // The same prompt, but new to the cache.
        if let Some(head) = second.first_mut() {
            *head = head.saturating_add(1);
        }
        let without = run(&engine, &second, None);

        let short = vocab.tokenize("Call the tool `track` for the stocks 10111, 10112 and 10113 as JSON:\n");
        let constrained = run(&engine, &short, Some(&call));
        let unconstrained = run(&engine, &short, None);
        let plain = run(&engine, &short, Some(&any));
        // A model's usual settings: where candidates are cut off by their rank, each choice needs a mask.
        let sampling = Sampling { temperature: 0.7, top_p: 0.8, seed: Some(round as u32), ..Sampling::default() };
        let of_text =
            vocab.tokenize("A long letter to an old friend about the garden, the weather and the neighbours:\n");
        let [with_tools, without_tools] = [Some(&any), None].map(|grammar| draw(&engine, &of_text, grammar, &sampling));
        if round > 0 {
            drawn.push(with_tools.decode_speed());
            drawn_free.push(without_tools.decode_speed());
            kept.push(ms(with.first_token));
            fresh.push(ms(without.first_token));
            held.push(constrained.decode_speed());
            free.push(unconstrained.decode_speed());
            text.push(plain.decode_speed());
        }
    }
    row("first token of turn 2, ms | without KV reuse", median(&mut kept), median(&mut fresh));
    let free = median(&mut free);
    row("decode under a call's grammar, tokens/s | free", median(&mut held), free);
    row("decode of text, tools offered, tokens/s | free", median(&mut text), free);
    row("the same, drawn with top_p, tokens/s | free", median(&mut drawn), median(&mut drawn_free));
}

/// What the grammar of a hundred tools costs the first token: one that the engine has compiled before, and one that it has to
/// compile, while it reads a prompt of 512 tokens. Tools that are offered make a longer prompt than that.
fn many_tools(file: &Path, rounds: usize) {
    let engine = Engine::load(file, &options(), |_| {}).expect("the model loads");
    let vocab = engine.vocab();
    let short = vocab.tokenize("Call a tool for the stock 10111 as JSON:\n");
    let known = of_tools(&*vocab, &engine, hundred(0));
    let (mut held, mut free, mut compiled, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut prompt = prompt(&*vocab);
        let first_token = |prompt: &[u32], grammar: Option<&Grammar>| ms(run(&engine, prompt, grammar).first_token);
        let (one, other) = (first_token(&short, Some(&known)), first_token(&short, None));
        let mut new = |salt: usize| {
            if let Some(first) = prompt.first_mut() {
                *first = (round * 2 + salt) as u32 + 900;
            }
            prompt.clone()
        };
        let grammar = of_tools(&*vocab, &engine, hundred(round + 1));
        let (fresh, bare) = (first_token(&new(0), Some(&grammar)), first_token(&new(1), None));
        if round > 0 {
            held.push(one);
            free.push(other);
            compiled.push(fresh);
            plain.push(bare);
        }
    }
    row("first token, 100 tools' grammar, ms | none", median(&mut held), median(&mut free));
    row("the same, grammar new, prompt of 512, ms | none", median(&mut compiled), median(&mut plain));
}

/// A hundred tools, others for each `salt`.
fn hundred(salt: usize) -> Vec<ToolSpec> {
    let spec = |n: usize| ToolSpec {
        parameters: serde_json::json!({
            "type": "object",
            "properties": {
                "symbol": {"type": "string"},
                "days": {"type": "integer", "minimum": 1, "maximum": n + 2},
                "unit": {"type": "string", "enum": ["dollar", "euro", format!("unit-{n}")]},
            },
            "required": ["symbol"],
        }),
        ..ToolSpec::new(format!("lookup_{salt}_{n}"), format!("Looks up the price of a stock in table {n}."))
    };
    (0..100).map(spec).collect()
}

/// The grammar of a reply that may call one of the two tools of ChatGLM3's example, and may as well be text.
fn offered(vocab: &dyn Vocab, engine: &Engine) -> Grammar {
    of_tools(vocab, engine, builtin::demo().iter().map(|tool| tool.spec().clone()).collect())
}

fn of_tools(vocab: &dyn Vocab, engine: &Engine, tools: Vec<ToolSpec>) -> Grammar {
    let dialect = dialect::detect(vocab, engine.metadata()).expect("a dialect is found").dialect;
    let request = Request { tools, ..Request::default() };
    dialect.grammar(&request).expect("the grammar is written").expect("there is something to constrain")
}

/// How long a cancelled generation goes on, against the 200 ms that it may.
fn cancelling(file: &Path, rounds: usize) {
    let engine = Engine::load(file, &options(), |_| {}).expect("the model loads");
    let vocab = engine.vocab();
    let long: Vec<u32> = prompt(&*vocab).repeat(3);
    let (mut reading, mut writing) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for (times, prompt, after) in
            [(&mut reading, &long, 300), (&mut writing, &long.get(..64).unwrap_or_default().to_vec(), 700)]
        {
            let mut prompt = prompt.clone();
            if let Some(head) = prompt.first_mut() {
                *head = (round as u32).saturating_add(9000);
            }
            let cancellation = CancellationToken::new();
            let request = GenerateRequest { prompt, cancellation: cancellation.clone(), ..GenerateRequest::default() };
            let stream = engine.generate(request);
            std::thread::sleep(Duration::from_millis(after));
            let cancelled = Instant::now();
            cancellation.cancel();
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime is made");
            runtime.block_on(stream.for_each(|_| async {}));
            times.push(ms(cancelled.elapsed()));
        }
    }
    row("cancelling a prefill, ms | what it may take", median(&mut reading), 200.0);
    row("cancelling a decode, ms | what it may take", median(&mut writing), 200.0);
}

/// A list of calls whose schema has a name, texts, numbers and a list.
const CALL: &str = r#"start: "[" call ("," call)* "]"
call: "{\"name\": \"track\", \"arguments\": {\"symbol\": " STRING ", \"days\": " NUMBER ", \"tags\": [" STRING "]}}"
STRING: /"[a-zA-Z0-9 ]{1,24}"/
NUMBER: /[1-9][0-9]{0,3}/
"#;

struct Run {
    prefill: Duration,
    decode: Duration,
    first_token: Duration,
    prompt: usize,
    ids: Vec<u32>,
}

impl Run {
    fn prefill_speed(&self) -> f64 {
        self.prompt as f64 / self.prefill.as_secs_f64()
    }

    /// The first token comes with the prefill, so it does not count.
    fn decode_speed(&self) -> f64 {
        self.ids.len().saturating_sub(1) as f64 / self.decode.as_secs_f64()
    }
}

#[derive(Default)]
struct Speeds {
    prefill: Vec<f64>,
    decode: Vec<f64>,
}

/// The engine, timed from outside; the likeliest tokens.
fn run(engine: &Engine, prompt: &[u32], constraint: Option<&Grammar>) -> Run {
    draw(engine, prompt, constraint, &Sampling::default())
}

/// The same with tokens chosen as `sampling` says.
fn draw(engine: &Engine, prompt: &[u32], constraint: Option<&Grammar>, sampling: &Sampling) -> Run {
    let started = Instant::now();
    let mut stream = engine.generate(GenerateRequest {
        prompt: prompt.to_vec(),
        sampling: sampling.clone(),
        max_tokens: Some(WRITTEN),
        constraint: constraint.cloned(),
        ..GenerateRequest::default()
    });
    let (mut first, mut last, mut ids) = (None, started, Vec::new());
    let mut computed = prompt.len();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime is made");
    runtime.block_on(async {
        while let Some(event) = stream.next().await {
            match event.expect("the generation runs") {
                EngineEvent::Token { id } => {
                    ids.push(id);
                    last = Instant::now();
                    first.get_or_insert(last);
                }
                EngineEvent::Finished { usage, .. } => computed = prompt.len() - usage.reused_tokens as usize,
                _ => {}
            }
        }
    });
    let first = first.expect("a token was written");
    Run { prefill: first - started, first_token: first - started, decode: last - first, prompt: computed, ids }
}

/// llama.cpp through llama-cpp-2's calls, as its examples make them.
struct Raw {
    backend: LlamaBackend,
    model: LlamaModel,
}

impl Raw {
    fn load(file: &Path) -> Self {
        let mut backend = LlamaBackend::init().expect("llama.cpp starts");
        // Its table is for the numbers.
        backend.void_logs();
        let model = LlamaModel::load_from_file(&backend, file, &LlamaModelParams::default()).expect("the model loads");
        Self { backend, model }
    }

    fn run(&self, prompt: &[u32]) -> Run {
        let threads = i32::try_from(threads()).expect("few threads");
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(CONTEXT))
            .with_n_batch(512)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let mut context = self.model.new_context(&self.backend, params).expect("a context is made");
        let mut sampler = LlamaSampler::greedy();
        let tokens: Vec<LlamaToken> = prompt.iter().map(|id| LlamaToken(*id as i32)).collect();
        let mut batch = LlamaBatch::new(512, 1);
        let started = Instant::now();
        batch.add_sequence(&tokens, 0, false).expect("the prompt fits");
        context.decode(&mut batch).expect("the prompt is read");
        let mut token = sampler.sample(&context, batch.n_tokens() - 1);
        let first = Instant::now();
        let mut ids = vec![token.0 as u32];
        let mut position = tokens.len() as i32;
        while (ids.len() as u32) < WRITTEN {
            batch.clear();
            batch.add(token, position, &[0], true).expect("one token fits");
            context.decode(&mut batch).expect("a token is written");
            token = sampler.sample(&context, 0);
            position += 1;
            ids.push(token.0 as u32);
        }
        let decode = first.elapsed();
        Run { prefill: first - started, first_token: first - started, decode, prompt: prompt.len(), ids }
    }
}

fn options() -> EngineOptions {
    EngineOptions { context: Some(CONTEXT), ..EngineOptions::default() }
}

/// A text of exactly [`PROMPT`] tokens.
fn prompt(vocab: &dyn Vocab) -> Vec<u32> {
    let text = "The ships came back in the morning, and the people of the town went down to the harbour to see them. ";
    let mut ids = vocab.tokenize(&text.repeat(PROMPT / 8));
    ids.truncate(PROMPT);
    ids
}

fn model_file(name: &str) -> PathBuf {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime is made");
    runtime.block_on(resolve(name, &Silent)).unwrap_or_else(|error| panic!("{error}"))
}
