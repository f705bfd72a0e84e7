//! The shortest real program: a local model and one tool.
//!
//! ```console
//! $ cargo run --release --example quickstart
//! ```
//!
//! The first run fetches the model (469 MiB). `GLASSBOX_MODEL` names another one: a catalog name, the path of a GGUF
//! file, or `hf:OWNER/REPO/FILE.gguf`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::prelude::*;

/// Get the price of a train ticket in euros.
#[tool(read_only)]
fn ticket_price(
    /// The city to travel to.
    city: String,
    /// How many people travel.
    #[tool(default = 1)]
    people: u32,
) -> Result<u32, String> {
    match city.as_str() {
        "Paris" => Ok(120 * people),
        "London" => Ok(180 * people),
        _ => Err(format!("no train goes to {city}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::var("GLASSBOX_MODEL").unwrap_or_else(|_| "qwen2.5-coder-0.5b".to_owned());
    let model = Model::load(name).await?;
    let agent = Agent::builder(model).tools(tools![ticket_price]).build()?;
    let mut session = agent.session();

    let reply = session.send("What does a ticket to Paris cost?").await?;
    for call in reply.calls() {
        println!("{}({}) gave {}", call.name, call.arguments, call.observation);
    }
    println!("{}", reply.text());
    Ok(())
}
