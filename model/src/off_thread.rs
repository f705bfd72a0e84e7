//! Work that blocks, beside the async runtime.

use crate::ModelError;

/// Runs `work` where it may block; at once where there is no tokio runtime to run it beside.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => handle
            .spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(ModelError::Stopped { problem: error.to_string() })),
        Err(_) => work(),
    }
}
