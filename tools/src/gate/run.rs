//! One tool run: in a task of its own, against the clock, with its panics caught.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{BoxTool, ToolContext, ToolError, ToolOutput};

/// How long a stopped tool is waited for, so that it is gone when its outcome is there. One that blocks its thread never
/// is.
const FAREWELL: Duration = Duration::from_millis(50);

/// A task that ends when this is dropped.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `tool` until it is done, `limit` is over, or `turn` is cancelled. The context's own token is cancelled by then.
///
/// In a task of its own, so that a tool that wrongly blocks its thread stalls a worker of the runtime and not the turn.
pub(super) async fn run(
    tool: BoxTool,
    name: &str,
    arguments: Value,
    context: ToolContext,
    limit: Duration,
    turn: &CancellationToken,
) -> Result<ToolOutput, ToolError> {
    let own = context.cancellation().clone();
    let _cancelled_at_the_end = own.clone().drop_guard();
    let work = async move { tool.call(arguments, &context).await };
    let mut task = Owned(tokio::spawn(AssertUnwindSafe(work).catch_unwind().in_current_span()));
    let stopped = tokio::select! {
        biased;
        ended = &mut task.0 => {
            return match ended {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(ToolError::Panicked { name: name.to_owned(), message: message(&*panic) }),
                // Caught above, so this is a panic of a destructor, or a runtime that shuts down.
                Err(error) if error.is_panic() => {
                    Err(ToolError::Panicked { name: name.to_owned(), message: message(&*error.into_panic()) })
                }
                Err(_) => Err(ToolError::Cancelled { name: name.to_owned() }),
            };
        }
        () = turn.cancelled() => ToolError::Cancelled { name: name.to_owned() },
        () = tokio::time::sleep(limit) => ToolError::Timeout { name: name.to_owned(), limit },
    };
    own.cancel();
    task.0.abort();
    let _ = tokio::time::timeout(FAREWELL, &mut task.0).await;
    Err(stopped)
}

/// What a panic said, as far as it can be known.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
