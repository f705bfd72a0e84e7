//! Tools as functions of a program: one program calls a tool in a loop, and every call goes through the gate.
//!
//! `cargo run --release --example code_tools`, after `glassbox setup`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::ToolAccess;
use glassbox::prelude::*;
use glassbox::sandbox::Sandbox;

/// Get the current temperature in degrees Celsius.
#[tool(read_only)]
fn temperature(
    /// The city's name.
    city: String,
) -> Result<i32, String> {
    match city.as_str() {
        "Beijing" => Ok(21),
        "Paris" => Ok(17),
        "Cairo" => Ok(33),
        _ => Err(format!("no station in {city}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-1.5b".to_owned());
    let model = Model::load(name).await?;
    let builder = Agent::builder(model).tools(tools![temperature]).tool_access(ToolAccess::Code);
    let mut session = builder.interpreter(Sandbox::python()?).build()?.session();

    let mut events = session
        .stream("Print the temperatures of Beijing, Paris and Cairo, and say which of the cities is the warmest.");
    while let Some(event) = events.next().await {
        match event? {
            Event::CodeReady { source, .. } => println!("{source}\n"),
            Event::ToolFinished { id, observation, .. } => println!("{id} ← {observation}"),
            Event::CodeFinished { observation, .. } => println!("← {observation}\n"),
            Event::Text { text } => print!("{text}"),
            _ => {}
        }
    }
    println!();
    Ok(())
}
