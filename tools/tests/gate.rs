//! Calls of every bad kind through the gate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking; clippy sees helpers of integration tests as production code"
)]

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use glassbox_tools::{
    Approval, ApprovalRequest, Approver, AutoApprover, CancellationToken, DenyApprover, Gate, GateEvent, GateObserver,
    IntoTools, Limits, OutputStore, Registry, Tool, ToolCall, ToolContext, ToolError, ToolOutcome, ToolOutput,
    ToolSpec, builtin::ReadOutput, tool, tool_fn, tools,
};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify, oneshot};

fn gate(tools: impl IntoTools) -> Gate {
    Gate::new(Registry::of(tools).unwrap(), Arc::new(AutoApprover), Limits::default())
}

async fn call(gate: &Gate, name: &str, arguments: Value) -> ToolOutcome {
    gate.dispatch(ToolCall::new("call-1", name, arguments), &CancellationToken::new(), Arc::new(())).await
}

/// Keeps what it sees.
#[derive(Default)]
struct Seen(Mutex<Vec<GateEvent>>);

impl GateObserver for Seen {
    fn on_event(&self, event: GateEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Seen {
    fn kinds(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events.iter().map(|event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Get the weather for a city.
#[tool]
async fn get_weather(
    /// The city.
    city_name: String,
    #[schemars(range(min = 1, max = 7))] days: Option<u8>,
) -> String {
    format!("{city_name} {days:?}")
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_the_nearest_and_all_known_ones() {
    let gate = gate(tools![get_weather, glassbox_tools::builtin::track]);
    let outcome = call(&gate, "get_wether", json!({})).await;
    assert_eq!(
        outcome.for_model,
        "Error: there is no tool named `get_wether`. Did you mean `get_weather`? Available tools: get_weather, track."
    );
    assert!(matches!(outcome.result, Err(ToolError::UnknownTool { .. })));
    let outcome = call(&gate, "send_email", json!({})).await;
    assert!(!outcome.for_model.contains("Did you mean"), "{}", outcome.for_model);
    let outcome = call(&gate, &"x".repeat(1_000_000), json!({})).await;
    assert!(outcome.for_model.len() < 500, "a name of 1 MB is not repeated");
    let none = Gate::new(Registry::new(), Arc::new(AutoApprover), Limits::default());
    assert!(call(&none, "track", json!({})).await.for_model.contains("answer directly"));
}

#[tokio::test]
async fn missing_and_mistyped_arguments_are_told_to_the_model() {
    let gate = gate(tools![get_weather]);
    for (arguments, expected) in [
        (json!({}), "`city_name` is missing (a string)"),
        (json!({"city": "北京"}), "`city` is unknown; known are `city_name`, `days`"),
        (json!({"city_name": ["a"]}), "`city_name` is [\"a\"], but a string is asked for"),
        (json!({"city_name": "a", "days": 9}), "`days` is 9, but at most 7 is asked for"),
        (json!("not an object"), "`arguments` is \"not an object\", but an object is asked for"),
        (json!([]), "`arguments` is [], but an object is asked for"),
    ] {
        let outcome = call(&gate, "get_weather", arguments.clone()).await;
        assert!(matches!(outcome.result, Err(ToolError::InvalidArguments { .. })), "{arguments}");
        assert!(outcome.for_model.contains(expected), "{arguments}: {}", outcome.for_model);
        assert!(outcome.for_model.contains("Call it again"), "{}", outcome.for_model);
    }
}

#[tokio::test]
async fn coercions_are_made_and_reported() {
    let gate = gate(tools![get_weather]);
    let seen = Arc::new(Seen::default());
    let call = ToolCall::new("call-1", "get_weather", json!({"city_name": 10111, "days": "3"}));
    let outcome = gate.dispatch(call, &CancellationToken::new(), seen.clone()).await;
    assert_eq!(outcome.for_model, "10111 Some(3)");
    let told = outcome.coercions.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told, ["`city_name`: 10111 read as \"10111\"", "`days`: \"3\" read as 3"]);
    let events = seen.0.lock().unwrap();
    let GateEvent::Started { arguments, coercions, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(*arguments, json!({"city_name": "10111", "days": 3}));
    assert_eq!(*coercions, outcome.coercions);
}

#[tokio::test]
async fn coercions_of_arguments_that_stay_wrong_are_reported_too() {
    let outcome = call(&gate(tools![get_weather]), "get_weather", json!({"city_name": 1, "days": "9"})).await;
    assert!(outcome.result.is_err());
    assert_eq!(outcome.coercions.len(), 2);
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, level| match level % 2 {
        0 => Value::Array(vec![inner]),
        _ => Value::Object([("city_name".to_owned(), inner)].into_iter().collect()),
    })
}

/// On a stack that any recursion over the value would overflow.
#[test]
fn a_hundred_thousand_levels_of_nesting_are_refused_and_dropped() {
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gate = gate(tools![get_weather]);
        for name in ["get_weather", "unknown"] {
            let outcome = runtime.block_on(call(&gate, name, nested(100_001)));
            assert!(outcome.result.is_err());
        }
        let outcome = runtime.block_on(call(&gate, "get_weather", nested(100_000)));
        assert!(outcome.for_model.contains("nested deeper than 64 levels"), "{}", outcome.for_model);
        // A future that nobody polls owns the value as well.
        let call = ToolCall::new("call-1", "get_weather", nested(100_000));
        drop(gate.dispatch(call, &CancellationToken::new(), Arc::new(())));
        // And nesting that hides in a text.
        let text = format!("{{\"city_name\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(runtime.block_on(crate::call(&gate, "get_weather", Value::String(text))).result.is_err());
        let text = format!("{{\"city_name\": {}1{}}}", "[".repeat(100), "]".repeat(100));
        let outcome = runtime.block_on(crate::call(&gate, "get_weather", Value::String(text)));
        assert!(outcome.for_model.contains("nested"), "{}", outcome.for_model);
    });
    thread.unwrap().join().unwrap();
}

#[tokio::test]
async fn a_panic_is_caught_from_sync_code_across_await_and_from_a_tool_by_hand() {
    /// Panics.
    #[tool]
    fn at_once() -> String {
        panic!("secret {}", 1)
    }
    /// Panics.
    #[tool]
    async fn later() -> String {
        tokio::task::yield_now().await;
        panic!("secret")
    }
    struct ByHand(ToolSpec);
    impl Tool for ByHand {
        fn spec(&self) -> &ToolSpec {
            &self.0
        }
        // Without `async_trait`, so that it panics before there is a future.
        fn call<'a, 'b, 'c>(
            &'a self,
            _: Value,
            _: &'b ToolContext,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send + 'c>>
        where
            'a: 'c,
            'b: 'c,
            Self: 'c,
        {
            std::panic::panic_any(7_u8)
        }
    }
    let gate = gate(tools![at_once, later, ByHand(ToolSpec::new("by_hand", "Panics."))]);
    for (name, message) in [("at_once", "secret 1"), ("later", "secret"), ("by_hand", "a panic without a message")] {
        let outcome = call(&gate, name, json!({})).await;
        match &outcome.result {
            Err(ToolError::Panicked { message: found, .. }) => assert_eq!(found, message),
            other => panic!("{other:?}"),
        }
        assert!(!outcome.for_model.contains("secret"), "the model is not told what a panic says");
        assert!(outcome.for_model.contains("internal fault"));
    }
    assert_eq!(
        call(&gate, "at_once", json!({})).await.result.unwrap_err().kind(),
        "panicked",
        "and the gate still works"
    );
}

/// Says when it is dropped.
struct OnDrop(Option<oneshot::Sender<()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.take().map(|sender| sender.send(()));
    }
}

/// A tool that never ends, and two signals: that it runs, and that its future was dropped.
fn hanging() -> (impl IntoTools, oneshot::Receiver<()>, oneshot::Receiver<()>) {
    let (running, runs) = oneshot::channel();
    let (dropped, is_dropped) = oneshot::channel();
    let once = Mutex::new(Some((running, OnDrop(Some(dropped)))));
    let tool = tool_fn(ToolSpec::new("hang", "Never ends."), move |_, _| {
        let (running, guard) = once.lock().unwrap().take().unwrap();
        async move {
            let _guard = guard;
            let _ = running.send(());
            std::future::pending::<()>().await;
            Ok::<_, ToolError>(())
        }
    });
    (tool, runs, is_dropped)
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_is_stopped_when_its_time_is_up() {
    let (tool, _, mut dropped) = hanging();
    let outcome = call(&gate(tool), "hang", json!({})).await;
    match outcome.result {
        Err(ToolError::Timeout { limit, .. }) => assert_eq!(limit, Duration::from_secs(60), "the default"),
        other => panic!("{other:?}"),
    }
    assert!(outcome.for_model.contains("did not finish within 60 s"), "{}", outcome.for_model);
    assert!(dropped.try_recv().is_ok(), "its future is dropped before the outcome is there");
}

#[tokio::test(start_paused = true)]
async fn a_tool_s_own_timeout_goes_before_the_gate_s() {
    /// Hangs.
    #[tool(timeout = 0.5)]
    async fn impatient() {
        std::future::pending().await
    }
    let before = tokio::time::Instant::now();
    let outcome = call(&gate(tools![impatient]), "impatient", json!({})).await;
    assert!(matches!(outcome.result, Err(ToolError::Timeout { limit, .. }) if limit == Duration::from_millis(500)));
    assert!(before.elapsed() < Duration::from_secs(1));
}

static RELEASE: Notify = Notify::const_new();

#[test]
fn a_blocking_tool_that_hangs_holds_up_neither_the_turn_nor_the_program() {
    /// Hangs until the whole test is over.
    #[tool(timeout = 0.05)]
    fn stuck(context: &ToolContext) -> bool {
        futures::executor::block_on(RELEASE.notified());
        context.cancellation().is_cancelled()
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gate = gate(tools![stuck, get_weather]);
    runtime.block_on(async {
        let turn = CancellationToken::new();
        let dispatch = |name, arguments| gate.dispatch(ToolCall::new("call-1", name, arguments), &turn, Arc::new(()));
        let (stuck, other) =
            tokio::join!(dispatch("stuck", json!({})), dispatch("get_weather", json!({"city_name": "a"})));
        assert!(matches!(stuck.result, Err(ToolError::Timeout { .. })), "{stuck:?}");
        assert_eq!(other.for_model, "a None", "another call runs meanwhile on the same thread");
    });
    // The thread still hangs. Were it one of the runtime's, this would wait for it.
    let before = Instant::now();
    drop(runtime);
    assert!(before.elapsed() < Duration::from_secs(5));
    RELEASE.notify_one();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_async_tool_that_blocks_its_thread_does_not_hold_up_the_turn() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let rude = tool_fn(ToolSpec::new("rude", "Blocks.").with_timeout(Duration::from_millis(50)), move |_, _| {
        let released = Arc::clone(&released);
        async move {
            let _ = released.lock().unwrap().recv();
            Ok::<_, ToolError>(())
        }
    });
    let outcome = call(&gate(rude), "rude", json!({})).await;
    assert!(matches!(outcome.result, Err(ToolError::Timeout { .. })), "{outcome:?}");
    release.send(()).unwrap();
}

#[tokio::test]
async fn cancelling_ends_the_call_at_once_and_drops_the_tool_s_future() {
    let (tool, running, mut dropped) = hanging();
    let gate = gate(tool);
    let turn = CancellationToken::new();
    let seen = Arc::new(Seen::default());
    let dispatch = gate.dispatch(ToolCall::new("call-1", "hang", json!({})), &turn, seen.clone());
    let cancelled = async {
        running.await.unwrap();
        turn.cancel();
        Instant::now()
    };
    let (outcome, cancelled) = tokio::join!(dispatch, cancelled);
    assert!(cancelled.elapsed() < Duration::from_millis(200), "{:?}", cancelled.elapsed());
    assert!(matches!(outcome.result, Err(ToolError::Cancelled { .. })));
    assert!(dropped.try_recv().is_ok());
    assert_eq!(seen.kinds(), ["started", "finished"]);
    let outcome = gate.dispatch(ToolCall::new("call-2", "hang", json!({})), &turn, Arc::new(())).await;
    assert!(matches!(outcome.result, Err(ToolError::Cancelled { .. })), "a cancelled turn starts nothing");
}

#[tokio::test]
async fn dropping_the_dispatch_drops_the_tool_s_future_and_cancels_its_context() {
    let (tool, running, dropped) = hanging();
    let gate = gate(tool);
    let turn = CancellationToken::new();
    let mut dispatch = Box::pin(gate.dispatch(ToolCall::new("call-1", "hang", json!({})), &turn, Arc::new(())));
    tokio::select! {
        _ = &mut dispatch => panic!("it hangs"),
        running = running => running.unwrap(),
    }
    drop(dispatch);
    tokio::time::timeout(Duration::from_secs(5), dropped).await.unwrap().unwrap();
    assert!(!turn.is_cancelled(), "the turn goes on");
}

#[tokio::test]
async fn a_blocking_tool_hears_that_its_time_is_up() {
    static HEARD: AtomicBool = AtomicBool::new(false);
    static OVER: Notify = Notify::const_new();
    /// Waits for its own end.
    #[tool(timeout = 0.05)]
    fn polite(context: &ToolContext) {
        futures::executor::block_on(context.cancellation().cancelled());
        HEARD.store(true, Ordering::SeqCst);
        OVER.notify_one();
    }
    let outcome = call(&gate(tools![polite]), "polite", json!({})).await;
    assert!(matches!(outcome.result, Err(ToolError::Timeout { .. })));
    tokio::time::timeout(Duration::from_secs(5), OVER.notified()).await.unwrap();
    assert!(HEARD.load(Ordering::SeqCst));
}

#[tokio::test]
async fn ten_megabytes_are_cut_for_the_model_and_kept_whole() {
    /// Returns too much.
    #[tool]
    async fn flood() -> String {
        (0..1_000_000).map(|n| format!("{n:09}\n")).collect()
    }
    /// Fails at length.
    #[tool]
    async fn flood_of_errors() -> Result<(), String> {
        Err("e".repeat(10_000_000))
    }
    let outputs = OutputStore::default();
    let gate = gate(tools![flood, flood_of_errors, ReadOutput::new(outputs.clone())]).with_outputs(outputs);
    let outcome = call(&gate, "flood", json!({})).await;
    assert!(outcome.for_model.len() <= 16 * 1024);
    let truncated = outcome.truncated.as_ref().unwrap();
    assert_eq!((truncated.total, truncated.handle.as_str()), (10_000_000, "output-1"));
    assert_eq!(outcome.result.as_ref().unwrap().for_model().len(), 10_000_000, "the result itself is whole");

    // The model reads on where the notice says.
    let offset: u64 = outcome.for_model.split("offset=").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
    let next = call(&gate, "read_output", json!({"handle": "output-1", "offset": offset})).await;
    let whole = outcome.result.as_ref().unwrap().for_model();
    let (start, end) = (usize::try_from(offset).unwrap(), usize::try_from(offset).unwrap() + 8192);
    assert_eq!(
        next.for_model,
        format!("{}\n[bytes {start} to {end} of 10000000; go on with offset={end}]", &whole[start..end])
    );
    assert!(next.truncated.is_none());
    let unknown = call(&gate, "read_output", json!({"handle": "output-9"})).await;
    assert!(unknown.for_model.contains("there is no output `output-9`"));

    let outcome = call(&gate, "flood_of_errors", json!({})).await;
    assert!(outcome.for_model.len() <= 16 * 1024 && outcome.for_model.starts_with("Error: eee"));
    assert_eq!(outcome.truncated.unwrap().handle, "output-2");
}

#[tokio::test]
async fn a_tool_that_prints_without_end_is_cut_off() {
    /// Prints too much.
    #[tool]
    fn chatty(context: &ToolContext) {
        for _ in 0..10_000 {
            context.emit(&"天".repeat(1000));
        }
    }
    let seen = Arc::new(Seen::default());
    let gate = gate(tools![chatty]);
    gate.dispatch(ToolCall::new("call-1", "chatty", json!({})), &CancellationToken::new(), seen.clone()).await;
    let events = seen.0.lock().unwrap();
    let printed = events.iter().filter_map(|event| match event {
        GateEvent::Output { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let printed = printed.collect::<String>();
    assert!(printed.len() <= 1024 * 1024 + 40, "{}", printed.len());
    assert!(printed.ends_with("[more is printed, but not shown]\n"));
}

/// Overwrites a file, it says.
#[tool(destructive)]
async fn overwrite(path: String) -> String {
    path
}

#[tokio::test]
async fn what_is_destructive_is_refused_by_default_and_nothing_else_is() {
    let gate =
        Gate::new(Registry::of(tools![overwrite, get_weather]).unwrap(), Arc::new(DenyApprover), Limits::default());
    let seen = Arc::new(Seen::default());
    let call = ToolCall::new("call-1", "overwrite", json!({"path": "a"}));
    let outcome = gate.dispatch(call, &CancellationToken::new(), seen.clone()).await;
    assert!(matches!(&outcome.result, Err(ToolError::Denied { reason, .. }) if reason.contains("nobody is there")));
    assert!(outcome.for_model.contains("not allowed") && !outcome.for_model.contains("nobody is there"));
    assert_eq!(seen.kinds(), ["approval_requested", "approval_decided", "finished"]);
    assert_eq!(crate::call(&gate, "get_weather", json!({"city_name": "a"})).await.for_model, "a None");
}

#[tokio::test]
async fn an_approver_sees_the_arguments_as_they_will_be_used() {
    struct Ask(Mutex<Vec<ApprovalRequest>>);
    #[async_trait]
    impl Approver for Ask {
        async fn approve(&self, request: &ApprovalRequest) -> Approval {
            self.0.lock().unwrap().push(request.clone());
            Approval::Allow
        }
    }
    let approver = Arc::new(Ask(Mutex::default()));
    let gate = Gate::new(Registry::of(tools![overwrite]).unwrap(), approver.clone(), Limits::default());
    let seen = Arc::new(Seen::default());
    let call = ToolCall::new("call-1", "overwrite", json!({"path": 7}));
    let outcome = gate.dispatch(call, &CancellationToken::new(), seen.clone()).await;
    assert_eq!(outcome.for_model, "7");
    assert_eq!(seen.kinds(), ["approval_requested", "approval_decided", "started", "finished"]);
    let asked = approver.0.lock().unwrap().clone();
    assert_eq!(asked[0].call.arguments, json!({"path": "7"}));
    assert_eq!(asked[0].description, "Overwrites a file, it says.");
    assert!(asked[0].hints.destructive);
    crate::call(&gate, "overwrite", json!({})).await;
    assert_eq!(approver.0.lock().unwrap().len(), 1, "nobody is asked about a call that cannot run");
}

#[tokio::test]
async fn waiting_for_approval_ends_with_the_turn_and_a_panicking_approver_has_not_said_yes() {
    struct Never(Notify);
    #[async_trait]
    impl Approver for Never {
        async fn approve(&self, _: &ApprovalRequest) -> Approval {
            self.0.notify_one();
            std::future::pending().await
        }
    }
    let approver = Arc::new(Never(Notify::new()));
    let gate = Gate::new(Registry::of(tools![overwrite]).unwrap(), approver.clone(), Limits::default());
    let turn = CancellationToken::new();
    let dispatch = gate.dispatch(ToolCall::new("call-1", "overwrite", json!({"path": "a"})), &turn, Arc::new(()));
    let (outcome, ()) = tokio::join!(dispatch, async {
        approver.0.notified().await;
        turn.cancel();
    });
    assert!(matches!(outcome.result, Err(ToolError::Cancelled { .. })));

    struct Panics;
    #[async_trait]
    impl Approver for Panics {
        async fn approve(&self, _: &ApprovalRequest) -> Approval {
            panic!("no")
        }
    }
    struct PanicsEarly;
    #[async_trait]
    impl Approver for PanicsEarly {
        fn needs_approval(&self, _: &ToolSpec) -> bool {
            panic!("no")
        }
        async fn approve(&self, _: &ApprovalRequest) -> Approval {
            Approval::Allow
        }
    }
    for approver in [Arc::new(Panics) as Arc<dyn Approver>, Arc::new(PanicsEarly)] {
        let gate = Gate::new(Registry::of(tools![overwrite]).unwrap(), approver, Limits::default());
        let outcome = call(&gate, "overwrite", json!({"path": "a"})).await;
        assert!(matches!(outcome.result, Err(ToolError::Denied { .. })));
    }
}

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_call_is_a_span_that_says_which_tool_and_what_went_wrong_but_not_the_arguments() {
    /// Fails.
    #[tool]
    fn fails(secret: String) -> Result<(), String> {
        Err(format!("failed with {}", secret.len()))
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gate = gate(tools![fails]);
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(call(&gate, "fails", json!({"secret": "hunter2"})));
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let close = lines.iter().find(|line| line["fields"]["message"] == "close").unwrap_or_else(|| panic!("{log}"));
    let span = &close["span"];
    assert_eq!(span["name"], "execute_tool");
    assert_eq!(span["gen_ai.operation.name"], "execute_tool");
    assert_eq!(span["gen_ai.tool.name"], "fails");
    assert_eq!(span["gen_ai.tool.call.id"], "call-1");
    assert_eq!(span["error.type"], "failed");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn two_calls_run_beside_each_other() {
    let meeting = Arc::new(Barrier::new(2));
    let most = Arc::new(AtomicUsize::new(0));
    let (barrier, count) = (Arc::clone(&meeting), Arc::clone(&most));
    let meet = tool_fn(ToolSpec::new("meet", "Waits for another call."), move |_, _| {
        let (barrier, count) = (Arc::clone(&barrier), Arc::clone(&count));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            barrier.wait().await;
            Ok::<_, ToolError>(())
        }
    });
    let gate = gate(meet);
    let turn = CancellationToken::new();
    let both = futures::future::join_all(
        ["call-1", "call-2"].map(|id| gate.dispatch(ToolCall::new(id, "meet", json!({})), &turn, Arc::new(()))),
    );
    let outcomes = tokio::time::timeout(Duration::from_secs(5), both).await.expect("each waits for the other");
    assert_eq!(outcomes.iter().map(|outcome| outcome.call_id.0.as_str()).collect::<Vec<_>>(), ["call-1", "call-2"]);
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_a_tool_prints_arrives_while_it_runs_and_not_after_it() {
    let seen = Arc::new(Seen::default());
    let kept = Arc::new(Mutex::new(None));
    let keeper = Arc::clone(&kept);
    let prints = tool_fn(ToolSpec::new("prints", "Prints."), move |_, context: ToolContext| {
        let keeper = Arc::clone(&keeper);
        async move {
            context.emit("half way");
            *keeper.lock().unwrap() = Some(context);
            Ok::<_, ToolError>("done")
        }
    });
    let gate = gate(prints);
    gate.dispatch(ToolCall::new("call-1", "prints", json!({})), &CancellationToken::new(), seen.clone()).await;
    kept.lock().unwrap().take().unwrap().emit("too late");
    assert_eq!(seen.kinds(), ["started", "output", "finished"]);
    let events = seen.0.lock().unwrap();
    assert!(matches!(&events[1], GateEvent::Output { text, .. } if text == "half way"));
    assert!(matches!(&events[2], GateEvent::Finished { for_model, error: None, .. } if for_model == "done"));
}

#[tokio::test]
async fn a_closure_can_observe() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let observer = Arc::new(move |_: GateEvent| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let gate = gate(tools![get_weather]);
    gate.dispatch(ToolCall::new("call-1", "unknown", json!({})), &CancellationToken::new(), observer).await;
    assert_eq!(count.load(Ordering::SeqCst), 1, "an unknown tool finishes without having started");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    /// Whatever a model writes, the gate answers, and a tool never sees arguments that do not fit.
    #[test]
    fn any_arguments_give_an_outcome(arguments in json(), name in "[a-z_]{0,12}") {
        /// Takes one of each.
        #[tool]
        #[allow(clippy::too_many_arguments)]
        async fn everything(
            a: i8, #[tool(default)] b: Option<u32>, #[tool(default)] c: f64, #[tool(default)] d: bool, #[tool(default)] e: Vec<String>,
            #[tool(default)] f: std::collections::BTreeMap<String, i64>, #[tool(default)] g: (u8, String),
        ) -> String {
            format!("{a}{b:?}{c}{d}{e:?}{f:?}{g:?}")
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gate = gate(tools![everything]);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                call(&gate, &name, arguments.clone()).await;
                call(&gate, "everything", arguments).await
            })
        }));
        let outcome = outcome.expect("no panic gets out");
        proptest::prop_assert!(!outcome.for_model.is_empty());
        if let Err(error) = &outcome.result {
            proptest::prop_assert_eq!(error.kind(), "invalid_arguments");
        }
    }
}

/// Any JSON; objects often with the names of the tool's parameters.
fn json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-200_i64..200).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(-?[0-9]{1,4}(\\.[0-9]+)?|true|False|\\{\"a\": \"?1\"?\\}|\\PC{0,8})".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-h]|\\PC{0,4}", inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
