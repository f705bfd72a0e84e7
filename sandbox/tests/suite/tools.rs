//! Tools called from code.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use glassbox_sandbox::{Backend, DenialKind, ExecuteRequest, Execution, HostTools, Interpreter, Limits};
use glassbox_tools::{
    DenyApprover, Gate, GateEvent, GateObserver, Limits as GateLimits, Registry, ToolContext, ToolError, ToolHints,
    ToolOutput, ToolSpec, tool_fn,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ask, collect, run, works};

/// Hears what the gate tells.
#[derive(Default)]
struct Heard(Mutex<Vec<GateEvent>>);

impl GateObserver for Heard {
    fn on_event(&self, event: GateEvent) {
        self.0.lock().unwrap().push(event);
    }
}

fn numbers(name: &str, description: &str) -> ToolSpec {
    let number = json!({"type": "number"});
    ToolSpec::new(name, description)
        .with_parameters(json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]}))
}

fn pair(arguments: &Value) -> (f64, f64) {
    let number = |key| arguments.get(key).and_then(Value::as_f64).unwrap();
    (number("a"), number("b"))
}

type Given = Result<ToolOutput, ToolError>;

fn registry() -> Registry {
    let mut registry = Registry::new();
    let add = tool_fn(numbers("add", "Adds two numbers."), |arguments: Value, _: ToolContext| async move {
        let (a, b) = pair(&arguments);
        Given::Ok(ToolOutput::json(json!(a + b)))
    });
    registry.register(add).unwrap();
    let multiply = tool_fn(numbers("text-multiply", "Multiplies."), |arguments: Value, _: ToolContext| async move {
        let (a, b) = pair(&arguments);
        Given::Ok(ToolOutput::text(format!("{}", a * b)))
    });
    registry.register(multiply).unwrap();
    let table = tool_fn(ToolSpec::new("table", "A table."), |_: Value, _: ToolContext| async {
        Given::Ok(ToolOutput::json(json!({"rows": [1, 2, 3], "名": "表"})))
    });
    registry.register(table).unwrap();
    let fail = tool_fn(ToolSpec::new("fail", "Fails."), |_: Value, _: ToolContext| async {
        Err::<ToolOutput, _>(std::io::Error::other("the disk is full"))
    });
    registry.register(fail).unwrap();
    let hints = ToolHints { destructive: true, ..ToolHints::default() };
    let destroy = ToolSpec::new("destroy", "Destroys.").with_hints(hints);
    registry
        .register(tool_fn(destroy, |_: Value, _: ToolContext| async { Given::Ok(ToolOutput::text("gone")) }))
        .unwrap();
    let wait = tool_fn(ToolSpec::new("wait", "Waits for ever."), |_: Value, _: ToolContext| async {
        std::future::pending::<()>().await;
        Given::Ok(ToolOutput::text("never"))
    });
    registry.register(wait).unwrap();
    registry
}

fn offered() -> (HostTools, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let gate = Gate::new(registry(), Arc::new(DenyApprover), GateLimits::default());
    (HostTools::new(gate, heard.clone(), "call-7").unwrap(), heard)
}

/// Opens a session; `None` where it cannot call tools, after it was seen to run cells all the same.
async fn open(
    backend: impl AsyncFn(Limits) -> Arc<dyn Backend>,
    limits: Limits,
) -> Option<(Arc<dyn Interpreter>, HostTools, Arc<Heard>)> {
    let session = backend(limits).await.open().await.unwrap();
    let (tools, heard) = offered();
    if session.capabilities().tools {
        return Some((session, tools, heard));
    }
    let ran = ask(&session, ExecuteRequest::new("6 * 7").with_tools(tools)).await;
    assert_eq!(ran.result().as_deref(), Some("42"));
    None
}

