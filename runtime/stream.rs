//! The events of a turn, as a stream.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::driver::Driver;
use crate::turn::{Turn, lock};
use crate::{Error, Event, Reply, Session};

/// The events of a turn: ends after [`Event::Finished`], or after the first error. The turn goes on only while the
/// stream is polled. Dropping it cancels the turn, and leaves the session as [`Session`] describes it.
#[must_use = "a turn goes on only while its stream is polled"]
pub struct EventStream<'a> {
    session: &'a mut Session,
    turn: Arc<Mutex<Turn>>,
    events: UnboundedReceiver<Event>,
    /// Cancelled on drop, for what runs outside of this task: the engine's thread, a tool that blocks one.
    cancellation: CancellationToken,
    /// `None` once the turn is over.
    driver: Option<BoxFuture<'static, Result<(), Error>>>,
    error: Option<Error>,
}

impl std::fmt::Debug for EventStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("running", &self.driver.is_some()).finish_non_exhaustive()
    }
}

impl<'a> EventStream<'a> {
    pub(crate) fn new(
        session: &'a mut Session,
        driver: Driver,
        turn: Arc<Mutex<Turn>>,
        events: UnboundedReceiver<Event>,
    ) -> Self {
        let cancellation = driver.cancellation();
        Self { session, turn, events, cancellation, driver: Some(Box::pin(driver.run())), error: None }
    }

    /// Waits for the end of the turn; events that were not taken are dropped.
    ///
    /// # Errors
    /// The error that ended the turn; [`Error::IncompleteReply`] where the stream has given that one already.
    pub async fn reply(mut self) -> Result<Reply, Error> {
        while let Some(event) = self.next().await {
            event?;
        }
        let model = || self.session.agent.model().info().name.clone();
        lock(&self.turn).reply().ok_or_else(|| Error::IncompleteReply { model: model() })
    }

    /// Drops what runs and moves the turn's messages to the session.
    fn close(&mut self) {
        self.cancellation.cancel();
        if self.driver.take().is_some() {
            lock(&self.turn).cancel();
        }
        lock(&self.turn).commit(self.session);
    }
}

impl Stream for EventStream<'_> {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // What has happened comes first: the turn goes on when it has been seen.
        if let Poll::Ready(Some(event)) = this.events.poll_recv(context) {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some(driver) = &mut this.driver
            && let Poll::Ready(result) = driver.as_mut().poll(context)
        {
            this.driver = None;
            this.error = result.err();
        }
        match this.events.poll_recv(context) {
            Poll::Ready(Some(event)) => Poll::Ready(Some(Ok(event))),
            Poll::Pending | Poll::Ready(None) if this.driver.is_some() => Poll::Pending,
            _ => Poll::Ready(this.error.take().map(Err)),
        }
    }
}

impl Drop for EventStream<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
