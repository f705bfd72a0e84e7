//! A fine-tune deployed: a LoRA adapter for the nano model, chosen by a conversation.
//!
//! ```console
//! $ cargo run --release --example adapter
//! ```
//!
//! The same question twice, to the model alone and with the adapter, which has it speak as to a friend. Both files are in
//! the repository; `model/nano/README.md` tells how they were made.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use glassbox::model::engine::{EngineOptions, LoraAdapter, NamedAdapter};
use glassbox::prelude::*;
use glassbox::{AdapterChoice, tools::builtin::track};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/model/nano/chatglm3-nano-friend.gguf").into();
    let friend = NamedAdapter { name: "friend".to_owned(), adapter: LoraAdapter { path, scale: 1.0 } };
    let options = EngineOptions { adapters: vec![friend], ..EngineOptions::default() };
    let model = Model::builder("chatglm3-nano").options(options).load().await?;
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    let agent = Agent::builder(model).tools(tools![track]).sampling(greedy).build()?;

    for adapter in [AdapterChoice::Base, AdapterChoice::Named { name: "friend".to_owned(), scale: None }] {
        let mut session = agent.session();
        session.set_adapter(adapter);
        let reply = session.send("帮我查询股票10111的价格").await?;
        for message in reply.messages() {
            if let Message::Assistant(reply) = message {
                println!("{}", reply.text().trim());
            }
        }
    }
    Ok(())
}
