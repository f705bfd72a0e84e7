//! `glassbox models`: the catalog and the cache.

use glassbox::model::catalog::{self, Cache, Cached, Entry, FetchError, Fetcher};
use serde_json::json;

use crate::args::{ModelsArgs, ModelsCommand};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::ui::{FetchProgress, Role, Ui, bytes};

/// Does what was asked.
///
/// # Errors
/// Unknown names, and whatever catalog and cache report.
pub(crate) async fn models(args: ModelsArgs, interrupts: &Interrupts, ui: &mut Ui) -> Result<Exit, CliError> {
    let cache = Cache::from_env()?;
    match args.command {
        None => list(&cache, args.json, ui)?,
        Some(ModelsCommand::List { json }) => list(&cache, json || args.json, ui)?,
        Some(ModelsCommand::Pull { names }) => {
            for name in names {
                tokio::select! {
                    pulled = pull(&cache, &name, ui) => pulled?,
                    () = interrupts.next() => return Err(CliError::Cancelled),
                }
            }
        }
        Some(ModelsCommand::Rm { names }) => {
            for name in names {
                remove(&cache, &name, ui)?;
            }
        }
        Some(ModelsCommand::Where { name }) => place(&cache, name, ui)?,
    }
    Ok(Exit::Done)
}

fn list(cache: &Cache, json: bool, ui: &mut Ui) -> Result<(), CliError> {
    let cached = cache.list()?;
    let here = |name: &str| cached.iter().find(|found| found.name == name);
    let other = cached.iter().filter(|found| catalog::entry(&found.name).is_none());
    if json {
        let named = catalog::entries().iter().map(|entry| {
            json!({"name": entry.name, "description": entry.description, "bytes": entry.bytes, "licence": entry.licence,
                "default": entry.default, "cached": here(entry.name).is_some_and(|found| found.verified), "sha256": entry.sha256})
        });
        let other =
            other.map(|found| json!({"name": found.name, "bytes": found.bytes, "default": false, "cached": true}));
        let list: Vec<_> = named.chain(other).collect();
        ui.line(&serde_json::to_string_pretty(&list).map_err(std::io::Error::other)?)?;
        return Ok(());
    }
    let entries = catalog::entries();
    let width = entries.iter().map(|entry| entry.name).chain(cached.iter().map(|found| found.name.as_str()));
    let width = width.map(str::len).max().unwrap_or(0).max("NAME".len());
    let heading = format!("{:<width$}  {:>7}  {:<11}  {:<8}  DESCRIPTION", "NAME", "SIZE", "LICENCE", "STATE");
    ui.line(&ui.out_paint().role(Role::Strong, &heading))?;
    for entry in entries {
        let state = state(here(entry.name));
        let default = if entry.default { " (default)" } else { "" };
        let Entry { name, licence, description, .. } = entry;
        ui.line(&format!(
            "{name:<width$}  {:>7}  {licence:<11}  {state:<8}  {description}{default}",
            bytes(entry.bytes)
        ))?;
    }
    for found in other {
        let line = format!("{:<width$}  {:>7}  {:<11}  {:<8}", found.name, bytes(found.bytes), "", state(Some(found)));
        ui.line(line.trim_end())?;
    }
    if cached.is_empty() {
        ui.note("None is here yet: `glassbox models pull NAME` fetches one, and so does its first use.");
    }
    Ok(())
}

fn state(cached: Option<&Cached>) -> &'static str {
    match cached {
        Some(cached) if cached.verified => "cached",
        Some(_) => "damaged",
        None => "-",
    }
}

async fn pull(cache: &Cache, name: &str, ui: &mut Ui) -> Result<(), CliError> {
    known(name)?;
    if cache.locate(name).is_some() {
        ui.note(&format!("{name} is here already."));
        return Ok(());
    }
    let fetcher = Fetcher::new(cache.clone());
    fetcher.resolve(name, &FetchProgress::new(ui)).await?;
    Ok(())
}

/// Only names: a path is where it is, and needs no pull.
fn known(name: &str) -> Result<(), CliError> {
    if name.starts_with("hf:") || catalog::entry(name).is_some() {
        return Ok(());
    }
    if std::path::Path::new(name).exists() {
        return Err(CliError::usage(
            format!("{name} is a file, not the name of a model"),
            format!("use it as it is: `--model {name}`"),
        ));
    }
    Ok(())
}

fn remove(cache: &Cache, name: &str, ui: &mut Ui) -> Result<(), CliError> {
    let freed = cache.remove(name)?;
    if freed == 0 {
        if catalog::entry(name).is_none() && !name.starts_with("hf:") {
            return Err(FetchError::UnknownName { name: name.to_owned(), nearest: Vec::new() }.into());
        }
        ui.note(&format!("{name} is not in the cache."));
    } else {
        ui.note(&format!("{name} is removed; {} are free again.", bytes(freed)));
    }
    Ok(())
}

fn place(cache: &Cache, name: Option<String>, ui: &mut Ui) -> Result<(), CliError> {
    let Some(name) = name else {
        ui.line(&cache.root().display().to_string())?;
        return Ok(());
    };
    match cache.locate(&name) {
        Some(path) => Ok(ui.line(&path.display().to_string())?),
        None if catalog::entry(&name).is_some() || name.starts_with("hf:") => Err(CliError::Absent { name }),
        None => Err(FetchError::UnknownName { name, nearest: Vec::new() }.into()),
    }
}
