//! `read_output`: the way to the rest of an output that was cut.

use crate::{OutputStore, tool};

/// The tool `read_output(handle, offset)` over one [`OutputStore`]. Register it, and the notice in a cut output tells
/// the model how to call it.
///
/// ```
/// use std::sync::Arc;
/// use glassbox_tools::builtin::{self, ReadOutput};
/// use glassbox_tools::{AutoApprover, Gate, Limits, OutputStore, Registry, tools};
///
/// let outputs = OutputStore::default();
/// let registry = Registry::of(tools![builtin::calculator, ReadOutput::new(outputs.clone())])?;
/// let gate = Gate::new(registry, Arc::new(AutoApprover), Limits::default()).with_outputs(outputs);
/// # Ok::<(), glassbox_tools::SpecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadOutput {
    outputs: OutputStore,
    bytes: usize,
}

/// Nothing is kept under this handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no output `{handle}`, or it was too old to be kept")]
pub struct UnknownHandle {
    /// The handle asked for.
    pub handle: String,
}

impl ReadOutput {
    /// Reads `outputs`, 8 KiB a call.
    pub fn new(outputs: OutputStore) -> Self {
        Self { outputs, bytes: 8 * 1024 }
    }

    /// Reads at most `bytes` bytes a call. Choose them to fit the gate's output budget with 100 bytes to spare.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

#[tool]
impl ReadOutput {
    /// Read on in an earlier output that was too long to be shown whole.
    ///
    /// # Errors
    /// [`UnknownHandle`] where nothing is kept under `handle`.
    #[tool(description = "Read on in an earlier output that was too long to be shown whole.", read_only)]
    #[allow(clippy::unused_async, reason = "quick, so it needs no thread of its own")]
    pub async fn read_output(
        &self,
        /// The handle that the cut output names, such as `output-1`.
        handle: String,
        /// Where to begin, in bytes.
        #[tool(default = 0)]
        offset: u64,
    ) -> Result<String, UnknownHandle> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(part) = self.outputs.get(&handle, offset, self.bytes) else {
            return Err(UnknownHandle { handle: handle.chars().take(40).collect() });
        };
        let end = part.offset + part.text.len();
        let rest = part.next.map_or("this is the end".to_owned(), |next| format!("go on with offset={next}"));
        Ok(format!("{}\n[bytes {} to {end} of {}; {rest}]", part.text, part.offset, part.total))
    }
}
