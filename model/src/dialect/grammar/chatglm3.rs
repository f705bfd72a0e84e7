//! ChatGLM3's replies: runs that begin with a metadata line.

use super::format::formatted;
use super::lark::{self, Lark, alternatives};
use super::syntax::Syntax;
use super::{MORE_CALLS, WORDS, Wanted, answers, convert, wanted};
use crate::Request;
use crate::dialect::chatglm3::ids;
use crate::dialect::reply::INTERPRETER;
use crate::dialect::{DialectError, Grammar};

/// The grammar of a reply: prose after an empty metadata line, a call, or prose and then a call.
///
/// # Errors
/// [`DialectError::Schema`] and [`DialectError::ToolChoice`].
pub(crate) fn grammar(request: &Request) -> Result<Option<Grammar>, DialectError> {
    if answers(request) {
        let mut lark = Lark::new();
        let words = lark.terminal(lark::regex(&format!(r" {{0,2}}\n {{0,2}}{WORDS}")));
        return Ok(Some(Grammar { lark: lark.finish(&words) }));
    }
    let mut lark = Lark::new();
    let formatted = formatted(&mut lark, request)?;
    let formatted = formatted.map(|value| {
        let head = lark.terminal(lark::regex(r" {0,2}\n"));
        lark.rule(format!("{head} {value}"))
    });
    let Some(wanted) = wanted(request)? else {
        return Ok(formatted.map(|start| Grammar { lark: lark.finish(&start) }));
    };
    let call = call(&mut lark, &wanted)?;
    let next = format!("<[{}]>", ids::ASSISTANT);
    let calls = if wanted.several { lark.rule(format!("{call} ({next} {call}){{0,{MORE_CALLS}}}")) } else { call };
    let start = if wanted.must {
        calls
    } else if let Some(formatted) = formatted {
        format!("{formatted} | {calls}")
    } else {
        let prose = prose(&mut lark, &wanted);
        format!("{prose} | {prose} {next} {calls} | {calls}")
    };
    Ok(Some(Grammar { lark: lark.finish(&start) }))
}

/// Text after an empty first line. Not the JSON that the parser takes for a call without its metadata.
fn prose(lark: &mut Lark, wanted: &Wanted<'_>) -> String {
    let all = lark::regex(r" {0,2}\n(?s:.*)");
    let names: Vec<_> = wanted
        .tools
        .iter()
        .flat_map(|tool| [serde_json::Value::from(tool.name.as_str()).to_string(), format!("'{}'", tool.name)])
        .map(|name| lark::literal(&name))
        .collect();
    if names.is_empty() {
        return lark.terminal(all);
    }
    let call = format!(
        "{} ({}) {}",
        lark::regex(r#"\s*\{\s*["']name["']\s*:\s*"#),
        alternatives(&names),
        lark::regex("(?s:.*)")
    );
    lark.terminal(format!("{all} & ~({call})"))
}

fn call(lark: &mut Lark, wanted: &Wanted<'_>) -> Result<String, DialectError> {
    let end = lark.terminal(lark::literal(")\n```"));
    let mut options = Vec::new();
    for tool in &wanted.tools {
        let arguments = convert::arguments(lark, &tool.parameters, Syntax::Python)
            .map_err(|problem| DialectError::Schema { tool: tool.name.clone(), problem })?;
        let head = lark.terminal(format!(
            "{} {} {} {}",
            lark::regex(" {0,2}"),
            lark::literal(tool.name.trim()),
            lark::regex(r" {0,2}\n {0,2}"),
            lark::literal("```python\ntool_call(")
        ));
        options.push(lark.rule(format!("{head} {arguments} {end}")));
    }
    if wanted.interpreter {
        let head = lark.terminal(lark::regex(&format!(" {{0,2}}{INTERPRETER} {{0,2}}\\n {{0,2}}```python\\n")));
        // At least one line with something in it, up to the first line that is a fence.
        let program = lark.lazy(&lark::regex(r"\s*[^\s`](?s:.*)\n```"));
        options.push(lark.rule(format!("{head} {program}")));
    }
    Ok(match options.as_slice() {
        [one] => one.clone(),
        several => lark.rule(alternatives(several)),
    })
}
