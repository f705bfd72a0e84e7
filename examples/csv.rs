//! A CSV file is put into the sandbox, and the model's program reads it.
//!
//! `cargo run --release --example csv`, after `glassbox setup`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::prelude::*;
use glassbox::sandbox::Sandbox;

const SALES: &str = "month,product,revenue\n2026-01,tea,1200\n2026-01,coffee,2100\n2026-02,tea,1500\n\
                     2026-02,coffee,1900\n2026-03,tea,1800\n2026-03,coffee,2500\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-0.5b".to_owned());
    let model = Model::load(name).await?;
    let agent = Agent::builder(model).interpreter(Sandbox::python()?).build()?;
    let mut session = agent.session();
    session.upload("sales.csv", SALES.as_bytes()).await?;
    // Says what to do, step by step: asked which product sells best, the smallest model answers without a program.
    let reply =
        session.send("Read /mnt/data/sales.csv with pandas and print the sum of revenue for each product.").await?;

    for program in reply.code() {
        println!("{}\n← {}\n", program.source, program.observation);
    }
    println!("{}", reply.text());
    Ok(())
}
