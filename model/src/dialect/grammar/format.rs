//! Replies that are JSON.

use serde_json::json;

use super::json;
use super::lark::{self, Lark};
use crate::dialect::DialectError;
use crate::{ReplyFormat, Request};

/// White space before the reply's first character: little, or the model may write nothing else.
const SPACE: &str = r"[ \t\r\n]{1,2}";

/// Adds the rules of a reply in the form that the request asks for; `None` where that is text.
///
/// # Errors
/// [`DialectError::Format`] where no grammar can be written for the schema.
pub(super) fn formatted(lark: &mut Lark, request: &Request) -> Result<Option<String>, DialectError> {
    let object = json!({"type": "object", "additionalProperties": true});
    let schema = match &request.format {
        ReplyFormat::Text => return Ok(None),
        ReplyFormat::Json => &object,
        ReplyFormat::Schema(schema) => schema,
    };
    let value = json::arguments(lark, schema).map_err(|problem| DialectError::Format { problem })?;
    let space = lark.terminal(lark::regex(SPACE));
    Ok(Some(lark.rule(format!("({space})? {value}"))))
}
