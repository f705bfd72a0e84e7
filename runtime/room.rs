//! Room in the context: what is kept free for replies, and how answers are made to fit into the rest.

use glassbox_model::ModelError;
use glassbox_tools::{CallId, Truncation};

use crate::driver::Driver;
use crate::turn::lock;

/// Tokens kept free for the reply, at most; an eighth of a small context, and no more than `max_tokens`.
const REPLY_ROOM: u32 = 256;

/// Bytes of an answer whose tokens could not be counted.
const UNCOUNTED: usize = 1024;

/// An answer that fits.
pub(crate) struct Fitted {
    pub(crate) text: String,
    pub(crate) truncated: Option<Truncation>,
    /// Not even the notice that something is left out fits.
    pub(crate) full: bool,
}

impl Driver {
    /// Tokens of the context that are kept free for a reply.
    pub(crate) fn reply_room(&self) -> u32 {
        let context = self.agent.model.info().context_tokens;
        REPLY_ROOM.min(context / 8).min(self.max_tokens.unwrap_or(u32::MAX)).max(1)
    }

    /// The most tokens that a prompt may have.
    fn prompt_limit(&self) -> u32 {
        self.agent.model.info().context_tokens.saturating_sub(self.reply_room())
    }

    /// Cuts an answer to its share of what is left of the context, in real tokens. `whole` is the answer uncut, `shown`
    /// what is left of it within the budget of one call.
    pub(crate) async fn fit(&self, id: &CallId, whole: &str, shown: String, truncated: Option<Truncation>) -> Fitted {
        let counted = tokio::select! {
            biased;
            () = self.cancellation.cancelled() => None,
            counted = self.shorten(id, whole, &shown, truncated.as_ref()) => Some(counted),
        };
        match counted {
            Some(Ok(Some(fitted))) => fitted,
            Some(Ok(None)) => Fitted { text: shown, truncated, full: false },
            // Cancelled, or the model cannot count, which the next generation will say. The answer is kept all the
            // same, short enough to fit almost anywhere.
            Some(Err(_)) | None if shown.len() <= UNCOUNTED => Fitted { text: shown, truncated, full: false },
            Some(Err(_)) | None => {
                let handle = self.handle(whole, truncated.as_ref());
                let (text, truncation) = self.agent.gate.shorten(whole, UNCOUNTED, &handle);
                Fitted { text, truncated: Some(truncation), full: false }
            }
        }
    }

    /// The answer made shorter; `None` where it fits as it is.
    async fn shorten(
        &self,
        id: &CallId,
        whole: &str,
        shown: &str,
        truncated: Option<&Truncation>,
    ) -> Result<Option<Fitted>, ModelError> {
        let limit = self.prompt_limit();
        let waiting = u32::try_from(lock(&self.turn).machine.waiting()).unwrap_or(u32::MAX).max(1);
        let with = self.count(id, shown).await?;
        if with <= limit && waiting == 1 {
            return Ok(None);
        }
        // Answers that are still to come need room too: each gets an equal part of what is left.
        let without = self.count(id, "").await?;
        let allowed = without.saturating_add(limit.saturating_sub(without) / waiting);
        if with <= allowed {
            return Ok(None);
        }
        let gate = &self.agent.gate;
        let handle = self.handle(whole, truncated);
        let mut best = gate.shorten(whole, 0, &handle);
        let notice = self.count(id, &best.0).await?;
        // Bytes that fit for certain, and bytes that do not.
        let (mut low, mut high) = if notice > allowed { (0, 0) } else { (0, shown.len()) };
        while high.saturating_sub(low) > 16 {
            let middle = low.midpoint(high);
            let candidate = gate.shorten(whole, middle, &handle);
            if self.count(id, &candidate.0).await? <= allowed {
                low = middle;
                best = candidate;
            } else {
                high = middle;
            }
        }
        // The notice stands even where it is more than the answer's share: nothing is dropped silently. The turn is over
        // only if there is no room left at all.
        let (text, truncation) = best;
        Ok(Some(Fitted { text, truncated: Some(truncation), full: notice > limit }))
    }

    /// Where the whole answer is kept.
    fn handle(&self, whole: &str, truncated: Option<&Truncation>) -> String {
        truncated.map_or_else(|| self.agent.gate.outputs().put(whole), |truncation| truncation.handle.clone())
    }

    /// Tokens of the conversation with `content` as the answer of `id`.
    async fn count(&self, id: &CallId, content: &str) -> Result<u32, ModelError> {
        let (messages, tool_choice) = {
            let turn = lock(&self.turn);
            (turn.machine.messages_with(id, content), turn.machine.rules().tool_choice.clone())
        };
        self.agent.model.count_tokens(&self.request(tool_choice, &messages)).await
    }
}
