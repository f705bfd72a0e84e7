//! Ctrl-C as something to wait for. Once this listens, Ctrl-C no longer ends the process.

use tokio::sync::watch;

/// Counts the interrupts of this process.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts {
    count: watch::Receiver<u64>,
}

impl Interrupts {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the signal handler cannot be installed.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (sender, count) = watch::channel(0_u64);
        #[cfg(unix)]
        {
            // One stream for good: between two of them an interrupt could be lost.
            let mut signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_modify(|count| *count = count.wrapping_add(1));
                }
            });
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                sender.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        Ok(Self { count })
    }

    /// Waits for an interrupt that comes after this call.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.count.clone();
        count.mark_unchanged();
        async move {
            if count.changed().await.is_err() {
                // The listener is gone only with the runtime: then there is nothing to wait for.
                std::future::pending::<()>().await;
            }
        }
    }
}
