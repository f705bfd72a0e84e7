//! KV that leaves the cache for a file, and comes back.

use super::Scheduler;
use crate::{
    ModelError,
    engine::{adapters::Weights, ffi, saved::SequenceState},
};

impl Scheduler<'_> {
    /// The KV that a generation with this prompt and these weights would find; `None` where there is none.
    pub(super) fn save(&mut self, prompt: &[u32], weights: Weights) -> Result<Option<SequenceState>, ModelError> {
        // Only what belongs to this prompt: the rest of the sequence may be somebody else's conversation.
        let claim = self.kv.claim(prompt, weights, &mut self.context).ok_or_else(|| self.all_taken())?;
        let saved = if claim.reused == 0 { Ok(None) } else { self.state(claim.slot, prompt, claim.reused).map(Some) };
        self.kv.release(claim.slot);
        saved
    }

    fn state(&self, slot: u32, prompt: &[u32], length: u32) -> Result<SequenceState, ModelError> {
        let sequence = i32::try_from(slot).unwrap_or(i32::MAX);
        let state =
            ffi::state(&self.context, sequence).map_err(|problem| engine_error("save the KV cache", problem))?;
        let tokens = prompt.iter().take(length as usize).copied().collect();
        Ok(SequenceState { tokens, state })
    }

    /// Takes KV into the cache, in place of what was used longest ago. Its tokens were checked as those of a prompt.
    pub(super) fn restore(&mut self, saved: &SequenceState, weights: Weights) -> Result<(), ModelError> {
        let slot = self.kv.make_way(weights, &mut self.context).ok_or_else(|| self.all_taken())?;
        while self.kv.free_cells() < saved.tokens.len() {
            if !self.kv.evict(&mut self.context) {
                return Err(self.all_taken());
            }
        }
        let sequence = i32::try_from(slot).unwrap_or(i32::MAX);
        if !ffi::set_state(&mut self.context, sequence, &saved.state) {
            // Parts of it may be there.
            self.kv.clear(slot, &mut self.context);
            let problem = "llama.cpp refused it; a build of another version or with other settings wrote it".into();
            return Err(engine_error("take in a saved KV cache", problem));
        }
        for &token in &saved.tokens {
            self.kv.push(slot, token);
        }
        Ok(())
    }

    fn all_taken(&self) -> ModelError {
        ModelError::QueueFull { waiting: self.waiting.len() }
    }
}

fn engine_error(action: &str, problem: String) -> ModelError {
    ModelError::Engine { action: action.into(), problem }
}
