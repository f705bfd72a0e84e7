//! Algebra: the model writes sympy, the sandbox computes, the model answers with what it read.
//!
//! `cargo run --release --example sympy`, after `glassbox setup`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::prelude::*;
use glassbox::sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-0.5b".to_owned());
    let model = Model::load(name).await?;
    let agent = Agent::builder(model).interpreter(Sandbox::python()?).build()?;
    let reply = agent.session().send("Use sympy to solve x**2 - 5*x + 6 = 0 and print the solutions.").await?;

    for program in reply.code() {
        println!("{}\n← {}\n", program.source, program.observation);
    }
    println!("{}", reply.text());
    Ok(())
}
