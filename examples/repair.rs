//! An error repaired: the program that the model writes fails, the model reads why and writes it again.
//!
//! `cargo run --release --example repair`, after `glassbox setup`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::prelude::*;
use glassbox::sandbox::Sandbox;

/// Some of these rows are not as one would expect.
const SALES: &str = "product,revenue\ntea,1500\ncoffee,2500\ntea,n/a\ncoffee,4000\ntea,3000\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-1.5b".to_owned());
    let model = Model::load(name).await?;
    let agent = Agent::builder(model).interpreter(Sandbox::python()?).max_repairs(3).build()?;
    let mut session = agent.session();
    session.upload("sales.csv", SALES.as_bytes()).await?;

    let question = "Read /mnt/data/sales.csv with csv.DictReader and print the sum of int(row['revenue']).";
    let mut events = session.stream(question);
    while let Some(event) = events.next().await {
        match event? {
            Event::CodeReady { source, .. } => println!("{source}\n"),
            Event::CodeFinished { observation, .. } => println!("← {observation}\n"),
            Event::Text { text } => print!("{text}"),
            _ => {}
        }
    }
    println!();
    Ok(())
}
