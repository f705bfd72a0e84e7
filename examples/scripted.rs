//! Testing an agent without a model: the model's replies are written beforehand, the tools and the loop are real.
//!
//! ```console
//! $ cargo run --release --example scripted
//! ```
//!
//! In a project of your own this is the body of a `#[tokio::test]`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::prelude::*;
use serde_json::json;

/// Look up the stock of an article.
#[tool(read_only)]
fn stock(
    /// The article's number.
    #[schemars(range(min = 1))]
    article: u32,
) -> Result<u32, String> {
    if article == 7 { Ok(42) } else { Err(format!("there is no article {article}")) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = ScriptedModel::new([
        // What models do: a wrong name, a wrong argument, then a good call.
        Reply::call("stocks", json!({"article": 7})),
        Reply::call("stock", json!({"article": 0})),
        Reply::call("stock", json!({"article": "7"})),
        Reply::text("There are 42 left."),
    ]);
    // A clone shares the script and keeps the requests.
    let agent = Agent::builder(model.clone()).tools(tools![stock]).build()?;
    let reply = agent.session().send("How many of article 7 are left?").await?;

    for call in reply.calls() {
        println!("{}({}) → {}", call.name, call.arguments, call.observation);
    }
    println!("{}", reply.text());
    assert_eq!(reply.text(), "There are 42 left.");
    assert_eq!(reply.stop(), StopReason::Done);
    // After each call that could not be used the model was held to the grammar of the calls.
    let choices: Vec<_> = model.requests().into_iter().map(|request| request.tool_choice).collect();
    assert_eq!(choices, [ToolChoice::Auto, ToolChoice::Required, ToolChoice::Named("stock".into()), ToolChoice::Auto]);
    Ok(())
}
