//! Regular expressions of numbers within bounds.

/// The most digits before the point: what surely fits into 64 bits.
const DIGITS: usize = 18;

/// The most digits after the point.
const FRACTION: usize = 12;

const MAX: i128 = 999_999_999_999_999_999;

/// Integers from `low` to `high`; without a bound, up to 18 digits. `None` where there is none.
pub(super) fn integer(low: Option<i128>, high: Option<i128>) -> Option<String> {
    let (low, high) = (low.unwrap_or(-MAX).max(-MAX), high.unwrap_or(MAX).min(MAX));
    if low > high {
        return None;
    }
    let mut parts = Vec::new();
    if low < 0 {
        parts.push(format!("-({})", natural(if high < 0 { -high } else { 1 }, -low)));
    }
    if high >= 0 {
        parts.push(natural(low.max(0), high));
    }
    Some(format!("({})", parts.join("|")))
}

/// Integers from `low` to `high`, neither below zero.
fn natural(low: i128, high: i128) -> String {
    let mut parts = Vec::new();
    let mut from = low;
    while from <= high {
        let length = from.to_string().len();
        let most = 10i128.checked_pow(u32::try_from(length).unwrap_or(u32::MAX)).map_or(high, |next| next - 1);
        let to = most.min(high);
        parts.push(same_length(&from.to_string(), &to.to_string()));
        from = to + 1;
    }
    parts.join("|")
}

fn digits(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "[0-9]".to_owned(),
        n => format!("[0-9]{{{n}}}"),
    }
}

fn digit_range(from: u32, to: u32) -> Option<String> {
    match from.cmp(&to) {
        std::cmp::Ordering::Less => Some(format!("[{from}-{to}]")),
        std::cmp::Ordering::Equal => Some(from.to_string()),
        std::cmp::Ordering::Greater => None,
    }
}

fn split_digit(text: &str) -> Option<(u32, &str)> {
    let mut chars = text.chars();
    let digit = chars.next()?.to_digit(10)?;
    Some((digit, chars.as_str()))
}

/// Strings of digits between two of the same length.
fn same_length(low: &str, high: &str) -> String {
    if low == high {
        return low.to_owned();
    }
    let (Some((a, low)), Some((b, high))) = (split_digit(low), split_digit(high)) else { return String::new() };
    if a == b {
        return format!("{a}({})", same_length(low, high));
    }
    let (low_open, high_open) = (low.bytes().all(|d| d == b'0'), high.bytes().all(|d| d == b'9'));
    let mut parts = Vec::new();
    let first = if low_open { a } else { a + 1 };
    let last = if high_open { b } else { b.saturating_sub(1) };
    if !low_open {
        parts.push(format!("{a}({})", same_length(low, &"9".repeat(low.len()))));
    }
    parts.extend(digit_range(first, last).map(|range| format!("{range}{}", digits(low.len()))));
    if !high_open {
        parts.push(format!("{b}({})", same_length(&"0".repeat(high.len()), high)));
    }
    parts.join("|")
}

/// A bound of a range of decimal numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) open: bool,
}

/// Numbers between the bounds: integers and decimals, with an exponent only where nothing bounds them. `None` where
/// there is none.
pub(super) fn decimal(low: Option<Bound>, high: Option<Bound>) -> Option<String> {
    let limit = MAX as f64;
    if low.is_none() && high.is_none() {
        return Some(format!(
            "-?(0|[1-9][0-9]{{0,{}}})(\\.[0-9]{{1,{FRACTION}}})?([eE][+-]?[0-9]{{1,2}})?",
            DIGITS - 1
        ));
    }
    let low = low.filter(|low| low.value > -limit);
    let high = high.filter(|high| high.value < limit);
    if let (Some(low), Some(high)) = (low, high)
        && (low.value > high.value || (low.value == high.value && (low.open || high.open)))
    {
        return None;
    }
    let mut parts = Vec::new();
    if low.is_none_or(|low| low.value < 0.0) {
        let near = high.filter(|high| high.value <= 0.0).map(|high| Bound { value: -high.value, open: high.open });
        let far = low.map(|low| Bound { value: -low.value, open: low.open });
        parts.extend(magnitude(near, far).map(|part| format!("-({part})")));
    }
    if high.is_none_or(|high| high.value >= 0.0) {
        parts.extend(magnitude(low.filter(|low| low.value >= 0.0), high));
    }
    (!parts.is_empty()).then(|| format!("({})", parts.join("|")))
}

