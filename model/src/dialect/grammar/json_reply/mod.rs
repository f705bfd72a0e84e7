//! Replies whose calls are JSON: in `<tool_call>` tags, in a fence, in a list, or bare at the start of a line. A program
//! stands in a fence of its own, and ends the reply: its output comes next.
//!
//! Text is read line by line ([`lines`]) up to a call's first key (`{"name":`). Then comes either the name of a tool, with
//! arguments as its schema wants them ([`calls`]), or another value, after which the text goes on.

mod calls;
mod lines;
mod thought;

use self::calls::Reply;
use self::lines::Text;
use super::format::formatted;
use super::lark::Lark;
use super::{answers, wanted};
use crate::Request;
use crate::dialect::{DialectError, Grammar};

/// How a model writes its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// The key of the arguments.
    pub(crate) arguments_key: &'static str,
    /// An object that begins with `name` is a call, and nothing else.
    pub(crate) names_call: bool,
    /// `<tool_call>` and `</tool_call>`, where they are control tokens.
    pub(crate) tags: (Option<u32>, Option<u32>),
    /// `<think>` and `</think>`, where they are control tokens.
    pub(crate) thoughts: (Option<u32>, Option<u32>),
    /// The prompt ends inside `<think>`.
    pub(crate) thinking: bool,
    /// The model may think at the start of a reply.
    pub(crate) reasons: bool,
}

/// White space within a call.
const SPACE: &str = r"[ \t\r\n]{0,32}";

/// Anything.
const ANY: &str = r"(?s:.*)";

/// The grammar of a reply.
///
/// # Errors
/// [`DialectError::Schema`] and [`DialectError::ToolChoice`].
pub(crate) fn grammar(request: &Request, style: &Style) -> Result<Option<Grammar>, DialectError> {
    let mut lark = Lark::new();
    if answers(request) {
        let words = Text { interpreter: request.interpreter, words: true, ..Text::default() };
        let words = lines::text(&mut lark, &words);
        let start = thought::with_thought(&mut lark, style, &words);
        return Ok(Some(Grammar { lark: lark.finish(&start) }));
    }
    let formatted = formatted(&mut lark, request)?;
    let Some(wanted) = wanted(request)? else {
        let start = formatted.map(|value| thought::with_thought(&mut lark, style, &value));
        return Ok(start.map(|start| Grammar { lark: lark.finish(&start) }));
    };
    let mut reply = Reply::new(&mut lark, &wanted, style)?;
    let start = if wanted.must {
        let call = reply.whole_call();
        thought::after_thought(&mut lark, style, &call)
    } else if let Some(formatted) = formatted {
        let call = reply.marked_call();
        thought::with_thought(&mut lark, style, &format!("({formatted} | {call})"))
    } else {
        let body = reply.text_and_calls();
        thought::after_thought(&mut lark, style, &body)
    };
    Ok(Some(Grammar { lark: lark.finish(&start) }))
}
