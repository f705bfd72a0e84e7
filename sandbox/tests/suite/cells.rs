//! What a cell gives.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use glassbox_sandbox::{
    Backend, CellEvent, DenialKind, ExecuteRequest, Execution, InputSource, InterpreterError, Limits, MimeBundle,
    Output,
};
use tokio_util::sync::CancellationToken;

use super::{ask, collect, prints, run, works};

/// All that a cell gives out, in order, each on a line of its own.
async fn told(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>, source: &str) -> String {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, source).await;
    assert_eq!(ran.execution, Execution::Ok, "{:?}", ran.outputs);
    ran.outputs
        .iter()
        .map(|output| match output {
            // A line and its end may come apart where the machine is busy.
            Output::Stdout { text } | Output::Stderr { text } => text.clone(),
            Output::Display { data, .. } => format!("display {}\n", data.plain().unwrap_or_default()),
            Output::Result { data } => format!("result {}\n", data.plain().unwrap_or_default()),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub async fn outputs_come_in_the_order_in_which_they_were_made(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let source =
        "import sys\nprint('one')\ndisplay('two')\nprint('three', file=sys.stderr)\ndisplay('four')\nprint('five')\n6";
    assert_eq!(told(backend, source).await, "one\ndisplay 'two'\nthree\ndisplay 'four'\nfive\nresult 6\n");
}

/// Not of kernels: see [`Output::Stderr`].
pub async fn printed_lines_and_errors_keep_their_order(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let source = "import sys\nfor i in range(3):\n    print('out', i)\n    print('err', i, file=sys.stderr)";
    assert_eq!(told(backend, source).await, "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n");
}

pub async fn standard_output_and_errors_are_told_apart(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')").await;
    assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("one\nthree\n", "two\n"));
}

pub async fn outputs_come_while_the_cell_runs(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let cancellation = CancellationToken::new();
    let source = "print('first', flush=True)\nimport time\nwhile True: time.sleep(0.01)";
    let mut events = session.execute(ExecuteRequest::new(source).with_cancellation(cancellation.clone()));
    let first = tokio::time::timeout(super::HANG, events.next()).await.expect("nothing comes").unwrap().unwrap();
    assert_eq!(first, CellEvent::Output { output: Output::Stdout { text: "first\n".into() } });
    cancellation.cancel();
    collect(events).await.unwrap();
}

pub async fn variables_stay_from_cell_to_cell(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "import math\nx = 40\ndef f(n):\n    return n + 2").await;
    assert_eq!(prints(&session, "print(f(x), math.floor(2.5))").await, "42 2\n");
}

pub async fn an_exception_has_its_name_its_message_and_the_line_of_the_cell(
    backend: impl AsyncFn(Limits) -> Arc<dyn Backend>,
) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "print('before')\ndef divide(a):\n    return a / 0\ndivide(1)\nprint('after')").await;
    assert_eq!(ran.execution, Execution::Error);
    assert_eq!(ran.stdout(), "before\n");
    assert_eq!(ran.error().as_deref(), Some("ZeroDivisionError: division by zero"));
    let traceback = ran.traceback();
    assert!(traceback.contains("return a / 0") && traceback.contains("divide(1)"), "{traceback}");
    assert!(!traceback.contains('\u{1b}'), "terminal colours in {traceback:?}");
    works(&session).await;
}

pub async fn a_syntax_error_is_an_exception(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "print('never')\nfor for").await;
    assert_eq!(ran.execution, Execution::Error);
    assert!(ran.error().is_some_and(|error| error.starts_with("SyntaxError: ")), "{:?}", ran.outputs);
    assert_eq!(ran.stdout(), "");
    works(&session).await;
}

pub async fn text_of_any_script_passes(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "s = '画一个爱心 ❤️ \\u202e\\x00é'\nprint(s)\ns").await;
    assert_eq!(ran.stdout(), "画一个爱心 ❤️ \u{202e}\0é\n");
    assert!(ran.result().is_some_and(|result| result.contains("画一个爱心")));
    assert_eq!(prints(&session, "print('x'.join(['爱'] * 3), end='')").await, "爱x爱x爱");
}

pub async fn a_last_value_of_none_or_with_a_semicolon_is_not_shown(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    for source in ["None", "1 + 1;", "x = 3", "", "# nothing", "print(end='')"] {
        let ran = run(&session, source).await;
        assert_eq!((ran.execution, ran.outputs.len()), (Execution::Ok, 0), "{source:?} gave {:?}", ran.outputs);
    }
}

