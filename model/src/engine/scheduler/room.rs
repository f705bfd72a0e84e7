//! Room in the KV cache for the next batch.

use super::Scheduler;

impl Scheduler<'_> {
    /// Sees that `tokens` cells are free. False where a generation had to be put back for it.
    pub(super) fn make_room(&mut self, tokens: usize) -> bool {
        while self.kv.free_cells() < tokens {
            if self.kv.evict(&mut self.context) {
                continue;
            }
            if self.preempt() {
                return false;
            }
            // One generation alone, and it fits in the context: then its cells are there. Let llama.cpp say.
            return true;
        }
        true
    }

    /// Puts the generation that came last back to those that wait, where it is not alone. What it wrote is kept, and
    /// read again later.
    pub(super) fn preempt(&mut self) -> bool {
        if self.active.len() < 2 {
            return false;
        }
        let last = self.active.iter().enumerate().max_by_key(|(_, s)| s.order).map(|(at, _)| at);
        let Some(at) = last else { return false };
        let mut session = self.active.remove(at);
        if let Some(slot) = session.slot.take() {
            self.kv.clear(slot, &mut self.context);
            self.kv.release(slot);
        }
        tracing::debug!(tokens = session.tokens.len(), "the context is full: a generation waits for another to end");
        self.waiting.push_front(session);
        true
    }
}
