//! The two ends of a running cell's stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{CellEvent, CellUsage, Execution, InterpreterError, Output, OutputStream};

/// The interpreter's end. Unbounded, because a program must not wait for whoever reads; what it may write is bounded by
/// the session's limits.
#[derive(Debug, Clone)]
pub(crate) struct CellSender {
    events: UnboundedSender<Result<CellEvent, InterpreterError>>,
}

impl CellSender {
    /// Sends an output. Nobody listens any more where the stream was dropped.
    pub(crate) fn output(&self, output: Output) {
        let _ = self.events.send(Ok(CellEvent::Output { output }));
    }

    /// Sends the end.
    pub(crate) fn finished(&self, execution: Execution, usage: CellUsage) {
        let _ = self.events.send(Ok(CellEvent::Finished { execution, usage }));
    }

    /// Sends an error in place of the end.
    pub(crate) fn failed(&self, error: InterpreterError) {
        let _ = self.events.send(Err(error));
    }
}

/// The reader's end; dropped before the cell is over, it cancels the cell.
struct CellStream {
    events: UnboundedReceiver<Result<CellEvent, InterpreterError>>,
    over: bool,
    guard: Option<DropGuard>,
}

impl Stream for CellStream {
    type Item = Result<CellEvent, InterpreterError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.events.poll_recv(context));
        // An interpreter that is gone in the middle of a cell has not ended it.
        let next = next.unwrap_or(Err(InterpreterError::Closed));
        if !matches!(next, Ok(CellEvent::Output { .. })) {
            self.over = true;
            if let Some(guard) = self.guard.take() {
                guard.disarm();
            }
        }
        Poll::Ready(Some(next))
    }
}

/// A new cell's two ends, and the token that ends it: cancelled with `cancellation`, or when the stream is dropped.
pub(crate) fn channel(cancellation: &CancellationToken) -> (CellSender, CancellationToken, OutputStream) {
    let (events, receiver) = mpsc::unbounded_channel();
    let token = cancellation.child_token();
    let stream = CellStream { events: receiver, over: false, guard: Some(token.clone().drop_guard()) };
    (CellSender { events }, token, stream.boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_that_is_dropped_cancels_the_cell_and_one_that_ended_does_not() {
        let (_sender, token, stream) = channel(&CancellationToken::new());
        drop(stream);
        assert!(token.is_cancelled());

        let (sender, token, mut stream) = channel(&CancellationToken::new());
        sender.finished(Execution::Ok, CellUsage::default());
        let end = stream.next().await;
        assert!(matches!(end, Some(Ok(CellEvent::Finished { execution: Execution::Ok, .. }))));
        assert!(stream.next().await.is_none());
        drop(stream);
        assert!(!token.is_cancelled());
    }

    #[tokio::test]
    async fn an_interpreter_that_is_gone_is_an_error() {
        let (sender, _token, mut stream) = channel(&CancellationToken::new());
        sender.output(Output::Stdout { text: "a".into() });
        drop(sender);
        assert!(matches!(stream.next().await, Some(Ok(CellEvent::Output { .. }))));
        assert!(matches!(stream.next().await, Some(Err(InterpreterError::Closed))));
        assert!(stream.next().await.is_none());
    }
}
