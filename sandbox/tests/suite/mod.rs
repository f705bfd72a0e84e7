//! The behaviour that every backend must show. A backend's test file names how it is opened and takes all of it:
//!
//! ```ignore
//! mod suite;
//! async fn backend(limits: Limits) -> Arc<dyn Backend> { … }
//! behaves!(backend);
//! ```
//!
//! What a backend cannot do, its [`Capabilities`] say; a check then asserts that it refuses.

#![allow(
    dead_code,
    unreachable_pub,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic, in its helpers too; each test file uses a part of them"
)]

pub mod cells;
pub mod ends;
pub mod files;
pub mod states;
pub mod tools;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use glassbox_sandbox::{
    CellEvent, CellUsage, DenialKind, ExecuteRequest, Execution, Interpreter, InterpreterError, Output, OutputStream,
};

/// No cell of these tests may take longer than this, even on a busy machine: a hang is a failure, not a wait.
pub const HANG: Duration = Duration::from_secs(90);

/// What a cell gave.
#[derive(Debug)]
pub struct Ran {
    pub outputs: Vec<Output>,
    pub execution: Execution,
    pub usage: CellUsage,
}

impl Ran {
    pub fn stdout(&self) -> String {
        self.outputs
            .iter()
            .filter_map(|o| if let Output::Stdout { text } = o { Some(text.as_str()) } else { None })
            .collect()
    }

    pub fn stderr(&self) -> String {
        self.outputs
            .iter()
            .filter_map(|o| if let Output::Stderr { text } = o { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The plain text of the last expression's value.
    pub fn result(&self) -> Option<String> {
        self.outputs.iter().find_map(|o| match o {
            Output::Result { data } => data.plain().map(str::to_owned),
            _ => None,
        })
    }

    /// `Name: message` of the exception.
    pub fn error(&self) -> Option<String> {
        self.outputs.iter().find_map(|o| match o {
            Output::Error { name, value, .. } => Some(format!("{name}: {value}")),
            _ => None,
        })
    }

    pub fn traceback(&self) -> String {
        let lines = self.outputs.iter().find_map(|o| match o {
            Output::Error { traceback, .. } => Some(traceback.join("\n")),
            _ => None,
        });
        lines.unwrap_or_default()
    }

    pub fn denied(&self, kind: DenialKind) -> bool {
        self.outputs.iter().any(|o| matches!(o, Output::Denied { denial } if denial.kind == kind))
    }

    pub fn lost(&self) -> bool {
        self.outputs.iter().any(|o| matches!(o, Output::SessionLost { .. }))
    }
}

/// Reads a cell's stream to its end.
pub async fn collect(mut events: OutputStream) -> Result<Ran, InterpreterError> {
    let all = async {
        let mut outputs = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(CellEvent::Output { output })) => outputs.push(output),
                Some(Ok(CellEvent::Finished { execution, usage })) => {
                    assert!(events.next().await.is_none(), "something follows the end");
                    return Ok(Ran { outputs, execution, usage });
                }
                Some(Err(error)) => return Err(error),
                None => panic!("the stream ended without an end; it gave {outputs:?}"),
            }
        }
    };
    tokio::time::timeout(HANG, all).await.expect("the cell hangs")
}

/// Runs a program that must not break the interpreter.
pub async fn run(session: &Arc<dyn Interpreter>, source: &str) -> Ran {
    ask(session, ExecuteRequest::new(source)).await
}

/// [`run`] with more than a source.
pub async fn ask(session: &Arc<dyn Interpreter>, request: ExecuteRequest) -> Ran {
    let source = request.source.clone();
    collect(session.execute(request)).await.unwrap_or_else(|error| panic!("{source:?} broke the interpreter: {error}"))
}

/// Runs a program that must end well, and gives what it printed.
pub async fn prints(session: &Arc<dyn Interpreter>, source: &str) -> String {
    let ran = run(session, source).await;
    assert_eq!(ran.execution, Execution::Ok, "{source:?} gave {:?}", ran.outputs);
    ran.stdout()
}

/// Whether the session still computes, within the time of a cell.
pub async fn answers(session: &Arc<dyn Interpreter>) -> bool {
    run(session, "6 * 7").await.result().as_deref() == Some("42")
}

/// The session still computes.
pub async fn works(session: &Arc<dyn Interpreter>) {
    assert_eq!(run(session, "6 * 7").await.result().as_deref(), Some("42"));
}

/// Makes a test of each check, on sessions of `$backend`: `async fn(Limits) -> Arc<dyn Backend>`.
macro_rules! behaves {
    ($backend:ident) => {
        behaves!($backend, but_for_links);
        behaves!($backend, files as links: [a_link_out_of_the_session_is_not_followed]);
    };
    // All but the one that a server fails: whose links it follows is its own matter, and so are the files behind them.
    ($backend:ident, but_for_links) => {
        behaves!($backend, cells: [
            outputs_come_in_the_order_in_which_they_were_made,
            standard_output_and_errors_are_told_apart,
            outputs_come_while_the_cell_runs,
            variables_stay_from_cell_to_cell,
            an_exception_has_its_name_its_message_and_the_line_of_the_cell,
            a_syntax_error_is_an_exception,
            text_of_any_script_passes,
            a_last_value_of_none_or_with_a_semicolon_is_not_shown,
            values_show_themselves_in_their_own_forms,
            displays_are_updated_and_cleared,
            a_cell_may_await,
            output_past_the_limit_is_counted,
            leaving_a_program_is_no_end_of_the_session,
            input_is_answered,
            input_that_nobody_answers_is_an_exception,
            cells_wait_for_each_other_in_order,
            sessions_are_apart,
        ]);
        behaves!($backend, ends: [
            a_loop_is_interrupted_at_the_time_limit,
            a_sleep_is_interrupted_at_the_time_limit,
            what_does_not_heed_an_interrupt_is_killed,
            a_cancelled_cell_ends,
            a_dropped_stream_ends_the_cell,
            an_interrupt_from_outside_ends_the_cell,
            a_cell_cancelled_before_it_begins_does_not_run,
            too_much_memory_is_an_exception_or_an_end_and_the_session_goes_on,
            a_restart_forgets_everything,
            a_restart_ends_the_cell_that_runs,
            a_closed_session_says_so,
        ]);
        behaves!($backend, files: [
            files_are_put_read_written_and_got,
            files_are_listed_in_order,
            a_file_that_is_written_again_has_another_version,
            a_path_out_of_the_session_is_refused,
            a_missing_file_is_named,
        ]);
        behaves!($backend, states: [
            a_state_is_saved_and_restored,
            a_state_survives_as_bytes_in_a_new_session,
            a_fork_goes_its_own_way,
            a_foreign_snapshot_is_refused_and_changes_nothing,
        ]);
        behaves!($backend, tools: [
            a_cell_calls_three_tools_in_a_loop,
            a_tool_that_fails_raises,
            a_denied_call_raises_and_is_told,
            calls_past_the_limit_are_refused,
            a_call_is_cancelled_with_its_cell,
        ]);
    };
    ($backend:ident, $module:ident: [$($check:ident),* $(,)?]) => {
        behaves!($backend, $module as $module: [$($check),*]);
    };
    ($backend:ident, $module:ident as $name:ident: [$($check:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::suite::$module::$check(async |limits| super::$backend(limits).await).await;
                }
            )*
        }
    };
}
