//! From pieces of text to the end that a stop text makes.

/// Looks for the texts that end a reply, across the borders of its pieces.
#[derive(Debug)]
pub(super) struct StopTexts {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop text.
    held: String,
}

impl StopTexts {
    /// Looks for `stops`; empty ones are passed over.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes more text. Gives what is not part of a stop text, and whether one was found; what comes after it is gone.
    /// Of several the one that ends first counts, as if the text came character by character.
    pub(super) fn push(&mut self, text: &str) -> (String, bool) {
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        let found = self.stops.iter().filter_map(|stop| {
            let start = all.find(stop.as_str())?;
            Some((start.saturating_add(stop.len()), start))
        });
        if let Some((_, start)) = found.min() {
            all.truncate(start);
            return (all, true);
        }
        let begins = |at: usize| all.get(at..).is_some_and(|tail| self.stops.iter().any(|stop| stop.starts_with(tail)));
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = all.len().saturating_sub(longest);
        let cut = (from..all.len()).find(|&at| all.is_char_boundary(at) && begins(at)).unwrap_or(all.len());
        self.held = all.split_off(cut);
        (all, false)
    }

    /// No stop text can be going on any more: gives what was held back.
    pub(super) fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::characters::Characters;

    fn stop(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut texts = StopTexts::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut out = String::new();
        for piece in pieces {
            let (text, found) = texts.push(piece);
            out.push_str(&text);
            if found {
                return (out, true);
            }
        }
        out.push_str(&texts.flush());
        (out, false)
    }

    #[test]
    fn a_stop_text_is_found_across_pieces() {
        assert_eq!(stop(&["END"], &["one E", "N", "D two"]), ("one ".into(), true));
        assert_eq!(stop(&["END"], &["one E", "N", "E two"]), ("one ENE two".into(), false));
        assert_eq!(stop(&["aab"], &["a", "a", "a", "b"]), ("a".into(), true));
        assert_eq!(stop(&["。", "\n\n"], &["北京\n", "好。再见"]), ("北京\n好".into(), true));
        assert_eq!(stop(&["late", "a"], &["xlate"]), ("xl".into(), true));
        assert_eq!(stop(&["late", "a"], &["xl", "ate"]), ("xl".into(), true));
        assert_eq!(stop(&["", "x"], &["abc"]), ("abc".into(), false));
        assert_eq!(stop(&["END"], &["the EN"]), ("the EN".into(), false));
    }

    #[test]
    fn nothing_is_held_back_without_need() {
        let mut texts = StopTexts::new(vec!["END".into()]);
        assert_eq!(texts.push("one two"), ("one two".into(), false));
        assert_eq!(texts.push(" E"), (" ".into(), false));
        assert_eq!(texts.push("x"), ("Ex".into(), false));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[ab北🚀]{0,40}", stops in prop::collection::vec("[ab北🚀]{1,4}", 0..3),
                                     cut in 1usize..5) {
            let whole = stops.iter().filter_map(|s| text.find(s.as_str()).map(|at| (at + s.len(), at))).min();
            let wanted = whole.and_then(|(_, at)| text.get(..at)).unwrap_or(&text);
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let mut characters = Characters::default();
            let pieces: Vec<String> = bytes.iter().map(|piece| characters.push(piece)).collect();
            prop_assert_eq!(characters.finish(), "");
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (seen, found) = stop(&stops, &pieces);
            prop_assert_eq!(found, whole.is_some());
            prop_assert_eq!(seen, wanted);
        }

        #[test]
        fn any_bytes_give_what_the_standard_library_gives(bytes in prop::collection::vec(any::<u8>(), 0..60),
                                                          cut in 1usize..5) {
            let mut characters = Characters::default();
            let mut text: String = bytes.chunks(cut).map(|piece| characters.push(piece)).collect();
            text.push_str(characters.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
