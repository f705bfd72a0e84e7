//! Long output made short enough for the model, with a way to the rest.

use super::{OutputBudget, OutputStore, Truncation};

/// More bytes than any tokenizer puts into one token on average over a text that is worth reading. A longer text is
/// cut to this many bytes a token before tokens are counted, because counting those of 10 MB takes seconds.
const BYTES_PER_TOKEN: usize = 16;

/// Cuts `text` to `budget` and keeps the whole in `store`. The cut text says what is missing and, where a tool for it is
/// registered (`reader`), how to read on.
pub(super) fn clip(
    text: String,
    budget: &OutputBudget,
    store: &OutputStore,
    reader: bool,
) -> (String, Option<Truncation>) {
    if fits(&text, budget) {
        return (text, None);
    }
    let handle = store.put(&text);
    let short = |bytes: usize| Short::new(&text, bytes, &handle, reader);
    let short = match budget {
        OutputBudget::Bytes(limit) => {
            // The notice is longest where most digits are written; measured with nothing kept, and with room to spare.
            let notice = short(0).text.len() + 8;
            short(limit.saturating_sub(notice))
        }
        OutputBudget::Tokens { limit, counter } => {
            let (mut low, mut high) = (0, text.len().min(limit.saturating_mul(BYTES_PER_TOKEN)));
            while low < high {
                let middle = high - (high - low) / 2;
                if counter(&short(middle).text) <= *limit { low = middle } else { high = middle - 1 }
            }
            short(low)
        }
    };
    let truncation = Truncation { shown: short.shown, total: text.len(), handle };
    (short.text, Some(truncation))
}

fn fits(text: &str, budget: &OutputBudget) -> bool {
    match budget {
        OutputBudget::Bytes(limit) => text.len() <= *limit,
        OutputBudget::Tokens { limit, counter } => {
            text.len() <= limit.saturating_mul(BYTES_PER_TOKEN) && counter(text) <= *limit
        }
    }
}

/// Beginning and end of `text`, about `bytes` bytes together. `handle` is where the whole is kept.
pub(super) fn shorten(text: &str, bytes: usize, handle: &str, reader: bool) -> (String, Truncation) {
    let short = Short::new(text, bytes.min(text.len()), handle, reader);
    (short.text, Truncation { shown: short.shown, total: text.len(), handle: handle.to_owned() })
}

struct Short {
    text: String,
    shown: usize,
}

impl Short {
    /// Beginning and end of `text`, about `bytes` bytes together, with a notice between. The beginning is larger: it says
    /// what the output is; the end is where errors and sums stand.
    fn new(text: &str, bytes: usize, handle: &str, reader: bool) -> Self {
        let tail = bytes / 4;
        let head = text.get(..text.floor_char_boundary(bytes - tail)).unwrap_or_default();
        let tail =
            text.get(text.ceil_char_boundary(text.len() - tail.min(text.len() - head.len()))..).unwrap_or_default();
        let shown = head.len() + tail.len();
        let (missing, total) = (text.len() - shown, text.len());
        let next = head.len();
        let rest = if reader {
            format!("Read on with read_output(handle=\"{handle}\", offset={next}).")
        } else {
            format!("The whole output is kept as `{handle}`.")
        };
        Self { text: format!("{head}\n[… {missing} of {total} bytes are left out here. {rest}]\n{tail}"), shown }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn cut(text: &str, budget: OutputBudget) -> (String, Option<Truncation>, OutputStore) {
        let store = OutputStore::default();
        let (text, truncation) = clip(text.to_owned(), &budget, &store, true);
        (text, truncation, store)
    }

    #[test]
    fn what_fits_is_left_alone() {
        for text in ["", "short", &"x".repeat(500)] {
            assert_eq!(cut(text, OutputBudget::Bytes(500)).0, text);
        }
    }

    #[test]
    fn beginning_and_end_stay_and_the_whole_is_kept() {
        let text = (0..100_000).map(|n| format!("line {n}\n")).collect::<String>();
        let (short, truncation, store) = cut(&text, OutputBudget::Bytes(2000));
        let truncation = truncation.unwrap();
        assert!(short.len() <= 2000, "{}", short.len());
        assert!(short.len() > 1900, "the budget is used: {}", short.len());
        assert!(short.starts_with("line 0\nline 1\n"));
        assert!(short.ends_with("line 99999\n"));
        assert_eq!(truncation.total, text.len());
        assert!(short.contains(&format!("{} of {} bytes", truncation.total - truncation.shown, truncation.total)));
        assert_eq!(store.get(&truncation.handle, 0, usize::MAX).unwrap().text, text);
    }

    #[test]
    fn reading_on_from_the_offset_in_the_notice_loses_nothing() {
        let text = "天气预报🌤".repeat(1000);
        let (short, truncation, store) = cut(&text, OutputBudget::Bytes(1000));
        let offset = short.split("offset=").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
        let rest = store.get(&truncation.unwrap().handle, offset, usize::MAX).unwrap();
        assert_eq!(rest.offset, offset, "the offset is between two characters");
        let (before, after) = text.split_at(offset);
        assert_eq!(rest.text, after);
        assert!(short.starts_with(before));
    }

    #[test]
    fn a_budget_smaller_than_the_notice_still_says_that_something_is_missing() {
        let (short, truncation, _) = cut(&"x".repeat(100), OutputBudget::Bytes(10));
        assert!(short.contains("100 of 100 bytes are left out"), "{short}");
        assert_eq!(truncation.unwrap().shown, 0);
    }

    #[test]
    fn a_token_budget_is_used_up_and_not_passed() {
        let counted = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&counted);
        let counter = move |text: &str| {
            seen.fetch_add(text.len(), Ordering::Relaxed);
            text.split_whitespace().count()
        };
        let counter: super::super::TokenCounter = Arc::new(counter);
        let text = "one two three four ".repeat(500_000);
        let budget = OutputBudget::Tokens { limit: 300, counter: Arc::clone(&counter) };
        let (short, truncation, _) = cut(&text, budget);
        let tokens = counter(&short);
        assert!((290..=300).contains(&tokens), "{tokens}");
        assert_eq!(truncation.unwrap().total, text.len());
        assert!(counted.load(Ordering::Relaxed) < 1_000_000, "10 MB are not tokenised over and over");
    }

    #[test]
    fn without_a_reader_the_notice_names_no_tool() {
        let store = OutputStore::default();
        let (short, _) = clip("x".repeat(1000), &OutputBudget::Bytes(200), &store, false);
        assert!(short.contains("kept as `output-1`") && !short.contains("read_output"), "{short}");
        assert!(short.len() <= 200);
    }
}
