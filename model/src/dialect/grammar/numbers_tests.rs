use llguidance::derivre::{Regex, RegexBuilder};

use super::*;

fn compiled(pattern: &str) -> Regex {
    let mut builder = RegexBuilder::new();
    let expression = builder.mk_regex(pattern).unwrap_or_else(|error| panic!("{error}: {pattern}"));
    builder.to_regex(expression)
}

#[test]
fn integers_are_exactly_those_between_the_bounds() {
    let bounds = [-1203, -1000, -999, -100, -17, -10, -9, -1, 0, 1, 5, 9, 10, 11, 99, 100, 101, 989, 1000, 1203];
    for low in bounds {
        for high in bounds.into_iter().filter(|high| *high >= low) {
            let mut regex = compiled(&integer(Some(low), Some(high)).unwrap());
            for n in -1300..1300 {
                assert_eq!(regex.is_match(&n.to_string()), (low..=high).contains(&n), "{n} in {low}..={high}");
            }
            for odd in ["", "-", "-0", "00", "01", "+1", "1.0", "1e2", " 1"] {
                assert!(!regex.is_match(odd), "{odd:?} in {low}..={high}");
            }
        }
    }
    assert_eq!(integer(Some(2), Some(1)), None);
}

#[test]
fn integers_without_a_bound_fit_into_64_bits() {
    let mut any = compiled(&integer(None, None).unwrap());
    let mut above = compiled(&integer(Some(1_000_000_007), None).unwrap());
    assert!(any.is_match("-999999999999999999") && any.is_match("0") && any.is_match("999999999999999999"));
    assert!(!any.is_match("1000000000000000000") && !any.is_match("99999999999999999999"));
    assert!(above.is_match("1000000007") && above.is_match("10000000000") && !above.is_match("1000000006"));
    let mut all = compiled(&integer(Some(i64::MIN.into()), Some(i64::MAX.into())).unwrap());
    assert!(all.is_match("-999999999999999999") && all.is_match("7"));
}

#[test]
fn decimals_lie_between_the_bounds() {
    let values =
        [-13.5, -2.75, -1.0, -0.5, -0.001, 0.0, 0.001, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 9.99, 10.0, 13.5, 100.0, 1e6];
    let digits = [
        "0", "00", "1", "10", "25", "249", "250", "2500001", "3", "5", "50", "499", "501", "75", "99", "999999", "001",
        "000999",
    ];
    let mut texts: Vec<String> = Vec::new();
    for whole in ["0", "1", "2", "9", "10", "13", "14", "99", "100", "101", "999999", "1000000", "1000001"] {
        for sign in ["", "-"] {
            texts.push(format!("{sign}{whole}"));
            texts.extend(digits.map(|digits| format!("{sign}{whole}.{digits}")));
        }
    }
    for low in values.map(Some).into_iter().chain([None]) {
        for high in values.map(Some).into_iter().chain([None]) {
            for (low_open, high_open) in [(false, false), (true, false), (false, true), (true, true)] {
                let pattern = decimal(
                    low.map(|value| Bound { value, open: low_open }),
                    high.map(|value| Bound { value, open: high_open }),
                );
                let inside = |value: f64| {
                    low.is_none_or(|low| if low_open { value > low } else { value >= low })
                        && high.is_none_or(|high| if high_open { value < high } else { value <= high })
                };
                let Some(pattern) = pattern else {
                    assert!(low >= high, "{low:?} {high:?}");
                    continue;
                };
                let mut regex = compiled(&pattern);
                let mut taken = 0;
                for text in &texts {
                    let value: f64 = text.parse().unwrap();
                    if regex.is_match(text) {
                        taken += 1;
                        assert!(inside(value), "{text} taken: {low:?} {low_open} {high:?} {high_open}\n{pattern}");
                    } else if ![low, high, Some(0.0)].contains(&Some(value))
                        && [low, high, Some(0.0)]
                            .iter()
                            .flatten()
                            .all(|bound| bound.trunc().abs() != value.trunc().abs())
                    {
                        // Between bounds with one whole part the forms are fewer.
                        assert!(!inside(value), "{text} refused: {low:?} {low_open} {high:?} {high_open}\n{pattern}");
                    }
                }
                let width = high.unwrap_or(1e9) - low.unwrap_or(-1e9);
                assert!(taken > 0 || width < 0.3, "{low:?} {low_open} {high:?} {high_open}");
                for odd in ["", "-", ".", ".5", "1.", "00", "01", "0.", "1e5", "+1"] {
                    assert!((low.is_none() && high.is_none()) || !regex.is_match(odd), "{odd}");
                }
            }
        }
    }
}
