//! The order in which messages may stand, for the formats that leave the rest to the model's template.

use super::DialectError;
use crate::Message;

/// Checks that a system message comes first only, and an observation only after a reply of the model.
///
/// # Errors
/// [`DialectError::Order`] with what stands where it must not.
pub(crate) fn check(messages: &[Message]) -> Result<(), DialectError> {
    let mut before: Option<&Message> = None;
    for message in messages {
        let problem = match (before, message) {
            (Some(_), Message::System { .. }) => "a system message may only come first",
            (None | Some(Message::User { .. } | Message::System { .. }), Message::Observation(_)) => {
                "an observation may only follow a reply of the model or another observation"
            }
            _ => {
                before = Some(message);
                continue;
            }
        };
        return Err(DialectError::Order { problem: problem.to_owned() });
    }
    Ok(())
}
