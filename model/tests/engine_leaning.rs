//! A choice between tools for which the user's words speak, on a real model.
#![cfg(all(feature = "llama", feature = "fetch"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine;

use engine::{Reply, chat, collect, options, request};
use glassbox_model::{
    Message, Request,
    dialect::{self, Grammar, Steering},
    engine::{Engine, GenerateRequest},
};
use glassbox_tools::ToolSpec;

const TOOLS: [(&str, &str); 3] = [
    ("get_weather", "clouds sunshine storms temperature"),
    ("get_recipe", "soup bread cheese salad"),
    ("play_music", "song piano violin drums"),
];

/// What comes for this message where the call of one tool has to.
async fn reply(engine: &Engine, message: &str, leans: bool) -> Reply {
    let tools = TOOLS.map(|(tool, about)| ToolSpec::new(tool, about)).into();
    let messages = vec![Message::user(message)];
    let asked = Request { tools, messages, ..Request::default() };
    let vocab = engine.vocab();
    let dialect = dialect::by_name("generic", &*vocab, engine.metadata()).unwrap().dialect;
    let prior = dialect.steering(&asked).unwrap().prior.filter(|_| leans);
    let steering = Steering { prior, ..Steering::default() };
    let names = TOOLS.map(|(tool, _)| format!("\"{tool}\"")).join(" | ");
    let lark = format!(r#"start: "{{\"name\": \"" ({names}) "\"}}""#);
    // The prompt says nothing of the message: all that the model knows of it is the prior.
    let prompt = chat(&*vocab, "You call tools.", "Call one.");
    let constraint = Some(Grammar { lark });
    collect(engine.generate(GenerateRequest { constraint, steering, ..request(prompt, 40) })).await.unwrap()
}

#[tokio::test]
async fn a_tool_is_called_for_which_the_users_words_speak() {
    let engine = engine::engine(options()).await;
    let text = |reply: &Reply| reply.text(&*engine.vocab());
    let plain = reply(&engine, "", false).await;
    let mut others = 0;
    for (tool, message) in TOOLS {
        let called = format!("{{\"name\": \"{tool}\"}}");
        let leant = text(&reply(&engine, message, true).await);
        others += usize::from(leant == called && text(&plain) != called);
    }
    assert!(others > 0, "it always called what it calls without: {}", text(&plain));
    assert_eq!(reply(&engine, "something else", true).await.ids, plain.ids);
}
