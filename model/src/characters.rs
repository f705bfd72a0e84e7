//! From the bytes of tokens to text.

/// Holds back the bytes of a character until it is whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Characters {
    /// The beginning of a character: at most three bytes.
    held: Vec<u8>,
}

impl Characters {
    /// Takes more bytes and gives the characters that are whole. Bytes that can be part of none become U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.held.len());
        let mut kept = 0;
        let mut chunks = self.held.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let broken = chunk.invalid();
            if broken.is_empty() {
                continue;
            }
            // Only at the very end can what is broken still become whole.
            let unfinished = std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none());
            if unfinished && chunks.peek().is_none() {
                kept = broken.len();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let done = self.held.len().saturating_sub(kept);
        self.held.drain(..done);
        text
    }

    /// No more bytes come: what was held back is broken.
    #[cfg(any(feature = "llama", test))]
    pub(crate) fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.held).is_empty() { "" } else { "\u{FFFD}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(pieces: &[&[u8]]) -> Vec<String> {
        let mut characters = Characters::default();
        let mut out: Vec<String> = pieces.iter().map(|piece| characters.push(piece)).collect();
        out.push(characters.finish().to_owned());
        out
    }

    #[test]
    fn a_character_comes_whole() {
        let rocket = "🚀".as_bytes();
        assert_eq!(characters(&[&rocket[..1], &rocket[1..3], &rocket[3..]]), ["", "", "🚀", ""]);
        assert_eq!(characters(&[b"a\xe5", b"\x8c", b"\x97b"]), ["a", "", "北b", ""]);
    }

    #[test]
    fn broken_bytes_are_replaced_and_hold_nothing_up() {
        assert_eq!(characters(&[b"\xff", b"a"]), ["\u{FFFD}", "a", ""]);
        assert_eq!(characters(&[b"\xf0\x9f", b"a"]), ["", "\u{FFFD}a", ""]);
        assert_eq!(characters(&[b"a\xf0\x9f\x9a"]), ["a", "\u{FFFD}"]);
    }
}
