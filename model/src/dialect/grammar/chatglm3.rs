//! ChatGLM3's and GLM-4's replies: runs that begin with a metadata line.

use super::format::formatted;
use super::lark::{self, Lark, alternatives};
use super::syntax::Syntax;
use super::{MORE_CALLS, WORDS, Wanted, answers, convert, json, wanted};
use crate::Request;
use crate::dialect::glm4::PYTHON;
use crate::dialect::reply::INTERPRETER;
use crate::dialect::{DialectError, Grammar};

/// How calls and programs are written in such runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunForm {
    /// Python keyword calls and programs, fenced.
    ChatGlm3,
    /// A JSON object after the tool's name, a program after `python`, both as they are.
    Glm4,
}

/// The grammar of a reply: prose after an empty metadata line, a call, or prose and then a call. `assistant` is the id of `<|assistant|>`,
/// which parts two runs.
///
/// # Errors
/// [`DialectError::Schema`] and [`DialectError::ToolChoice`].
pub(crate) fn grammar(request: &Request, form: RunForm, assistant: u32) -> Result<Option<Grammar>, DialectError> {
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
    let call = call(&mut lark, &wanted, form)?;
    let next = format!("<[{assistant}]>");
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

fn call(lark: &mut Lark, wanted: &Wanted<'_>, form: RunForm) -> Result<String, DialectError> {
    let end = lark.terminal(lark::literal(")\n```"));
    let mut options = Vec::new();
    for tool in &wanted.tools {
        let failed = |problem| DialectError::Schema { tool: tool.name.clone(), problem };
        let name = format!("{} {}", lark::regex(" {0,2}"), lark::literal(tool.name.trim()));
        options.push(match form {
            RunForm::ChatGlm3 => {
                let arguments = convert::arguments(lark, &tool.parameters, Syntax::Python).map_err(failed)?;
                let open = format!("{} {}", lark::regex(r" {0,2}\n {0,2}"), lark::literal("```python\ntool_call("));
                let head = lark.terminal(format!("{name} {open}"));
                lark.rule(format!("{head} {arguments} {end}"))
            }
            RunForm::Glm4 => {
                let arguments = json::arguments(lark, &tool.parameters).map_err(failed)?;
                let head = lark.terminal(format!("{name} {}", lark::regex(r" {0,2}\n")));
                lark.rule(format!("{head} {arguments}"))
            }
        });
    }
    if wanted.interpreter {
        // At least one line with something in it.
        options.push(match form {
            RunForm::ChatGlm3 => {
                let head = lark.terminal(lark::regex(&format!(" {{0,2}}{INTERPRETER} {{0,2}}\\n {{0,2}}```python\\n")));
                // Up to the first line that is a fence.
                let program = lark.lazy(&lark::regex(r"\s*[^\s`](?s:.*)\n```"));
                lark.rule(format!("{head} {program}"))
            }
            RunForm::Glm4 => lark.terminal(lark::regex(&format!(r" {{0,2}}{PYTHON} {{0,2}}\n\s*[^\s](?s:.*)"))),
        });
    }
    Ok(match options.as_slice() {
        [one] => one.clone(),
        several => lark.rule(alternatives(several)),
    })
}
