//! 画一个爱心 ("draw a heart"): the model writes Python, the picture that it draws is saved.
//!
//! `cargo run --release --example heart`, after `glassbox setup`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::prelude::*;
use glassbox::sandbox::{Output, Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-1.5b".to_owned());
    let model = Model::load(name).await?;
    let agent = Agent::builder(model).interpreter(Sandbox::python()?).build()?;
    let reply = agent.session().send("画一个爱心").await?;

    for program in reply.code() {
        println!("{}\n← {}\n", program.source, program.observation);
        let pictures = program.outputs.iter().filter_map(Output::data);
        for png in pictures.filter_map(|data| data.bytes("image/png")) {
            std::fs::write("heart.png", &png)?;
            println!("heart.png: {} bytes\n", png.len());
        }
    }
    println!("{}", reply.text());
    Ok(())
}
