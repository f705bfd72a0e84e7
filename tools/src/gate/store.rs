//! Whole outputs, of which the model saw a part.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps outputs that were too long for the model, each under a handle: `output-1`, `output-2`, …
///
/// Bounded in bytes: the oldest go first. Clones share what is kept.
#[derive(Clone)]
pub struct OutputStore {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    capacity: usize,
    used: usize,
    stored: u64,
    outputs: VecDeque<(String, Arc<str>)>,
}

/// A part of a stored output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPart {
    /// The text.
    pub text: String,
    /// Where it begins, in bytes: as asked for, or less where that was within a character.
    pub offset: usize,
    /// Where the next part begins, in bytes; none at the end.
    pub next: Option<usize>,
    /// Bytes that are kept in all.
    pub total: usize,
}

impl Default for OutputStore {
    /// Room for 32 MiB.
    fn default() -> Self {
        Self::with_capacity(32 * 1024 * 1024)
    }
}

impl std::fmt::Debug for OutputStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        f.debug_struct("OutputStore")
            .field("capacity", &inner.capacity)
            .field("used", &inner.used)
            .finish_non_exhaustive()
    }
}

impl OutputStore {
    /// Room for `bytes` bytes of text.
    pub fn with_capacity(bytes: usize) -> Self {
        let inner = Inner { capacity: bytes, used: 0, stored: 0, outputs: VecDeque::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing below leaves it half done, so a poisoned lock still guards sound data.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `text` and gives its handle. Older outputs make room for it; of a text larger than the whole store the
    /// beginning is kept. A text that is kept already keeps its handle, so that a call that gives the same again is
    /// seen to give the same.
    pub fn put(&self, text: &str) -> String {
        let mut inner = self.lock();
        let kept = text.get(..text.floor_char_boundary(inner.capacity)).unwrap_or_default();
        // Not where only a beginning is kept: what follows may differ.
        let known = inner.outputs.iter().find(|(_, known)| &**known == text);
        if let Some((handle, _)) = known {
            return handle.clone();
        }
        while inner.used + kept.len() > inner.capacity {
            let Some((_, oldest)) = inner.outputs.pop_front() else { break };
            inner.used -= oldest.len();
        }
        inner.stored += 1;
        inner.used += kept.len();
        let handle = format!("output-{}", inner.stored);
        inner.outputs.push_back((handle.clone(), Arc::from(kept)));
        handle
    }

    /// At most `bytes` bytes of the output `handle` from `offset` on, whole characters only; none where the handle is
    /// unknown or its output has made room for others. An offset past the end gives an empty part.
    pub fn get(&self, handle: &str, offset: usize, bytes: usize) -> Option<OutputPart> {
        let text = self.lock().outputs.iter().find(|(known, _)| known == handle).map(|(_, text)| Arc::clone(text))?;
        let start = text.floor_char_boundary(offset);
        // At least one character, whatever its size: who reads on in a loop gets to the end.
        let first = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let end = text.floor_char_boundary(start.saturating_add(bytes.max(first)));
        Some(OutputPart {
            text: text.get(start..end).unwrap_or_default().to_owned(),
            offset: start,
            next: (end < text.len()).then_some(end),
            total: text.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_one_handle() {
        let store = OutputStore::with_capacity(100);
        let first = store.put("the same");
        assert_ne!(store.put("another"), first);
        assert_eq!(store.put("the same"), first);
        store.put(&"x".repeat(95));
        assert_ne!(store.put("the same"), first, "it had made room");
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let store = OutputStore::default();
        let text = "zażółć 天气 🌤 ".repeat(50);
        let handle = store.put(&text);
        for bytes in [0, 1, 2, 3, 7, 64, 10_000] {
            let (mut whole, mut offset) = (String::new(), 0);
            loop {
                let part = store.get(&handle, offset, bytes).unwrap();
                whole.push_str(&part.text);
                assert_eq!(part.total, text.len());
                match part.next {
                    Some(next) => offset = next,
                    None => break,
                }
            }
            assert_eq!(whole, text, "in parts of {bytes} bytes");
        }
    }

    #[test]
    fn an_offset_within_a_character_starts_with_it_and_one_past_the_end_gives_nothing() {
        let store = OutputStore::default();
        let handle = store.put("a天b");
        let part = store.get(&handle, 2, 3).unwrap();
        assert_eq!((part.offset, part.text.as_str(), part.next), (1, "天", Some(4)));
        let part = store.get(&handle, usize::MAX, 3).unwrap();
        assert_eq!((part.offset, part.text.as_str(), part.next), (5, "", None));
    }

    #[test]
    fn the_oldest_make_room_and_the_bytes_stay_within_the_capacity() {
        let store = OutputStore::with_capacity(10);
        let first = store.put("12345");
        let second = store.put("67890");
        assert!(store.get(&first, 0, 9).is_some());
        let third = store.put("123456");
        assert!(store.get(&first, 0, 9).is_none());
        assert!(store.get(&second, 0, 9).is_none());
        assert_eq!(store.get(&third, 0, 9).unwrap().text, "123456");
        let large = store.put("天天天天天天");
        assert_eq!(store.get(&large, 0, 99).unwrap().text, "天天天", "what fits is kept, whole characters only");
        assert!(store.lock().used <= 10);
        assert_eq!([first, second, third, large], ["output-1", "output-2", "output-3", "output-4"]);
    }
}
