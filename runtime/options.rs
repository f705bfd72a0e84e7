//! What one turn does differently.

use glassbox_model::{Sampling, ToolChoice};
use tokio_util::sync::CancellationToken;

/// What one turn does differently from its session.
///
/// ```
/// use glassbox::{ToolChoice, TurnOptions};
///
/// let options = TurnOptions::new().tool_choice(ToolChoice::Required).max_turns(2);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TurnOptions {
    pub(crate) cancellation: CancellationToken,
    pub(crate) tool_choice: Option<ToolChoice>,
    pub(crate) sampling: Option<Sampling>,
    pub(crate) max_turns: Option<u32>,
    pub(crate) max_tokens: Option<u32>,
}

impl TurnOptions {
    /// Nothing different.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the turn when `cancellation` is cancelled.
    #[must_use]
    pub fn cancellation(mut self, cancellation: CancellationToken) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// Whether the model may or must call. `Required` and `Named` hold for the first generation.
    #[must_use]
    pub fn tool_choice(mut self, tool_choice: ToolChoice) -> Self {
        self.tool_choice = Some(tool_choice);
        self
    }

    /// How tokens are chosen.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = Some(sampling);
        self
    }

    /// The most generations. 0 counts as 1.
    #[must_use]
    pub fn max_turns(mut self, max_turns: u32) -> Self {
        self.max_turns = Some(max_turns);
        self
    }

    /// The most tokens of one generation.
    #[must_use]
    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }
}
