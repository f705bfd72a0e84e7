//! Keeping so much of a cell's output, and counting the rest.

use crate::{Limits, MimeBundle, Output};

/// Outputs of a cell other than text. A program must not fill the host's memory with small ones.
const MAX_PIECES: u32 = 10_000;
/// Exceptions and denials of a cell that a program may report itself.
const MAX_REPORTS: u32 = 64;

/// A stream of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What one stream has taken in one cell.
#[derive(Debug, Default)]
struct Meter {
    kept: u64,
    dropped: u64,
}

/// Cuts the outputs of one cell to [`Limits::output`] and [`Limits::display`]. Bytes of the two streams become whole
/// characters; a character that is cut in two waits for its rest.
#[derive(Debug)]
pub(crate) struct Capture {
    output: u64,
    display: u64,
    meters: [Meter; 2],
    displays: Meter,
    pieces: u32,
    reports: u32,
    waiting: [Vec<u8>; 2],
}

impl Capture {
    /// For one cell.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            output: limits.output,
            display: limits.display,
            meters: Default::default(),
            displays: Meter::default(),
            pieces: 0,
            reports: 0,
            waiting: Default::default(),
        }
    }

    /// Takes bytes of a stream, and gives what of them is to be shown now.
    pub(crate) fn bytes(&mut self, stream: Stream, bytes: &[u8]) -> Option<Output> {
        let [out, err] = &mut self.waiting;
        let waiting = if stream == Stream::Stdout { out } else { err };
        let mut whole = std::mem::take(waiting);
        whole.extend_from_slice(bytes);
        *waiting = split_off_open_character(&mut whole);
        self.text(stream, &String::from_utf8_lossy(&whole))
    }

    /// Takes text of a stream, and gives what of it is to be shown.
    pub(crate) fn text(&mut self, stream: Stream, text: &str) -> Option<Output> {
        let [out, err] = &mut self.meters;
        let meter = if stream == Stream::Stdout { out } else { err };
        let room = if meter.dropped > 0 { 0 } else { self.output.saturating_sub(meter.kept) };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let shown = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        meter.kept = meter.kept.saturating_add(shown.len() as u64);
        meter.dropped = meter.dropped.saturating_add(text.len().saturating_sub(shown.len()) as u64);
        if shown.is_empty() {
            return None;
        }
        let text = shown.to_owned();
        Some(match stream {
            Stream::Stdout => Output::Stdout { text },
            Stream::Stderr => Output::Stderr { text },
        })
    }

    /// Whether something of this size may be displayed; it is kept whole or not at all, and so are those after too many.
    pub(crate) fn display(&mut self, data: &MimeBundle) -> bool {
        let bytes: usize = data.0.iter().map(|(mime, value)| mime.len().saturating_add(size(value))).sum();
        let (bytes, room) = (bytes as u64, self.display.saturating_sub(self.displays.kept));
        if bytes > room || !self.piece() {
            self.displays.dropped = self.displays.dropped.saturating_add(bytes.max(1));
            return false;
        }
        self.displays.kept = self.displays.kept.saturating_add(bytes);
        true
    }

    /// Whether one more output may come that is no text.
    pub(crate) fn piece(&mut self) -> bool {
        self.pieces = self.pieces.saturating_add(1);
        self.pieces <= MAX_PIECES
    }

    /// Whether the program may report one more thing of itself: an exception, or a denial.
    pub(crate) fn report(&mut self) -> bool {
        self.reports = self.reports.saturating_add(1);
        self.reports <= MAX_REPORTS
    }

    /// The cell is over: what still waits, and what was dropped.
    pub(crate) fn finish(&mut self) -> Vec<Output> {
        let [out, err] = std::mem::take(&mut self.waiting);
        let mut outputs: Vec<Output> = [(Stream::Stdout, out), (Stream::Stderr, err)]
            .into_iter()
            .filter_map(|(stream, rest)| self.text(stream, &String::from_utf8_lossy(&rest)))
            .collect();
        let [out, err] = &self.meters;
        for (stream, meter) in [("stdout", out), ("stderr", err), ("display", &self.displays)] {
            if meter.dropped > 0 {
                outputs.push(Output::Truncated { stream: stream.to_owned(), bytes: meter.dropped });
            }
        }
        outputs
    }
}

/// Bytes of a value, roughly as JSON would have them.
fn size(value: &serde_json::Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().len(), str::len)
}

/// Takes a character off the end whose bytes are not all there yet.
fn split_off_open_character(bytes: &mut Vec<u8>) -> Vec<u8> {
    let tail = bytes.iter().rev().take(3).position(|byte| byte & 0xC0 != 0x80);
    let Some(back) = tail.map(|at| at.saturating_add(1)) else { return Vec::new() };
    let start = bytes.len().saturating_sub(back);
    let wanted = match bytes.get(start) {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    if wanted > back { bytes.split_off(start) } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(output: u64) -> Capture {
        Capture::new(&Limits { output, display: 100, ..Limits::default() })
    }

    fn stdout(text: &str) -> Option<Output> {
        Some(Output::Stdout { text: text.to_owned() })
    }

    #[test]
    fn a_character_split_between_writes_comes_whole() {
        let mut capture = capture(100);
        let heart = "爱心💖".as_bytes();
        let mut shown = String::new();
        for byte in heart {
            if let Some(Output::Stdout { text }) = capture.bytes(Stream::Stdout, &[*byte]) {
                shown.push_str(&text);
            }
        }
        assert_eq!(shown, "爱心💖");
        assert_eq!(capture.finish(), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let mut capture = capture(100);
        assert_eq!(capture.bytes(Stream::Stdout, b"a\xFFb\xE7"), stdout("a\u{FFFD}b"));
        assert_eq!(capture.finish(), [Output::Stdout { text: "\u{FFFD}".into() }]);
    }

    #[test]
    fn past_the_limit_bytes_are_counted_and_no_hole_is_left() {
        let mut capture = capture(4);
        assert_eq!(capture.bytes(Stream::Stdout, "ab爱".as_bytes()), stdout("ab"));
        assert_eq!(capture.bytes(Stream::Stdout, b"c"), None);
        assert_eq!(capture.bytes(Stream::Stderr, b"e"), Some(Output::Stderr { text: "e".into() }));
        assert_eq!(capture.finish(), [Output::Truncated { stream: "stdout".into(), bytes: 4 }]);
    }

    #[test]
    fn small_outputs_are_limited_in_number() {
        let mut capture = Capture::new(&Limits::default());
        let shown = (0..2 * MAX_PIECES).filter(|_| capture.display(&MimeBundle::default())).count();
        assert_eq!(shown, MAX_PIECES as usize);
        assert!(!capture.piece());
        assert_eq!(capture.finish(), [Output::Truncated { stream: "display".into(), bytes: u64::from(MAX_PIECES) }]);
        assert_eq!((0..2 * MAX_REPORTS).filter(|_| capture.report()).count(), MAX_REPORTS as usize);
    }

    #[test]
    fn a_display_is_kept_whole_or_counted() {
        let mut capture = capture(4);
        assert!(capture.display(&MimeBundle::text("small")));
        assert!(!capture.display(&MimeBundle::text("x".repeat(200))));
        assert!(capture.display(&MimeBundle::text("small")));
        assert_eq!(capture.finish(), [Output::Truncated { stream: "display".into(), bytes: 210 }]);
    }
}
