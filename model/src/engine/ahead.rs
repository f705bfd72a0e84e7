//! Masks that are computed while the batch decodes whose logits they are for.

use std::panic::resume_unwind;

use super::session::{Hold, Session};

/// Runs `decode`; meanwhile those of `sessions` that will need a mask compute theirs, on a thread of its own.
///
/// Where no thread can be had they are computed when they are asked for.
pub(crate) fn masks_ahead<'s, T>(sessions: impl Iterator<Item = &'s mut Session>, decode: impl FnOnce() -> T) -> T {
    let mut asking: Vec<_> = sessions.filter(|session| session.needs_mask_next()).collect();
    if asking.is_empty() {
        return decode();
    }
    std::thread::scope(|scope| {
        let masks = std::thread::Builder::new()
            .name("glassbox-masks".into())
            .spawn_scoped(scope, move || asking.iter_mut().for_each(|session| session.mask_ahead()));
        let decoded = decode();
        // Whoever owns the thread says so, as it would of a panic between two batches.
        if let Ok(Err(panic)) = masks.map(|thread| thread.join()) {
            resume_unwind(panic);
        }
        decoded
    })
}

impl Session {
    /// True where the next token is sure to be chosen with a mask. While it is doubted whether a call begins at all, it is not
    /// known yet which grammar will be asked.
    fn needs_mask_next(&self) -> bool {
        matches!(self.hold, Hold::Ready(_)) && self.doubt.is_none() && self.needs_mask()
    }

    fn mask_ahead(&mut self) {
        let Hold::Ready(constraint) = &mut self.hold else { return };
        // A reply begins with what the grammar forces, if anything, and that needs no mask.
        let forced = !self.begun && self.logprobs.is_none() && constraint.forced().is_ok_and(|ids| !ids.is_empty());
        if !forced {
            // An error comes again where the mask is asked for.
            let _ = constraint.mask(&self.stops);
        }
    }
}
