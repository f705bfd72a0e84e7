//! Grammars of replies: plain text stays free, and from a call's first character on the tool's schema holds.
//!
//! They are written in llguidance's Lark dialect and hold for the whole reply, from its first token.

pub(crate) mod chatglm3;
pub(crate) mod json_reply;

mod convert;
mod format;
mod json;
mod lark;
mod numbers;
mod schema;
mod strings;
mod syntax;

pub(super) use schema::required;

use glassbox_tools::ToolSpec;

use super::DialectError;
use super::reply::INTERPRETER;
use crate::{Request, ToolChoice};

/// The most further calls of a reply where several are allowed: small models repeat themselves.
pub(crate) const MORE_CALLS: usize = 15;

/// What a reply may call.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// These tools.
    pub(crate) tools: Vec<&'a ToolSpec>,
    /// The interpreter.
    pub(crate) interpreter: bool,
    /// It has to.
    pub(crate) must: bool,
    /// More than once.
    pub(crate) several: bool,
}

/// True where the reply must be an answer in words, though there is something to call.
pub(crate) fn answers(request: &Request) -> bool {
    request.tool_choice == ToolChoice::Answer && (request.interpreter || !request.tools.is_empty())
}

/// Text that begins with a word: not with a fence, a bracket or a tag, as calls do.
const WORDS: &str = r"[^`{}<>\[\]\s](?s:.*)";

/// Reads `tool_choice`; `None` where nothing is to be constrained.
///
/// # Errors
/// [`DialectError::ToolChoice`] where a call is asked for that cannot be made.
pub(crate) fn wanted(request: &Request) -> Result<Option<Wanted<'_>>, DialectError> {
    let impossible = |asked: &str, problem: String| Err(DialectError::ToolChoice { asked: asked.to_owned(), problem });
    let all = Wanted {
        tools: request.tools.iter().collect(),
        interpreter: request.interpreter,
        must: false,
        several: request.parallel_calls,
    };
    let nothing = all.tools.is_empty() && !all.interpreter;
    match &request.tool_choice {
        // An answer has a grammar of its own: see `answers`.
        ToolChoice::None | ToolChoice::Answer => Ok(None),
        ToolChoice::Auto if nothing => Ok(None),
        ToolChoice::Auto => Ok(Some(all)),
        ToolChoice::Required if nothing => impossible("a call (`required`)", "no tool is offered".to_owned()),
        ToolChoice::Required => Ok(Some(Wanted { must: true, ..all })),
        ToolChoice::Named(name) => {
            let tool = request.tools.iter().find(|tool| tool.name == *name);
            if tool.is_none() && !(request.interpreter && name == INTERPRETER) {
                let offered: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
                let offered = if offered.is_empty() { "none is".to_owned() } else { offered.join(", ") };
                return impossible(&format!("the tool `{name}`"), format!("it is not offered (offered: {offered})"));
            }
            let interpreter = tool.is_none();
            Ok(Some(Wanted { tools: tool.into_iter().collect(), interpreter, must: true, several: false }))
        }
    }
}
