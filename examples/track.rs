//! ChatGLM3's own tool example, with typed tools and every event on the screen.
//!
//! ```console
//! $ cargo run --release --example track
//! ```
//!
//! Two tools, 追踪指定股票的实时价格 (the price of a stock) and the weather; the question asks for the price of stock
//! 10111. The price comes from a fixed table.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::Write;

use glassbox::prelude::*;
use glassbox::tools::builtin;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-0.5b".to_owned());
    let agent = Agent::builder(Model::load(name).await?).tools(builtin::demo()).build()?;
    let mut session = agent.session();

    let question = "帮我查询股票10111的价格";
    println!("user: {question}");
    let mut events = session.stream(question);
    while let Some(event) = events.next().await {
        match event? {
            Event::Text { text } => {
                print!("{text}");
                std::io::stdout().flush()?;
            }
            Event::ToolStarted { name, arguments, .. } => println!("\ncall: {name}({arguments})"),
            Event::ToolFinished { observation, .. } => println!("observation: {observation}"),
            Event::Finished { stop, usage, timings } => {
                println!("\n[{stop}: {} generations, {} tokens written", usage.generations, usage.completion_tokens);
                println!(
                    " {} of {} prompt tokens reused, {:.1?}]",
                    usage.reused_tokens, usage.prompt_tokens, timings.total
                );
            }
            _ => {}
        }
    }
    Ok(())
}
