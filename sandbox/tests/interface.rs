//! The face that every interpreter has: what it says where a backend offers the least, and how outputs are written down.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use glassbox_sandbox::{
    Capabilities, CellEvent, CellUsage, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, MimeBundle,
    Output, OutputStream, Snapshot,
};
use serde_json::json;

/// The least that a backend can be: it prints its source.
struct Echo;

#[async_trait]
impl Interpreter for Echo {
    fn language(&self) -> &str {
        "text"
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn execute(&self, request: ExecuteRequest) -> OutputStream {
        stream::iter([
            Ok(CellEvent::Output { output: Output::Stdout { text: request.source } }),
            Ok(CellEvent::Finished { execution: Execution::Ok, usage: CellUsage::default() }),
        ])
        .boxed()
    }

    async fn restart(&self) -> Result<(), InterpreterError> {
        Ok(())
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn a_backend_that_offers_the_least_refuses_the_rest_with_a_hint() {
    let echo = Echo;
    assert_eq!(echo.capabilities(), Capabilities::default());
    let snapshot = Snapshot { backend: "wasm".into(), data: vec![] };
    let refusals = [
        echo.interrupt().await.unwrap_err(),
        echo.snapshot().await.unwrap_err(),
        echo.restore(&snapshot).await.unwrap_err(),
        echo.fork().await.err().unwrap(),
        echo.put_file("/mnt/data/a", b"a").await.unwrap_err(),
        echo.get_file("/mnt/data/a").await.unwrap_err(),
        echo.list_files().await.unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, InterpreterError::Unsupported { .. }), "{refusal}");
        assert!(refusal.to_string().starts_with("this interpreter cannot "), "{refusal}");
        assert!(refusal.hint().is_some());
    }
}

#[tokio::test]
async fn a_cell_gives_its_outputs_and_then_its_end() {
    let events: Vec<_> = Echo.execute(ExecuteRequest::new("hello")).map(Result::unwrap).collect().await;
    assert_eq!(
        events,
        [
            CellEvent::Output { output: Output::Stdout { text: "hello".into() } },
            CellEvent::Finished { execution: Execution::Ok, usage: CellUsage::default() },
        ]
    );
}

#[test]
fn outputs_are_written_as_tagged_json_and_read_back() {
    let cases = [
        (Output::Stdout { text: "1\n".into() }, json!({"type": "stdout", "text": "1\n"})),
        (
            Output::Display { data: MimeBundle::text("2"), id: None },
            json!({"type": "display", "data": {"text/plain": "2"}}),
        ),
        (
            Output::Error { name: "ValueError".into(), value: "no".into(), traceback: vec!["line 1".into()] },
            json!({"type": "error", "name": "ValueError", "value": "no", "traceback": ["line 1"]}),
        ),
        (
            Output::Truncated { stream: "stdout".into(), bytes: 7 },
            json!({"type": "truncated", "stream": "stdout", "bytes": 7}),
        ),
    ];
    for (output, expected) in cases {
        let written = serde_json::to_value(&output).unwrap();
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Output>(written).unwrap(), output);
    }
}

#[test]
fn limits_that_are_not_named_keep_their_defaults() {
    let limits: Limits = serde_json::from_value(json!({"memory": 1024})).unwrap();
    assert_eq!(limits, Limits { memory: 1024, ..Limits::default() });
    assert_eq!(limits.hard_time().as_millis(), 30_500);
}

#[test]
fn a_bundle_knows_its_text_and_its_pictures() {
    let mut bundle = MimeBundle::text("<Figure>");
    assert_eq!((bundle.plain(), bundle.has_image()), (Some("<Figure>"), false));
    bundle.0.insert("image/png".into(), json!("iVBORw0KGgo="));
    assert!(bundle.has_image());
}