pub async fn a_cell_calls_three_tools_in_a_loop(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let Some((session, tools, heard)) = open(backend, Limits::default()).await else { return };
    let source = "total = 0\nfor row in table()['rows']:\n    total = add(a=total, b=float(text_multiply(row, b=2)))\n\
                  print(total, table()['名'], add.__doc__.splitlines()[0])";
    let ran = ask(&session, ExecuteRequest::new(source).with_tools(tools.clone())).await;
    assert_eq!(ran.stdout(), "12.0 表 Adds two numbers.\n", "{:?}", ran.outputs);
    assert_eq!((tools.made(), ran.usage.host_calls), (8, 8));
    let finished: Vec<String> = heard
        .0
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            GateEvent::Finished { call_id, name, .. } => Some(format!("{call_id} {name}")),
            _ => None,
        })
        .collect();
    assert_eq!(finished[..3], ["call-7.1 table", "call-7.2 text-multiply", "call-7.3 add"]);
    // The next cell of the session is offered none.
    let ran = run(&session, "add(1, 2)").await;
    assert_eq!(ran.execution, Execution::Error, "{:?}", ran.outputs);
}

pub async fn a_tool_that_fails_raises(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let Some((session, tools, _)) = open(backend, Limits::default()).await else { return };
    let source = "try:\n    fail()\nexcept ToolError as e:\n    print(e.kind, '|', e)\n\
                  try:\n    add(a='no number', b=1)\nexcept ToolError as e:\n    print(e.kind)\nadd(1)";
    let ran = ask(&session, ExecuteRequest::new(source).with_tools(tools)).await;
    let printed = ran.stdout();
    assert!(printed.starts_with("failed | ") && printed.contains("the disk is full"), "{:?}", ran.outputs);
    assert!(printed.ends_with("\ninvalid_arguments\n"), "{printed}");
    assert_eq!(ran.execution, Execution::Error);
    works(&session).await;
}

pub async fn a_denied_call_raises_and_is_told(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let Some((session, tools, heard)) = open(backend, Limits::default()).await else { return };
    let ran = ask(&session, ExecuteRequest::new("destroy()").with_tools(tools)).await;
    assert_eq!(ran.execution, Execution::Error);
    assert!(ran.error().is_some_and(|error| error.contains("ToolError")), "{:?}", ran.outputs);
    let denied = |event: &GateEvent| matches!(event, GateEvent::Finished { error: Some(kind), .. } if kind == "denied");
    assert!(heard.0.lock().unwrap().iter().any(denied));
}

pub async fn calls_past_the_limit_are_refused(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let limits = Limits { host_calls: 3, ..Limits::default() };
    let Some((session, tools, _)) = open(backend, limits).await else { return };
    let source = "done = 0\nfor n in range(5):\n    try:\n        add(n, 1)\n        done += 1\n    except Exception: pass\nprint(done)";
    let ran = ask(&session, ExecuteRequest::new(source).with_tools(tools.clone())).await;
    assert_eq!(ran.stdout(), "3\n", "{:?}", ran.outputs);
    assert!(ran.denied(DenialKind::HostCalls), "{:?}", ran.outputs);
    assert_eq!(tools.made(), 3);
    // The limit is one of a cell.
    let ran = ask(&session, ExecuteRequest::new("add(1, 2)").with_tools(tools)).await;
    assert_eq!(ran.result().as_deref(), Some("3.0"));
}

pub async fn a_call_is_cancelled_with_its_cell(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let Some((session, tools, heard)) = open(backend, Limits::default()).await else { return };
    run(&session, "x = 1").await;
    let cancellation = CancellationToken::new();
    let source = "print('on', flush=True)\nwait()";
    let request = ExecuteRequest::new(source).with_tools(tools).with_cancellation(cancellation.clone());
    let mut events = session.execute(request);
    events.next().await.unwrap().unwrap();
    let started = async {
        while !heard.0.lock().unwrap().iter().any(|event| matches!(event, GateEvent::Started { .. })) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(super::HANG, started).await.expect("the tool is not called");
    cancellation.cancel();
    let ran = collect(events).await.unwrap();
    assert_ne!(ran.execution, Execution::Ok, "{:?}", ran.outputs);
    works(&session).await;
}
