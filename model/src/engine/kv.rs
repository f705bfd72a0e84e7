//! Who holds what in the KV cache.
//!
//! The cache is one pool of cells. A sequence is a row of cells; a prefix that was copied from another sequence shares
//! its cells. This ledger follows llama.cpp's cache cell by cell, so that it is known before a batch whether it fits.

use llama_cpp_2::context::LlamaContext;

use super::adapters::Weights;

/// What the ledger does to the cache itself.
pub(crate) trait KvMemory {
    /// Removes the tokens of `sequence` from position `from` on; false where only all of them can be removed.
    fn remove_from(&mut self, sequence: u32, from: u32) -> bool;
    /// Removes all tokens of `sequence`.
    fn clear(&mut self, sequence: u32);
    /// Makes the first `length` tokens of `source` those of `target`, which is empty.
    fn copy(&mut self, source: u32, target: u32, length: u32);
}

impl KvMemory for LlamaContext<'_> {
    fn remove_from(&mut self, sequence: u32, from: u32) -> bool {
        matches!(self.clear_kv_cache_seq(Some(sequence), Some(from), None), Ok(true))
    }

    fn clear(&mut self, sequence: u32) {
        // Removing a whole sequence cannot fail, and numbers of sequences are small.
        let _ = self.clear_kv_cache_seq(Some(sequence), None, None);
    }

    fn copy(&mut self, source: u32, target: u32, length: u32) {
        // Fails only for numbers past 2^31.
        let (Ok(source), Ok(target)) = (i32::try_from(source), i32::try_from(target)) else { return };
        let _ = self.copy_kv_cache_seq(source, target, Some(0), Some(length));
    }
}

/// The sequences and their cells.
pub(crate) struct KvLedger {
    slots: Vec<Slot>,
    /// How many sequences hold each cell.
    holders: Vec<u32>,
    free: Vec<u32>,
    /// Whether a prefix can be copied: not where a sequence is one state (recurrent models).
    can_share: bool,
    clock: u64,
}

#[derive(Debug, Default)]
struct Slot {
    tokens: Vec<u32>,
    cells: Vec<u32>,
    /// What the tokens were computed with. They are of no use to other weights.
    weights: Weights,
    busy: bool,
    used_at: u64,
}

/// A sequence taken for a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The sequence.
    pub(crate) slot: u32,
    /// Tokens of the prompt that it holds already.
    pub(crate) reused: u32,
}

impl Slot {
    /// How many tokens a generation with this prompt and these weights finds here.
    fn common(&self, prompt: &[u32], weights: Weights) -> usize {
        if self.weights == weights { common_prefix(&self.tokens, prompt) } else { 0 }
    }
}

impl KvLedger {
    /// A cache of `sequences` empty sequences and `cells` cells.
    pub(crate) fn new(sequences: u32, cells: u32, can_share: bool) -> Self {
        Self {
            slots: (0..sequences).map(|_| Slot::default()).collect(),
            holders: vec![0; cells as usize],
            free: (0..cells).rev().collect(),
            can_share,
            clock: 0,
        }
    }

    /// Cells that hold nothing.
    pub(crate) fn free_cells(&self) -> usize {
        self.free.len()
    }

    /// Cells that hold something.
    pub(crate) fn used_cells(&self) -> usize {
        self.holders.len().saturating_sub(self.free.len())
    }

    /// Tokens that `slot` holds.
    pub(crate) fn held(&self, slot: u32) -> usize {
        self.slot(slot).map_or(0, |s| s.tokens.len())
    }

    /// True where a sequence is free to be taken.
    pub(crate) fn has_idle(&self) -> bool {
        self.slots.iter().any(|s| !s.busy)
    }

    /// Cells that would be free if all idle sequences were cleared, and the tokens of `prompt` that a running one
    /// holds, which would cost nothing.
    pub(crate) fn room_beside_busy(&self, prompt: &[u32], weights: Weights) -> (usize, usize) {
        let mut seen = vec![false; self.holders.len()];
        let mut shared = 0;
        for slot in self.slots.iter().filter(|s| s.busy) {
            for &cell in &slot.cells {
                if let Some(seen) = seen.get_mut(cell as usize) {
                    *seen = true;
                }
            }
            if self.can_share {
                shared = shared.max(slot.common(prompt, weights));
            }
        }
        (seen.iter().filter(|seen| !**seen).count(), shared)
    }

    /// Takes an idle sequence for `prompt`, with as much of it already there as can be had of the same weights. At least the last token is
    /// left to be computed, since its logits are needed. `None` where all sequences are taken.
    pub(crate) fn claim(&mut self, prompt: &[u32], weights: Weights, memory: &mut impl KvMemory) -> Option<Claim> {
        let usable = prompt.get(..prompt.len().saturating_sub(1)).unwrap_or_default();
        let common: Vec<usize> = self.slots.iter().map(|s| s.common(usable, weights)).collect();
        let best = |busy_too: bool| {
            self.slots
                .iter()
                .zip(&common)
                .enumerate()
                .filter(|(_, (slot, _))| busy_too || !slot.busy)
                .max_by_key(|(_, (slot, common))| (**common, slot.used_at))
                .map(|(index, (_, common))| (index, *common))
        };
        let (own, own_common) = best(false)?;
        let (source, source_common) = best(true)?;
        let (oldest, oldest_length) = self.oldest_idle()?;

        let own_loss = self.slots.get(own).map_or(0, |s| s.tokens.len().saturating_sub(own_common));
        let take_own = !self.can_share
            || source_common == 0
            // The next turn of the conversation that it holds.
            || (own_common == source_common && (own_loss == 0 || own == oldest || own_loss <= oldest_length));
        let (target, reused) = if take_own {
            // Without anything in common, the oldest goes.
            let target = if own_common == 0 { oldest } else { own };
            (target, self.truncate_at(target, own_common, memory))
        } else {
            (oldest, self.copy(source, oldest, source_common, memory))
        };
        let slot = self.touch(target)?;
        slot.busy = true;
        slot.weights = weights;
        Some(Claim { slot: u32::try_from(target).ok()?, reused: u32::try_from(reused).ok()? })
    }

