use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::catalog::{Silent, resolve};

#[tokio::test]
async fn a_panic_of_the_thread_ends_all_and_hangs_none() {
    let file = resolve("smollm2-135m", &Silent).await.unwrap();
    let options = EngineOptions { context: Some(512), sequences: 1, ..EngineOptions::default() };
    let engine = Engine::load(file, &options, |_| {}).unwrap();
    let request =
        || GenerateRequest { prompt: engine.vocab().tokenize("Once upon a time"), ..GenerateRequest::default() };
    let running = engine.generate(request());
    let waiting = engine.generate(request());
    engine.inner.commands.send(Command::Panic).unwrap();
    let bound = Duration::from_secs(60);
    for stream in [running, waiting] {
        let last = tokio::time::timeout(bound, stream.collect::<Vec<_>>()).await.unwrap().pop();
        match last {
            Some(Err(error @ ModelError::Stopped { .. })) => {
                assert_eq!(error.to_string(), "the engine has stopped: asked to panic");
            }
            other => panic!("{other:?}"),
        }
    }
    // So is everything after.
    let after = tokio::time::timeout(bound, engine.generate(request()).collect::<Vec<_>>()).await.unwrap();
    assert!(matches!(after.as_slice(), [Err(ModelError::Stopped { .. })]), "{after:?}");
}
