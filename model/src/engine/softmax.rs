//! Sums over a whole vocabulary, once a token: written so that the compiler makes vector code of them.
//!
//! A logit that is not a number counts as impossible, as negative infinity does.

use toktrie::SimpleVob;

/// So many logits at a time.
pub(crate) const LANES: usize = 16;
/// Tokens of a word of a mask.
const WORD: usize = 32;

/// The largest logit; negative infinity where none is a number.
pub(crate) fn largest(logits: &[f32]) -> f32 {
    let larger = |top: f32, logit: f32| if logit > top { logit } else { top };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, logit);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

/// The sum of `exp(logit - top)`, where `top` is the largest.
pub(crate) fn sum(logits: &[f32], top: f32) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(exp(logit - top));
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&logit| f64::from(exp(logit - top))).sum::<f64>()
}

/// Writes `exp((logit - top) / temperature)` of each logit to `weights`.
pub(crate) fn weights(logits: &[f32], top: f32, temperature: f32, weights: &mut Vec<f32>) {
    weights.clear();
    weights.extend(logits.iter().map(|&logit| exp((logit - top) / temperature)));
}

/// The logits that `mask` allows, and negative infinity in place of the others.
pub(crate) fn masked(logits: &[f32], mask: &SimpleVob) -> Vec<f32> {
    let mut masked = vec![f32::NEG_INFINITY; logits.len()];
    let known = mask.len().min(logits.len());
    let words = mask.as_slice().iter();
    let parts = masked.chunks_mut(WORD).zip(logits.get(..known).unwrap_or_default().chunks(WORD));
    for (&word, (masked, logits)) in words.zip(parts) {
        match word {
            0 => {}
            u32::MAX => masked.iter_mut().zip(logits).for_each(|(masked, logit)| *masked = *logit),
            _ => {
                for (bit, (masked, logit)) in masked.iter_mut().zip(logits).enumerate() {
                    if word & (1 << bit) != 0 {
                        *masked = *logit;
                    }
                }
            }
        }
    }
    masked
}

/// e to the power of `x`, which is at most 0, with an error of two units in the last place at most; 0 below -87, and where `x`
/// is not a number.
///
/// The standard library's calls the platform's for each number. This one is made of additions and multiplications, which
/// are the same everywhere. The polynomial is that of Cephes (Moshier, `expf`).
fn exp(x: f32) -> f32 {
    /// Adding it leaves no bits behind the point.
    const ROUND: f32 = 12_582_912.0;
    const LEAST: f32 = -87.0;
    /// The logarithm of 2, in two parts: the first has few bits, so that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let known = x > LEAST;
    let x = if known { x } else { LEAST };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = x - power * LN_2[0] - power * LN_2[1];
    let mut series = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        series = series * rest + coefficient;
    }
    let near_one = series * rest * rest + rest + 1.0;
    // `shifted` holds the power in its lowest bits; a number's own power begins at its 24th bit.
    let scale = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if known { near_one * scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_the_library() {
        assert_eq!(exp(0.0), 1.0);
        for n in 0..870_000 {
            let x = n as f32 * -1e-4;
            let (ours, wanted) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / wanted - 1.0).abs() < 2.5e-7, "{x}: {ours} and not {wanted}");
        }
        for x in [-87.5, -1e9, f32::NEG_INFINITY, f32::NAN] {
            assert_eq!(exp(x), 0.0, "{x}");
        }
    }

    #[test]
    fn sums_pass_over_what_is_no_number() {
        let logits: Vec<f32> =
            [2.0, f32::NAN, 2.0 + 3.0f32.ln(), f32::NEG_INFINITY].repeat(5).into_iter().chain([2.0]).collect();
        let top = largest(&logits);
        assert_eq!(top, 2.0 + 3.0f32.ln());
        assert!((sum(&logits, top) - (5.0 + 6.0 / 3.0)).abs() < 1e-5);
        let mut found = Vec::new();
        weights(&logits, top, 0.5, &mut found);
        assert!((found[0] - 1.0 / 9.0).abs() < 1e-6 && found[1] == 0.0 && found[2] == 1.0 && found[3] == 0.0);
        assert_eq!(largest(&[f32::NAN; 20]), f32::NEG_INFINITY);
    }

    #[test]
    fn a_mask_leaves_what_it_allows() {
        // A vocabulary may be shorter than the logits, and is rarely a multiple of a word.
        let logits: Vec<f32> = (0..140).map(|n| n as f32).collect();
        let mut mask = SimpleVob::alloc(101);
        (32..64).chain([0, 31, 70, 100]).for_each(|id| mask.allow_token(id));
        let masked = masked(&logits, &mask);
        assert_eq!(masked.len(), logits.len());
        for (id, (masked, logit)) in masked.iter().zip(&logits).enumerate() {
            let allowed = (32..64).contains(&id) || [0, 31, 70, 100].contains(&id);
            assert_eq!(*masked, if allowed { *logit } else { f32::NEG_INFINITY }, "{id}");
        }
    }
}
