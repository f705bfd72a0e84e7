//! Reasoning before a reply.

use super::super::lark::{self, Lark};
use super::{ANY, Style};

/// `body`, and a thought before it where the model has one.
pub(super) fn with_thought(lark: &mut Lark, style: &Style, body: &str) -> String {
    if style.thinking {
        end_of_thought(lark, style, body)
    } else if style.reasons {
        let open = style.thoughts.0.map_or_else(|| "\"<think>\"".to_owned(), |id| format!("<[{id}]>"));
        let rest = end_of_thought(lark, style, body);
        format!("{body} | {open} {rest}")
    } else {
        body.to_owned()
    }
}

/// `body` where the prompt has opened a thought: after its end.
pub(super) fn after_thought(lark: &mut Lark, style: &Style, body: &str) -> String {
    if !style.thinking {
        return body.to_owned();
    }
    let rest = end_of_thought(lark, style, body);
    lark.rule(rest)
}

/// A thought from its opening tag to its closing one.
pub(super) fn thought(lark: &mut Lark, style: &Style) -> String {
    let text = lark.lazy(&lark::regex(&format!(r"[ \t\r\n]*<think>{ANY}</think>")));
    match style.thoughts {
        (Some(open), Some(close)) => {
            let inside = lark.terminal(lark::regex("(?s:.+)"));
            lark.rule(format!("{text} | <[{open}]> ({inside})? <[{close}]>"))
        }
        _ => text,
    }
}

/// The rest of a thought that is open, and `body` behind it.
fn end_of_thought(lark: &mut Lark, style: &Style, body: &str) -> String {
    let end = match style.thoughts.1 {
        Some(id) => {
            let inside = lark.terminal(lark::regex("(?s:.+)"));
            format!("({inside})? <[{id}]>")
        }
        None => lark.lazy(&lark::regex(&format!("{ANY}</think>"))),
    };
    let space = lark.terminal(lark::regex(r"[ \t\r\n]{1,4}"));
    format!("{end} ({space})? {body}")
}
