//! The threads on which programs run.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::InterpreterError;

/// A runtime of the sandbox's own. A program may hold up its thread for 10 ms at a time, and the caller's runtime may have
/// one thread only.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// As many threads as there are cores.
    pub(crate) fn new() -> Result<Self, InterpreterError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("glassbox-wasm")
            .enable_time()
            // Timers and other sessions are looked at each time that a program gives way.
            .event_interval(1)
            .global_queue_interval(1)
            .build();
        Ok(Self(Some(runtime.map_err(InterpreterError::backend)?)))
    }

    /// Runs a task on them.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }

    /// Runs a task on them and waits for what it gives.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, InterpreterError>> + Send + 'static,
    ) -> Result<T, InterpreterError> {
        let (reply, answer) = oneshot::channel();
        self.spawn(async move { drop(reply.send(task.await)) });
        answer.await.unwrap_or_else(|_| Err(InterpreterError::backend("the sandbox's threads are gone")))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for it is not allowed where the last session ends, on one of its own threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