/// Numbers that are not below zero.
fn magnitude(low: Option<Bound>, high: Option<Bound>) -> Option<String> {
    let low = low.unwrap_or(Bound { value: 0.0, open: false });
    let high = high.unwrap_or(Bound { value: MAX as f64, open: true });
    let (low_whole, low_fraction) = parts_of(low.value);
    let (high_whole, high_fraction) = parts_of(high.value);
    let any_fraction = format!("(\\.[0-9]{{1,{FRACTION}}})?");
    let mut parts = Vec::new();
    if low_whole == high_whole {
        let fraction = fraction_between(&low_fraction, low.open, &high_fraction, high.open)?;
        return Some(format!("{low_whole}{fraction}"));
    }
    parts.extend(fraction_from(&low_fraction, low.open).map(|fraction| format!("{low_whole}{fraction}")));
    if low_whole + 1 < high_whole {
        parts.push(format!("({}){any_fraction}", natural(low_whole + 1, high_whole - 1)));
    }
    parts.extend(fraction_to(&high_fraction, high.open).map(|fraction| format!("{high_whole}{fraction}")));
    (!parts.is_empty()).then(|| parts.join("|"))
}

/// The whole part and the digits after the point, without zeros at the end.
fn parts_of(value: f64) -> (i128, String) {
    // Rust writes floats in full, without an exponent.
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    (whole.parse().unwrap_or(MAX), fraction.trim_end_matches('0').to_owned())
}

/// `.digits` alternatives, with the point; `bare` allows none at all.
fn fraction(options: &[String], bare: bool) -> Option<String> {
    match (options.is_empty(), bare) {
        (true, true) => Some(String::new()),
        (true, false) => None,
        (false, true) => Some(format!("(\\.({}))?", options.join("|"))),
        (false, false) => Some(format!("\\.({})", options.join("|"))),
    }
}

fn tail(room: usize) -> String {
    if room == 0 { String::new() } else { format!("[0-9]{{0,{room}}}") }
}

fn room(used: usize) -> usize {
    FRACTION.saturating_sub(used)
}

/// Digits after the point that are at least (`open`: more than) `bound`.
fn options_from(bound: &str, open: bool) -> Vec<String> {
    let mut options = Vec::new();
    let mut head = String::new();
    let mut rest = bound;
    while let Some((digit, after)) = split_digit(rest) {
        options.extend(digit_range(digit + 1, 9).map(|range| format!("{head}{range}{}", tail(room(head.len() + 1)))));
        head.push_str(&digit.to_string());
        rest = after;
    }
    let left = room(head.len());
    if !open {
        if head.is_empty() {
            options.push(format!("[0-9]{{1,{FRACTION}}}"));
        } else {
            options.push(format!("{head}{}", tail(left)));
        }
    } else if left > 0 {
        // Something other than zeros has to follow.
        options.push(format!("{head}0{{0,{}}}[1-9]{}", left.min(4) - 1, tail(left.saturating_sub(4))));
    }
    options
}

/// Digits after the point that are at most (`open`: less than) `bound`.
fn options_to(bound: &str, open: bool) -> Vec<String> {
    let mut options = Vec::new();
    let mut head = String::new();
    let mut rest = bound;
    while let Some((digit, after)) = split_digit(rest) {
        if digit > 0 {
            options
                .extend(digit_range(0, digit - 1).map(|range| format!("{head}{range}{}", tail(room(head.len() + 1)))));
        }
        head.push_str(&digit.to_string());
        // What stops here is less, as long as digits other than zero follow in the bound.
        if !after.is_empty() {
            options.push(head.clone());
        }
        rest = after;
    }
    if !open {
        let zeros =
            if head.is_empty() { format!("0{{1,{FRACTION}}}") } else { format!("{head}0{{0,{}}}", room(head.len())) };
        options.push(zeros);
    }
    options
}

fn fraction_from(bound: &str, open: bool) -> Option<String> {
    fraction(&options_from(bound, open), bound.is_empty() && !open)
}

fn fraction_to(bound: &str, open: bool) -> Option<String> {
    fraction(&options_to(bound, open), !bound.is_empty() || !open)
}

/// Digits after the point between two bounds under the same whole part: all of one length, or one of the bounds.
fn fraction_between(low: &str, low_open: bool, high: &str, high_open: bool) -> Option<String> {
    let length = low.len().max(high.len()) + if low_open || high_open { 2 } else { 1 };
    let length = length.min(17);
    let scaled = |bound: &str| format!("{bound:0<length$}").parse::<i128>().ok();
    let (mut from, mut to) = (scaled(low)?, scaled(high)?);
    from += i128::from(low_open);
    to -= i128::from(high_open);
    if from > to {
        return None;
    }
    let mut options = vec![same_length(&format!("{from:0length$}"), &format!("{to:0length$}"))];
    for (bound, open) in [(low, low_open), (high, high_open)] {
        if !open && !bound.is_empty() {
            options.push(bound.to_owned());
        }
    }
    // Short forms that people write: one digit.
    let tenth = 10i128.checked_pow(u32::try_from(length - 1).ok()?)?;
    options.extend((0..10).filter(|d| (from..=to).contains(&(d * tenth))).map(|d| d.to_string()));
    fraction(&options, low.is_empty() && !low_open)
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;
