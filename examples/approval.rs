//! Asking a person before something is destroyed.
//!
//! ```console
//! $ cargo run --release --example approval
//! ```
//!
//! A tool marked `destructive` runs only when the approver says yes; without an approver it is denied. The model is
//! scripted, so that the question surely comes.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::Write;

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::prelude::*;
use serde_json::json;

/// Delete a file for good.
#[tool(destructive)]
fn delete_file(path: String) -> String {
    // An example deletes nothing.
    format!("{path} is deleted")
}

/// Asks on the terminal. Whatever is not a yes is a no.
async fn ask(request: glassbox::ApprovalRequest) -> Approval {
    print!("run {}({})? [y/N] ", request.call.name, request.call.arguments);
    // Reading blocks, so it is done beside the async threads.
    let line = tokio::task::spawn_blocking(|| {
        std::io::stdout().flush()?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    match line.await {
        Ok(Ok(line)) if line.trim().eq_ignore_ascii_case("y") => Approval::Allow,
        Ok(Ok(_)) => Approval::Deny { reason: "the person said no".to_owned() },
        Ok(Err(error)) => Approval::Deny { reason: format!("nobody could be asked: {error}") },
        Err(error) => Approval::Deny { reason: format!("asking failed: {error}") },
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = ScriptedModel::new([
        Reply::text("I will delete it. ").and_call("delete_file", json!({"path": "notes.txt"})),
        Reply::text("That is all I can do."),
    ]);
    let agent = Agent::builder(model).tools(tools![delete_file]).approver(AskApprover::new(ask)).build()?;
    let reply = agent.session().send("Delete notes.txt").await?;
    for call in reply.calls() {
        println!("the model reads: {}", call.observation);
    }
    println!("{}", reply.text());
    Ok(())
}
