//! The native stacks that sessions run on, kept for the next call. The third security-critical part with `unsafe` in it.
//!
//! Wasmtime takes a stack for every call into a session, two for a cell. Mapping one, touching its first pages and
//! unmapping it takes longer than a small cell's own work.
#![allow(unsafe_code)] // stacks are mapped memory, which Wasmtime takes by address; see `Stack`

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use wasmtime::{StackCreator, StackMemory};

/// Stacks that are kept. More sessions than this may run at once; theirs are mapped anew.
const KEPT: usize = 16;
/// Bytes at the top of a kept stack that stay in memory; what deep recursion used below goes back to the system.
const WARM: usize = 64 << 10;

/// Gives stacks, and takes them back.
#[derive(Default)]
pub(super) struct Stacks {
    kept: Arc<Mutex<Vec<Mapping>>>,
}

/// Mapped memory: a guard page, then the stack.
struct Mapping {
    start: usize,
    bytes: usize,
}

/// A stack in use.
struct Stack {
    mapping: Option<Mapping>,
    kept: Weak<Mutex<Vec<Mapping>>>,
}

impl Mapping {
    fn new(size: usize) -> wasmtime::Result<Self> {
        let page = rustix::param::page_size();
        let bytes = size.checked_next_multiple_of(page).and_then(|size| size.checked_add(page));
        let bytes = bytes.ok_or_else(|| wasmtime::Error::msg("a stack of more bytes than there are"))?;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that is there.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE) }?;
        let mapping = Self { start: start.expose_provenance(), bytes };
        // SAFETY: all but the first page of the mapping that was just made, which nothing uses yet. Where this fails, it
        // is unmapped by its drop.
        unsafe {
            mprotect(
                mapping.pointer(page).cast(),
                bytes.saturating_sub(page),
                MprotectFlags::READ | MprotectFlags::WRITE,
            )
        }?;
        Ok(mapping)
    }

    fn pointer(&self, offset: usize) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.start.saturating_add(offset))
    }

    /// Bytes of the stack itself.
    fn room(&self) -> usize {
        self.bytes.saturating_sub(rustix::param::page_size())
    }

    /// Gives memory back to the system, which is zeros when it is used again: all but the topmost `kept` bytes.
    fn forget(&self, kept: usize) -> rustix::io::Result<()> {
        let bytes = self.room().saturating_sub(kept);
        // SAFETY: memory of this mapping, above its guard page, which nobody uses: `&self` is of a stack that is not
        // running, before it is handed out or after it came back.
        unsafe { madvise(self.pointer(rustix::param::page_size()).cast(), bytes, Advice::LinuxDontNeed) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which is this value's own; whoever ran on it is done, as Wasmtime has dropped its
        // `Stack`.
        let done = unsafe { munmap(self.pointer(0).cast(), self.bytes) };
        if let Err(error) = done {
            tracing::warn!(%error, "a stack could not be unmapped");
        }
    }
}

// SAFETY: stacks are whole pages of the size asked for, readable and writable, with a page below that is neither; they
// belong to the one `Stack` that holds them. Those that are kept hold what an earlier call left, as Wasmtime's own pool
// does, unless zeros are asked for.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let kept = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let place = kept.iter().rposition(|mapping| mapping.room() >= size);
            place.map(|place| kept.swap_remove(place))
        };
        let mapping = match kept {
            Some(mapping) => {
                if zeroed {
                    mapping.forget(0)?;
                }
                mapping
            }
            None => Mapping::new(size)?,
        };
        Ok(Box::new(Stack { mapping: Some(mapping), kept: Arc::downgrade(&self.kept) }))
    }
}

// SAFETY: as above; the ranges are of the mapping, which lives as long as this value and does not move.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.mapping.as_ref().map_or(std::ptr::null_mut(), |mapping| mapping.pointer(mapping.bytes))
    }

    fn range(&self) -> Range<usize> {
        let page = rustix::param::page_size();
        self.mapping
            .as_ref()
            .map_or(0..0, |mapping| mapping.start.saturating_add(page)..mapping.start.saturating_add(mapping.bytes))
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let page = rustix::param::page_size();
        let null = std::ptr::null_mut();
        self.mapping.as_ref().map_or(null..null, |mapping| mapping.pointer(0)..mapping.pointer(page))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let (Some(mapping), Some(kept)) = (self.mapping.take(), self.kept.upgrade()) else { return };
        if mapping.forget(WARM).is_err() {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(mapping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1 << 20;

    fn write(stack: &dyn StackMemory, below_top: usize) {
        // SAFETY: an address of the stack, which nothing runs on.
        unsafe { stack.top().sub(below_top).write(7) };
    }

    fn read(stack: &dyn StackMemory, below_top: usize) -> u8 {
        // SAFETY: as above.
        unsafe { stack.top().sub(below_top).read() }
    }

    #[test]
    fn a_stack_is_whole_pages_above_a_guard_page() {
        let stack = Stacks::default().new_stack(SIZE + 1, true).unwrap();
        let (range, guard, page) = (stack.range(), stack.guard_range(), rustix::param::page_size());
        assert_eq!(range.end, stack.top().addr());
        assert_eq!(range.start, guard.end.addr());
        assert!(range.len() > SIZE && range.start.is_multiple_of(page) && range.end.is_multiple_of(page));
        assert_eq!(guard.end.addr() - guard.start.addr(), page);
        write(&*stack, range.len());
        write(&*stack, 1);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let start = format!("{:x}-", guard.start.addr());
        let line = maps.lines().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains(" ---p "), "{line}");
    }

    #[test]
    fn a_stack_comes_back_without_what_lay_deep_in_it() {
        let stacks = Stacks::default();
        let stack = stacks.new_stack(SIZE, false).unwrap();
        let top = stack.top();
        write(&*stack, 1);
        write(&*stack, SIZE / 2);
        drop(stack);
        let stack = stacks.new_stack(SIZE, false).unwrap();
        assert_eq!(stack.top(), top);
        assert_eq!(read(&*stack, SIZE / 2), 0);
        drop(stack);
        let stack = stacks.new_stack(SIZE, true).unwrap();
        assert_eq!((stack.top(), read(&*stack, 1)), (top, 0));
        let larger = stacks.new_stack(2 * SIZE, false).unwrap();
        assert!(larger.range().len() >= 2 * SIZE);
    }

    #[test]
    fn few_stacks_are_kept() {
        let stacks = Stacks::default();
        let many: Vec<_> = (0..KEPT + 4).map(|_| stacks.new_stack(SIZE, false).unwrap()).collect();
        drop(many);
        assert_eq!(stacks.kept.lock().unwrap().len(), KEPT);
    }
}
