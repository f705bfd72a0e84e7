//! `glassbox tools`: what the built-in tools are.

use glassbox::tools::ToolSpec;
use serde_json::{Value, json};

use crate::args::ToolsArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::settings::built_in;
use crate::ui::{Role, Ui};

/// Lists the built-in tools.
///
/// # Errors
/// [`CliError::Output`] where standard output is gone.
pub(crate) fn tools(args: &ToolsArgs, ui: &mut Ui) -> Result<Exit, CliError> {
    let (registry, default) = built_in()?;
    if args.json {
        let list: Vec<Value> = registry.iter().map(|spec| described(spec, default.contains(&spec.name))).collect();
        ui.line(&serde_json::to_string_pretty(&list).map_err(std::io::Error::other)?)?;
        return Ok(Exit::Done);
    }
    for spec in registry.iter() {
        let by_name = if default.contains(&spec.name) { "" } else { "  [by name only]" };
        let hints = hints(spec);
        let hints = if hints.is_empty() { String::new() } else { format!("  [{}]", hints.join(", ")) };
        ui.line(&format!("{}{hints}{by_name}", ui.out_paint().role(Role::Strong, &call_shape(spec))))?;
        for line in spec.description.trim().lines() {
            ui.line(&format!("    {line}"))?;
        }
    }
    ui.note("Without `--tools` the model has all that are not marked `by name only`.");
    Ok(Exit::Done)
}

fn described(spec: &ToolSpec, default: bool) -> Value {
    json!({"name": spec.name, "description": spec.description, "hints": spec.hints, "default": default, "parameters": spec.parameters})
}

fn hints(spec: &ToolSpec) -> Vec<&'static str> {
    let all = [
        (spec.hints.read_only, "read-only"),
        (spec.hints.destructive, "destructive: asks first"),
        (spec.hints.open_world, "uses the network"),
    ];
    all.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect()
}

/// `track(symbol)`, optional parameters in brackets.
fn call_shape(spec: &ToolSpec) -> String {
    let required: Vec<&str> = spec
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names = spec.parameters.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys());
    let names: Vec<String> =
        names.map(|name| if required.contains(&name.as_str()) { name.clone() } else { format!("[{name}]") }).collect();
    format!("{}({})", spec.name, names.join(", "))
}
