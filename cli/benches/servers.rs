//! `glassbox serve` against llama.cpp's server: the same model, the same requests, both sides in turn.
//!
//! `cargo bench --workspace --bench servers [-- MODEL]`. `GLASSBOX_LLAMA_SERVER` names llama.cpp's program;
//! `scripts/llama-server` makes it. Where it is not named, the table has one side. `GLASSBOX_BENCH_ROUNDS` sets the rounds
//! (default 5). The table shows medians. Ratios are glassbox to llama.cpp; below 1 is better where seconds or memory are
//! measured, above 1 where tokens a second are.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark ends at once where it cannot run")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use glassbox::model::catalog::{Silent, resolve};
use glassbox_bench::{begin, median, missing, ms, only_asked, rounds, row, subject, threads};
use serde_json::{Value, json};

/// Tokens of a reply that is timed as a whole.
const WRITTEN: u32 = 64;
/// How long a server may take to load, and a request to be answered; in the table, what takes longer is `too long`.
const PATIENCE: Duration = Duration::from_secs(900);
/// Conversations that are left idle.
const IDLE: usize = 50;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if only_asked() {
        return;
    }
    let bench = Bench {
        file: resolve(subject().as_deref().unwrap_or("qwen2.5-coder-0.5b"), &Silent).await.expect("the model is there"),
        peer: std::env::var_os("GLASSBOX_LLAMA_SERVER").filter(|path| !path.is_empty()).map(PathBuf::from),
        rounds: rounds(5),
        // A connection of its own for each request: while one server is asked, the other may close an idle one.
        client: reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()
            .expect("a client"),
    };
    begin(&format!("{}, {} threads, medians of {} rounds", bench.file.display(), threads(), bench.rounds));
    bench.second_turns().await;
    for sessions in [1, 2, 4, 8] {
        bench.together(sessions).await;
    }
    bench.idle().await;
    bench.starts().await;
    // Last: with a hundred tools the other side takes minutes for one call.
    for tools in [1, 100] {
        bench.calls(tools).await;
    }
}

struct Bench {
    file: PathBuf,
    peer: Option<PathBuf>,
    rounds: usize,
    client: reqwest::Client,
}

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Glassbox,
    Peer,
}

/// A server that runs; it is ended when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// KiB of memory that no file stands behind.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("Linux says how much memory a process has")
    }
}

/// A reply's first token, its end, and its tokens.
#[derive(Debug, Clone, Copy)]
struct Timed {
    first: Duration,
    whole: Duration,
    tokens: u64,
}

