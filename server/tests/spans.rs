//! What a request leaves in the traces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod real;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use real::Real;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

type Fields = BTreeMap<&'static str, String>;

/// Keeps the fields of spans that have closed.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Fields>>>);

struct Writing<'a>(&'a mut Fields);

impl Visit for Writing<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Writing(&mut fields));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(&mut Writing(span.extensions_mut().get_mut::<Fields>().unwrap()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions_mut().remove::<Fields>().unwrap();
        self.0.lock().unwrap().push(fields);
    }
}

#[tokio::test]
async fn a_generation_is_a_span_with_opentelemetrys_names() {
    let kept = Kept::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(kept.clone())).unwrap();
    let server = Real::small().await;
    let body = json!({ "model": "test", "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": 5,
        "temperature": 0.5, "seed": 7 });
    let chat = server.ask("/v1/chat/completions", &body).await;
    let text = server.ask("/v1/completions", &json!({ "model": "test", "prompt": "One, two,", "max_tokens": 3 })).await;
    let refused = server.post("/v1/completions", &json!({ "model": "test", "prompt": [[9_999_999]] })).await;
    assert_eq!(refused.status(), 400);
    let spans: Vec<Fields> =
        kept.0.lock().unwrap().iter().filter(|span| span.contains_key("gen_ai.operation.name")).cloned().collect();
    assert_eq!(spans.len(), 3, "{spans:?}");
    for (span, operation, reply) in [(&spans[0], "chat", &chat), (&spans[1], "text_completion", &text)] {
        for (name, wanted) in [
            ("otel.name", format!("{operation} smollm2-135m")),
            ("gen_ai.operation.name", operation.to_owned()),
            ("gen_ai.provider.name", "glassbox".to_owned()),
            ("gen_ai.request.model", "smollm2-135m".to_owned()),
            ("gen_ai.response.finish_reasons", "[\"length\"]".to_owned()),
            ("gen_ai.usage.input_tokens", reply["usage"]["prompt_tokens"].to_string()),
            ("gen_ai.usage.output_tokens", reply["usage"]["completion_tokens"].to_string()),
        ] {
            assert_eq!(span.get(name), Some(&wanted), "{name} in {span:?}");
        }
        assert!(!span.contains_key("error.type"), "{span:?}");
    }
    let settings = ["gen_ai.request.max_tokens", "gen_ai.request.temperature", "gen_ai.request.seed"];
    assert_eq!(settings.map(|name| spans[0][name].as_str()), ["5", "0.5", "7"]);
    assert_eq!((spans[2]["error.type"].as_str(), spans[2]["otel.status_code"].as_str()), ("prompt", "ERROR"));
}
