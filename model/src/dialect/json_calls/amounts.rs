//! Numbers that the user has said: a small model that copies one miscounts its zeros, and does not come to an end.

use super::mentioned::said_since;
use crate::Request;

/// What stands behind a number and makes it so many digits longer.
const SCALES: [(&str, isize); 7] =
    [("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12), ("k", 3), ("万", 4), ("亿", 8)];

/// What stands behind a percentage.
const PERCENT: [&str; 4] = ["%", "％", "percent", "per cent"];

/// Where the point of a percentage goes in a share of one.
const SHARE: isize = -2;

/// Numbers are the same that differ by no more than this part of them.
const NEAR: f64 = 1e-9;

/// Letters of the longest of them all.
const LONGEST: usize = 8;

/// The numbers in the user's last message, and in what tools have answered since, as JSON has them, without a sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Amounts(Vec<Amount>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Amount {
    digits: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Before a percent sign or word.
    Percentage,
    /// With the word behind it, as in `5 million`.
    Scaled,
}

impl Amounts {
    pub(super) fn of(request: &Request) -> Self {
        let mut out = Self::default();
        for text in said_since(request) {
            out.read(text);
        }
        out
    }

    fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let from = rest.get(at..).unwrap_or_default();
            let (digits, after) = number(from);
            // No more of what may be a long text than a scale has letters, and one that would make it another word.
            let behind = after.trim_start_matches([' ', '-']).chars().take(LONGEST.saturating_add(1));
            let behind: String = behind.flat_map(char::to_lowercase).collect();
            let is_whole = |word: &str| !behind.chars().nth(word.chars().count()).is_some_and(char::is_alphabetic);
            for (word, places) in SCALES {
                if behind.starts_with(word) && (!word.is_ascii() || is_whole(word)) {
                    self.0.push(Amount { digits: moved(&digits, places), kind: Kind::Scaled });
                }
            }
            let is_percentage = PERCENT.iter().any(|mark| behind.starts_with(mark) && is_whole(mark));
            self.0.push(Amount { digits, kind: if is_percentage { Kind::Percentage } else { Kind::Plain } });
            rest = after;
        }
    }

    fn all(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |amount| amount.kind == kind).map(|amount| amount.digits.as_str())
    }

    /// True where `written` is one of them.
    pub(super) fn has(&self, written: &str) -> bool {
        self.0.iter().any(|said| said.digits == written.trim_start_matches('-'))
    }

    /// True where one of them begins with `written`.
    pub(super) fn begins(&self, written: &str) -> bool {
        self.0.iter().any(|said| said.digits.starts_with(written.trim_start_matches('-')))
    }

    /// True where one of them, or a hundredth of it, is `number`, whatever its sign.
    pub(super) fn are(&self, number: f64) -> bool {
        let is_near =
            |digits: &str| digits.parse().is_ok_and(|said: f64| (said - number.abs()).abs() <= NEAR * said.abs());
        self.0.iter().any(|said| is_near(&said.digits) || is_near(&moved(&said.digits, SHARE)))
    }

    /// True for a percentage, however many zeros are behind its point.
    pub(super) fn is_percentage(&self, written: &str) -> bool {
        let value = moved(written.trim_start_matches('-'), 0);
        self.all(Kind::Percentage).any(|said| moved(said, 0) == value)
    }

    /// True where one begins with `written`, and none does as a share of one, nor another number below one.
    pub(super) fn begins_percentage(&self, written: &str) -> bool {
        let written = written.trim_start_matches('-');
        self.all(Kind::Percentage).any(|said| said.starts_with(written))
            && !self.all(Kind::Plain).any(|said| said.starts_with('0') && said.starts_with(written))
            && !self.all(Kind::Percentage).any(|said| moved(said, SHARE).starts_with(written))
    }

    /// True for a percentage as a share of one, or the beginning of such a one, that is no other number.
    pub(super) fn begins_share(&self, written: &str) -> bool {
        let written = written.trim_start_matches('-');
        self.all(Kind::Percentage).any(|said| moved(said, SHARE).starts_with(written))
            && ![Kind::Plain, Kind::Percentage]
                .into_iter()
                .any(|kind| self.all(kind).any(|said| said.starts_with(written)))
    }
}

/// The number that `text` begins with, and what is behind it. Commas stand between thousands.
fn number(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut end = 0;
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    loop {
        let count = digits(end);
        out.push_str(text.get(end..end.saturating_add(count)).unwrap_or_default());
        end = end.saturating_add(count);
        let next = end.saturating_add(1);
        match bytes.get(end) {
            Some(b',') if digits(next) == 3 && !out.contains('.') => end = next,
            Some(b'.') if digits(next) > 0 && !out.contains('.') => {
                out.push('.');
                end = next;
            }
            _ => return (out, text.get(end..).unwrap_or_default()),
        }
    }
}

/// `number` with its point so many places further right, as short as it can be.
fn moved(number: &str, places: isize) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    // Zeros before the first digit or behind the last, where it goes past them.
    let before = if places < 0 { places.unsigned_abs().saturating_sub(whole.len()) } else { 0 };
    let point = whole.len().saturating_add_signed(places);
    let digits = format!("{}{digits}{}", "0".repeat(before), "0".repeat(point.saturating_sub(digits.len())));
    let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn numbers_are_read_with_what_makes_them_larger() {
        let text = "8.5 million of 1,250,000 in 2022, 3, 4 and 50k; 5% of 0.25 thousand, 3万 and -7 kings.";
        let amounts = Amounts::of(&Request { messages: vec![Message::user(text)], ..Request::default() });
        for said in ["8.5", "8500000", "1250000", "2022", "3", "4", "50", "50000", "5", "0.25", "250", "30000", "-7"] {
            assert!(amounts.has(said), "{said} {amounts:?}");
        }
        for other in ["85", "1", "250000", "34", "7000", "85000000", ""] {
            assert!(!amounts.has(other), "{other} {amounts:?}");
        }
        assert!(amounts.is_percentage("5.0") && !amounts.is_percentage("0.25") && !amounts.is_percentage("3"));
        assert!(amounts.begins_percentage("5") && !amounts.begins_percentage("0"));
        assert!(amounts.begins_share("0.0") && amounts.begins_share("0.05"));
        // A quarter is said, too.
        assert!(!amounts.begins_share("0") && !amounts.begins_share("0.2"));
        assert_eq!(
            ["5", "12.5", "100", "250.0", "0.5"].map(|number| moved(number, SHARE)),
            ["0.05", "0.125", "1", "2.5", "0.005"]
        );
        assert!([8.5, -8_500_000.0, 0.05, 5.0, 7.0].iter().all(|number| amounts.are(*number)));
        assert!([6.0, 0.0, 0.005].iter().all(|number| !amounts.are(*number)));
        assert!(amounts.begins("850") && amounts.begins("-0.2") && !amounts.begins("85000000"));
    }
}