    /// An idle sequence, emptied, for tokens of `weights`: the one that was used longest ago. `None` where all are taken.
    pub(crate) fn make_way(&mut self, weights: Weights, memory: &mut impl KvMemory) -> Option<u32> {
        let (index, _) = self.oldest_idle()?;
        self.clear_at(index, memory);
        self.touch(index)?.weights = weights;
        u32::try_from(index).ok()
    }

    /// Gives `slot` back. What it holds stays for the next one.
    pub(crate) fn release(&mut self, slot: u32) {
        if let Some(slot) = self.touch(slot as usize) {
            slot.busy = false;
        }
    }

    /// Takes note that `token` was added to `slot`; false where no cell was free.
    pub(crate) fn push(&mut self, slot: u32, token: u32) -> bool {
        let (Some(slot), Some(cell)) = (self.slots.get_mut(slot as usize), self.free.pop()) else { return false };
        if let Some(holders) = self.holders.get_mut(cell as usize) {
            *holders = 1;
        }
        slot.tokens.push(token);
        slot.cells.push(cell);
        true
    }

    /// Clears the idle sequence that was used longest ago; false where there is none that holds anything.
    pub(crate) fn evict(&mut self, memory: &mut impl KvMemory) -> bool {
        let oldest = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.busy && !slot.tokens.is_empty())
            .min_by_key(|(_, slot)| slot.used_at)
            .map(|(index, _)| index);
        match oldest {
            Some(index) => {
                self.clear_at(index, memory);
                true
            }
            None => false,
        }
    }

    /// Leaves the first `length` tokens of `slot`, or none where that cannot be done.
    pub(crate) fn cut(&mut self, slot: u32, length: usize, memory: &mut impl KvMemory) {
        self.truncate_at(slot as usize, length, memory);
    }

    /// Clears `slot`.
    pub(crate) fn clear(&mut self, slot: u32, memory: &mut impl KvMemory) {
        self.clear_at(slot as usize, memory);
    }

    /// The idle sequence to give up, and how many tokens it holds: an empty one, or else the one that was used longest ago.
    fn oldest_idle(&self) -> Option<(usize, usize)> {
        let idle = self.slots.iter().enumerate().filter(|(_, slot)| !slot.busy);
        let oldest = idle.min_by_key(|(_, slot)| (!slot.tokens.is_empty(), slot.used_at));
        oldest.map(|(index, slot)| (index, slot.tokens.len()))
    }

    /// Notes that a sequence is used now.
    fn touch(&mut self, index: usize) -> Option<&mut Slot> {
        self.clock = self.clock.saturating_add(1);
        let slot = self.slots.get_mut(index)?;
        slot.used_at = self.clock;
        Some(slot)
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    fn clear_at(&mut self, index: usize, memory: &mut impl KvMemory) {
        if let Ok(sequence) = u32::try_from(index) {
            memory.clear(sequence);
        }
        self.drop_cells(index, 0);
    }

    /// Leaves the first `length` tokens of a sequence, or none where that cannot be done; gives what is left.
    fn truncate_at(&mut self, index: usize, length: usize, memory: &mut impl KvMemory) -> usize {
        let held = self.slots.get(index).map_or(0, |s| s.tokens.len());
        if length >= held {
            return held;
        }
        let partly = match (u32::try_from(index), u32::try_from(length)) {
            (Ok(sequence), Ok(from)) if length > 0 => memory.remove_from(sequence, from),
            _ => false,
        };
        if partly {
            self.drop_cells(index, length);
            length
        } else {
            self.clear_at(index, memory);
            0
        }
    }

    fn copy(&mut self, source: usize, target: usize, length: usize, memory: &mut impl KvMemory) -> usize {
        self.clear_at(target, memory);
        let Some(from) = self.slots.get(source) else { return 0 };
        let tokens: Vec<u32> = from.tokens.iter().take(length).copied().collect();
        let cells: Vec<u32> = from.cells.iter().take(length).copied().collect();
        if let (Ok(source), Ok(target), Ok(length)) =
            (u32::try_from(source), u32::try_from(target), u32::try_from(length))
        {
            memory.copy(source, target, length);
        }
        for &cell in &cells {
            if let Some(holders) = self.holders.get_mut(cell as usize) {
                *holders = holders.saturating_add(1);
            }
        }
        if let Some(slot) = self.slots.get_mut(target) {
            slot.tokens = tokens;
            slot.cells = cells;
        }
        length
    }

    fn drop_cells(&mut self, index: usize, keep: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.tokens.truncate(keep);
        for cell in slot.cells.drain(keep.min(slot.cells.len())..) {
            if let Some(holders) = self.holders.get_mut(cell as usize) {
                *holders = holders.saturating_sub(1);
                if *holders == 0 {
                    self.free.push(cell);
                }
            }
        }
    }
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[path = "kv_tests.rs"]
mod tests;
