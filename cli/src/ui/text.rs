//! Foreign text made fit for a screen.

use std::borrow::Cow;

/// `text` with its control characters made visible (ESC as `␛`), line breaks and tabs kept. What a model or a tool wrote
/// must not steer the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        '\n' | '\t' => c,
        // The Unicode block "Control Pictures" lies in the order of ASCII.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(show).collect())
}

/// At most `most` characters of `text`, the last one `…` where something is left out.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect())
}

/// A number of bytes for a person: `491 MB`. Decimal units, as downloads and disks are sold.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{}.{} GB", count / 1_000_000_000, count % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_instead() {
        assert_eq!(printable("价格\t1\n2"), "价格\t1\n2");
        assert_eq!(printable("\x1b]0;title\x07"), "␛]0;title␇");
        assert_eq!(printable("a\0b\r\x7f\u{9b}31m"), "a␀b␍␡\u{fffd}31m");
    }

    #[test]
    fn shortening_counts_characters_and_says_so() {
        assert_eq!(shorten("股票价格", 4), "股票价格");
        assert_eq!(shorten("股票价格", 3), "股票…");
        assert_eq!(shorten("", 0), "");
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!([0, 1_000, 491_400_064, 1_117_320_768].map(bytes), ["0 B", "1 kB", "491 MB", "1.1 GB"]);
    }
}
