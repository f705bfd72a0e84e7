//! What a turn leaves in the traces. A test program of its own, in which every test asks for the subscriber first: a span that is
//! met before there is one, or while one is being set, may be turned off for the whole process. A turn's spans are over, on the
//! thread that it ran on, when its reply is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

#[allow(dead_code, reason = "the runtime's tests share it, and need more of it")]
#[path = "runtime/support.rs"]
mod support;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::ThreadId;

use glassbox::TurnOptions;
use glassbox::model::scripted::{Reply, ScriptedModel};
use serde_json::json;
use support::{session, within};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

type Fields = BTreeMap<&'static str, String>;

/// The fields of spans that have closed, and the name of the span that each is in as `parent`.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Fields>>>);

/// Keeps them for each thread that asks for it.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<HashMap<ThreadId, Kept>>>);

struct Writing<'a>(&'a mut Fields);

impl Visit for Writing<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Threads {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut fields = Fields::from([("name", span.name().to_owned())]);
        fields.extend(span.parent().map(|parent| ("parent", parent.name().to_owned())));
        attributes.record(&mut Writing(&mut fields));
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(&mut Writing(span.extensions_mut().get_mut::<Fields>().unwrap()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions_mut().remove::<Fields>().unwrap();
        if let Some(kept) = self.0.lock().unwrap().get(&std::thread::current().id()) {
            kept.0.lock().unwrap().push(fields);
        }
    }
}

/// The spans of this thread, on which a test's turns run. Kept for all threads by one subscriber, for the reason above.
fn kept() -> Kept {
    static ALL: OnceLock<Threads> = OnceLock::new();
    let threads = ALL.get_or_init(|| {
        let threads = Threads::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(threads.clone())).unwrap();
        threads
    });
    let kept = Kept::default();
    threads.0.lock().unwrap().insert(std::thread::current().id(), kept.clone());
    kept
}

#[tokio::test]
async fn a_turn_is_a_span_around_its_tools_with_opentelemetrys_names() {
    let kept = kept();
    let model = ScriptedModel::new([Reply::call("track", json!({"symbol": "10111"})), Reply::text("12412")]);
    let reply = within(session(&model).send("go")).await.unwrap();
    let spans = kept.0.lock().unwrap().clone();
    let turn = spans.iter().find(|span| span["name"] == "invoke_agent").expect("a turn");
    let usage = reply.usage();
    for (name, wanted) in [
        ("gen_ai.operation.name", "invoke_agent".to_owned()),
        ("gen_ai.provider.name", "glassbox".to_owned()),
        ("gen_ai.request.model", "scripted".to_owned()),
        ("gen_ai.response.finish_reasons", "[\"done\"]".to_owned()),
        ("gen_ai.usage.input_tokens", usage.prompt_tokens.to_string()),
        ("gen_ai.usage.output_tokens", usage.completion_tokens.to_string()),
    ] {
        assert_eq!(turn.get(name), Some(&wanted), "{name} in {turn:?}");
    }
    assert!(!turn.contains_key("error.type") && !turn.contains_key("parent"), "{turn:?}");
    let generations = spans.iter().filter(|span| span["name"] == "inference");
    assert_eq!(generations.map(|span| span["parent"].as_str()).collect::<Vec<_>>(), ["invoke_agent"; 2]);
    let tool = spans.iter().find(|span| span["name"] == "execute_tool").expect("a tool");
    assert_eq!((tool["parent"].as_str(), tool["gen_ai.tool.name"].as_str()), ("invoke_agent", "track"));
}

#[tokio::test]
async fn a_turn_that_fails_or_is_cancelled_says_so_in_its_span() {
    let kept = kept();
    within(session(&ScriptedModel::new([])).send("go")).await.unwrap_err();
    let options = TurnOptions::new();
    let cancellation = glassbox::CancellationToken::new();
    cancellation.cancel();
    let model = ScriptedModel::new([Reply::text("never")]);
    within(session(&model).send_with("go", options.cancellation(cancellation))).await.unwrap();
    let spans = kept.0.lock().unwrap().clone();
    let turns: Vec<&Fields> = spans.iter().filter(|span| span["name"] == "invoke_agent").collect();
    assert_eq!(turns.len(), 2, "{spans:?}");
    assert_eq!(turns[0]["otel.status_code"], "ERROR");
    assert!(turns[0].contains_key("error.type"), "{:?}", turns[0]);
    assert_eq!(turns[1]["gen_ai.response.finish_reasons"], "[\"cancelled\"]");
}