impl Bench {
    /// A server with so many sequences, all of which share `context` tokens.
    fn spawn(&self, side: Side, sequences: usize, context: usize) -> Server {
        let port = free_port();
        let mut command = match side {
            Side::Glassbox => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
                command
                    .args(["serve", "--alias", "any", "--tools", "none", "--parallel", &sequences.to_string()])
                    .arg("--model")
                    .arg(&self.file);
                command.args(["--context", &context.to_string()]);
                command
            }
            Side::Peer => {
                let mut command = Command::new(self.peer.as_ref().expect("it is only asked for where it is there"));
                command.args(["--jinja", "--no-webui", "-np", &sequences.to_string(), "-c", &context.to_string()]);
                command.arg("-m").arg(&self.file);
                command
            }
        };
        command.args(["--threads", &threads().to_string(), "--port", &port.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Server { child: child.expect("the server starts"), url: format!("http://127.0.0.1:{port}") }
    }

    /// Who is measured, in turn.
    fn sides(&self) -> Vec<Side> {
        if self.peer.is_some() { vec![Side::Glassbox, Side::Peer] } else { vec![Side::Glassbox] }
    }

    /// A server of each side.
    async fn both(&self, sequences: usize, context: usize) -> Vec<Server> {
        let mut servers = Vec::new();
        for side in self.sides() {
            servers.push(self.start(side, sequences, context).await);
        }
        servers
    }

    async fn start(&self, side: Side, sequences: usize, context: usize) -> Server {
        let server = self.spawn(side, sequences, context);
        self.ready(&server).await;
        server
    }

    async fn ready(&self, server: &Server) {
        let begun = Instant::now();
        loop {
            let answer = self.client.get(format!("{}/health", server.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not get ready", server.url);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks, and times what comes.
    async fn ask(&self, server: &Server, messages: Value, more: Value) -> Timed {
        self.ask_patiently(server, messages, more).await.expect("the server answers in time")
    }

    /// The same; `None` where it takes longer than [`PATIENCE`].
    async fn ask_patiently(&self, server: &Server, messages: Value, more: Value) -> Option<Timed> {
        let mut body = json!({
            "model": "any", "messages": messages, "temperature": 0, "stream": true,
            "stream_options": {"include_usage": true},
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let begun = Instant::now();
        let answer = self.client.post(format!("{}/v1/chat/completions", server.url)).json(&body).send().await;
        let answer = in_time(answer)?;
        let status = answer.status();
        assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap_or_default());
        let mut stream = answer.bytes_stream();
        let (mut seen, mut first, mut tokens) = (Vec::new(), None, 0);
        while let Some(bytes) = stream.next().await {
            seen.extend_from_slice(&in_time(bytes)?);
            while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = seen.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                let Some(data) = line.trim().strip_prefix("data: ") else { continue };
                let Ok(data) = serde_json::from_str::<Value>(data) else { continue };
                let delta = data.pointer("/choices/0/delta");
                let wrote = delta.is_some_and(|delta| {
                    delta.get("content").and_then(Value::as_str).is_some_and(|text| !text.is_empty())
                        || delta.get("tool_calls").is_some()
                });
                if wrote {
                    first.get_or_insert_with(|| begun.elapsed());
                }
                if let Some(count) = data.pointer("/usage/completion_tokens").and_then(Value::as_u64) {
                    tokens = count;
                }
            }
        }
        let whole = begun.elapsed();
        Some(Timed { first: first.unwrap_or(whole), whole, tokens })
    }

    /// The first token of a second message, where the first exchange has been read before.
    async fn second_turns(&self) {
        let mut found = [Vec::new(), Vec::new()];
        let servers = self.both(1, 4096).await;
        for round in 0..=self.rounds {
            for (server, found) in servers.iter().zip(&mut found) {
                let question = format!("Notes, number {round}. {}\nWhich of these is a colour?", text(400));
                let mut talk = vec![user(&question)];
                self.ask(server, json!(talk), json!({"max_tokens": 24})).await;
                talk.push(json!({"role": "assistant", "content": "None of them is a colour."}));
                talk.push(user("And which is an animal? Answer in one word."));
                let timed = self.ask(server, json!(talk), json!({"max_tokens": 8})).await;
                if round > 0 {
                    found.push(ms(timed.first));
                }
            }
        }
        tell("first token of turn 2, ms | llama-server", &mut found);
    }

    /// Sessions that write at once: tokens a second of all of them together. A reply that ends before the others would leave the
    /// rest a smaller batch, and the sides end theirs in different places, so all are long;
    /// a round in which one is not is left out.
    async fn together(&self, sessions: usize) {
        let mut found = [Vec::new(), Vec::new()];
        let context = 1024 * sessions;
        let servers = self.both(sessions, context).await;
        for round in 0..=self.rounds {
            for (server, found) in servers.iter().zip(&mut found) {
                let begun = Instant::now();
                let asked = (0..sessions).map(|session| {
                    let number = round * 100 + session;
                    let question = format!("Write an essay of a thousand words about the number {number}.");
                    self.ask(server, json!([user(&question)]), json!({"max_tokens": WRITTEN}))
                });
                let replies = join_all(asked).await;
                let elapsed = begun.elapsed();
                let whole = u64::from(WRITTEN);
                if round > 0 && replies.iter().all(|timed| timed.tokens == whole) {
                    found.push((sessions as u64 * whole) as f64 / elapsed.as_secs_f64());
                }
            }
        }
        tell(&format!("{sessions} sessions at once, tokens/s of all | llama-server -np {sessions}"), &mut found);
    }

    /// A call that must be made, with so many tools, whose prompt has been read before.
    async fn calls(&self, tools: usize) {
        let mut found = [Vec::new(), Vec::new()];
        let context = 2048 + 128 * tools;
        let servers = self.both(1, context).await;
        let offered: Vec<Value> = (0..tools).map(tool).collect();
        for round in 0..=self.rounds {
            for (server, found) in servers.iter().zip(&mut found) {
                // Who was too slow once is not asked again.
                if found.contains(&f64::INFINITY) {
                    continue;
                }
                let question = format!("What is the price of stock {}?", 10111 + round);
                let more = json!({"tools": offered, "tool_choice": "required", "max_tokens": 256});
                match self.ask_patiently(server, json!([user(&question)]), more).await {
                    Some(timed) if round > 0 => found.push(ms(timed.whole)),
                    Some(_) => {}
                    None => *found = vec![f64::INFINITY],
                }
            }
        }
        tell(&format!("a required call, {tools} tool(s), ms | llama-server"), &mut found);
    }

    /// What a conversation costs that nobody goes on with.
    async fn idle(&self) {
        let mut found = [Vec::new(), Vec::new()];
        for (side, found) in self.sides().into_iter().zip(&mut found) {
            let server = self.start(side, 4, 4096).await;
            // The first replies make what is made once.
            for session in 0..4 {
                self.ask(&server, json!([user(&format!("Hello, I am number {session}."))]), json!({"max_tokens": 4}))
                    .await;
            }
            let before = server.memory();
            for session in 0..IDLE {
                let question = format!("Notes, number {session}. {}\nThank you.", text(40));
                self.ask(&server, json!([user(&question)]), json!({"max_tokens": 8})).await;
            }
            found.push((server.memory() - before).max(0.0) / IDLE as f64);
        }
        tell(&format!("memory of an idle conversation, of {IDLE}, KiB | llama-server"), &mut found);
    }

    /// From the start of the program to the first token.
    async fn starts(&self) {
        for cold in [true, false] {
            let mut found = [Vec::new(), Vec::new()];
            for _ in 0..self.rounds.min(3) {
                for (side, found) in self.sides().into_iter().zip(&mut found) {
                    if cold {
                        forget(&self.file);
                    }
                    let begun = Instant::now();
                    let server = self.spawn(side, 1, 2048);
                    self.ready(&server).await;
                    let ready = begun.elapsed();
                    let timed = self.ask(&server, json!([user("Hi")]), json!({"max_tokens": 4})).await;
                    found.push(ms(ready + timed.first));
                }
            }
            let state = if cold { "file not in memory" } else { "file in memory" };
            tell(&format!("start to first token, {state}, ms | llama-server"), &mut found);
        }
    }
}

/// `None` where it took too long.
fn in_time<T>(answer: reqwest::Result<T>) -> Option<T> {
    match answer {
        Err(error) if error.is_timeout() => None,
        answer => Some(answer.expect("the server answers")),
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// So many words.
fn text(words: usize) -> String {
    let words: Vec<String> = (0..words).map(|n| format!("item {}", n * 37 % 101)).collect();
    words.join(", ")
}

fn tool(number: usize) -> Value {
    let name = if number == 0 { "track".to_owned() } else { format!("lookup_{number}") };
    let parameters = json!({
        "type": "object",
        "properties": {
            "symbol": {"type": "string", "description": "The code of the stock."},
            "days": {"type": "integer", "minimum": 1, "maximum": 30, "description": "How many days back."},
        },
        "required": ["symbol"],
    });
    json!({"type": "function", "function": {"name": name, "description": format!("Price of a stock, table {number}."), "parameters": parameters}})
}

/// Takes the file out of the system's memory, as far as it lets us.
fn forget(file: &Path) {
    let arguments =
        [format!("of={}", file.display()), "oflag=nocache".into(), "conv=notrunc,fdatasync".into(), "count=0".into()];
    let done = Command::new("dd").args(arguments).stderr(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "dd cannot take {} out of memory", file.display());
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn tell(question: &str, [ours, theirs]: &mut [Vec<f64>; 2]) {
    let ours = median(ours);
    if theirs.is_empty() {
        return missing(question, Some(ours));
    }
    row(question, ours, median(theirs));
}