pub async fn values_show_themselves_in_their_own_forms(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let source =
        "class Both:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): return '<b>rich</b>'\nBoth()";
    let ran = run(&session, source).await;
    let [Output::Result { data }] = ran.outputs.as_slice() else { panic!("{:?}", ran.outputs) };
    assert_eq!(data.plain(), Some("plain"));
    assert_eq!(data.0.get("text/html").and_then(|html| html.as_str()), Some("<b>rich</b>"));
    // One whose form fails is shown all the same.
    let source = "class Bad:\n    def __repr__(self): return 'bad'\n    def _repr_html_(self): raise ValueError\nBad()";
    let ran = run(&session, source).await;
    assert_eq!(ran.result().as_deref(), Some("bad"), "{:?}", ran.outputs);
}

pub async fn displays_are_updated_and_cleared(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let source = "from IPython.display import display, clear_output\n\
                  handle = display('one', display_id='d1')\nhandle.update('two')\nclear_output(wait=True)\nprint('end')";
    let ran = run(&session, source).await;
    let expected = [
        Output::Display { data: MimeBundle::text("'one'"), id: Some("d1".into()) },
        Output::DisplayUpdate { data: MimeBundle::text("'two'"), id: "d1".into() },
        Output::ClearOutput { wait: true },
    ];
    assert_eq!((ran.outputs.get(..3), ran.stdout().as_str()), (Some(&expected[..]), "end\n"), "{:?}", ran.outputs);
}

pub async fn a_cell_may_await(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let source = "import asyncio\nasync def f(n):\n    await asyncio.sleep(0.001 * n)\n    return n\n\
                  await asyncio.gather(f(2), f(1))";
    assert_eq!(run(&session, source).await.result().as_deref(), Some("[2, 1]"));
}

pub async fn output_past_the_limit_is_counted(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let limits = Limits { output: 1000, ..Limits::default() };
    let session = backend(limits).await.open().await.unwrap();
    let ran = run(&session, "print('x' * 5000)\nprint('y' * 5000)").await;
    assert_eq!(ran.execution, Execution::Ok);
    assert_eq!(ran.stdout(), "x".repeat(1000));
    let left_out = Output::Truncated { stream: "stdout".into(), bytes: 10_002 - 1000 };
    assert!(ran.outputs.contains(&left_out), "{:?}", ran.outputs.last());
    // The limit is one of a cell.
    assert_eq!(prints(&session, "print('z')").await, "z\n");
}

pub async fn leaving_a_program_is_no_end_of_the_session(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "x = 1\nimport sys\nsys.exit(3)").await;
    assert_eq!(ran.execution, Execution::Error, "{:?}", ran.outputs);
    assert_eq!(ran.error().as_deref(), Some("SystemExit: 3"));
    assert_eq!(prints(&session, "print(x)").await, "1\n");
}

struct Answers;

#[async_trait]
impl InputSource for Answers {
    async fn line(&self, prompt: &str, hidden: bool) -> Option<String> {
        Some(format!("{prompt}{hidden} 你好"))
    }
}

pub async fn input_is_answered(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let request = ExecuteRequest::new("print(repr(input('name? ')))").with_input(Arc::new(Answers));
    let ran = ask(&session, request).await;
    if session.capabilities().input {
        assert!(ran.stdout().contains("'name? false 你好'"), "{:?}", ran.outputs);
    } else {
        assert_eq!(ran.execution, Execution::Error);
    }
    works(&session).await;
}

pub async fn input_that_nobody_answers_is_an_exception(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    let ran = run(&session, "input('name? ')").await;
    assert!(ran.error().is_some_and(|error| error.starts_with("EOFError")), "{:?}", ran.outputs);
    let told = |output: &Output| matches!(output, Output::Denied { denial } if denial.kind == DenialKind::Input && !denial.hint.is_empty());
    assert!(ran.outputs.iter().any(told), "{:?}", ran.outputs);
    works(&session).await;
}

pub async fn cells_wait_for_each_other_in_order(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "seen = []").await;
    let cells: Vec<_> = (0..5).map(|n| session.execute(ExecuteRequest::new(format!("seen.append({n})")))).collect();
    // Read in another order than they were asked for.
    for cell in cells.into_iter().rev() {
        assert_eq!(collect(cell).await.unwrap().execution, Execution::Ok);
    }
    assert_eq!(prints(&session, "print(seen)").await, "[0, 1, 2, 3, 4]\n");
}

pub async fn sessions_are_apart(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let backend = backend(Limits::default()).await;
    let (one, two) = (backend.open().await.unwrap(), backend.open().await.unwrap());
    run(&one, "secret = 'one'\nopen('secret.txt', 'w').write('one')").await;
    let ran = run(&two, "import os\nprint(os.path.exists('secret.txt'))\nsecret").await;
    assert_eq!(ran.stdout(), "False\n");
    assert_eq!(ran.error().as_deref(), Some("NameError: name 'secret' is not defined"));
    one.close().await;
    let after: Result<_, InterpreterError> = collect(two.execute(ExecuteRequest::new("1"))).await;
    assert_eq!(after.unwrap().execution, Execution::Ok);
}
