//! `--lora` and `--adapter`: LoRA adapters, and which of them acts.

use std::path::PathBuf;

use glassbox::model::engine::{LoraAdapter, NamedAdapter};

use crate::error::CliError;

/// The adapters to load.
#[derive(Debug, Default)]
pub(crate) struct Loras {
    /// The one that acts unasked.
    pub(crate) unasked: Option<LoraAdapter>,
    /// Those that act where they are chosen.
    pub(crate) named: Vec<NamedAdapter>,
}

impl Loras {
    /// Reads the options.
    ///
    /// # Errors
    /// [`CliError::Usage`], and [`CliError::File`] where there is no such file.
    pub(crate) fn read(loras: &[String], adapter: Option<&str>) -> Result<Self, CliError> {
        let mut read = Self::default();
        for text in loras {
            match lora(text)? {
                (Some(name), adapter) => read.named.push(NamedAdapter { name, adapter }),
                (None, adapter) if read.unasked.is_none() => read.unasked = Some(adapter),
                (None, _) => {
                    return Err(CliError::usage(
                        "one adapter acts at a time, and two have no name",
                        "name them, `--lora NAME=PATH`, and choose with `--adapter NAME`",
                    ));
                }
            }
        }
        if let Some(text) = adapter {
            if read.unasked.is_some() {
                return Err(CliError::usage(
                    "one adapter acts at a time: the one without a name does already",
                    "name it, `--lora NAME=PATH`, or leave `--adapter` out",
                ));
            }
            let (name, scale) = scaled(text);
            let found = read.named.iter().find(|named| named.name == name).ok_or_else(|| unknown(name, &read.named))?;
            let scale = scale.unwrap_or(found.adapter.scale);
            read.unasked = Some(LoraAdapter { scale, ..found.adapter.clone() });
        }
        Ok(read)
    }
}

/// `PATH`, `PATH=SCALE`, `NAME=PATH` or `NAME=PATH=SCALE`. A path may hold `=` itself: what is a file as it stands is one.
fn lora(text: &str) -> Result<(Option<String>, LoraAdapter), CliError> {
    let (rest, scale) = scaled(text);
    let scale = scale.unwrap_or(1.0);
    let (name, path) = match rest.split_once('=') {
        Some((name, path)) if !PathBuf::from(rest).exists() => (Some(name), path),
        _ => (None, rest),
    };
    let wrong_name = name.is_some_and(|name| name.is_empty() || name.contains(char::is_whitespace));
    if path.is_empty() || wrong_name || !scale.is_finite() {
        return Err(CliError::usage(
            format!("`--lora {text}` is not [NAME=]PATH[=SCALE]"),
            "write it as `--lora adapter.gguf=0.5` or `--lora weather=adapter.gguf`",
        ));
    }
    // Looked for now: the model may be fetched first, which takes a while.
    let path = PathBuf::from(path);
    std::fs::metadata(&path).map_err(|error| CliError::reading(&path, error))?;
    Ok((name.map(str::to_owned), LoraAdapter { path, scale }))
}

/// What stands before a scale, and the scale: only a number after the last `=` is one.
pub(crate) fn scaled(text: &str) -> (&str, Option<f32>) {
    let scale = text.rsplit_once('=').and_then(|(rest, scale)| Some((rest, scale.parse().ok()?)));
    scale.map_or((text, None), |(rest, scale)| (rest, Some(scale)))
}

fn unknown(name: &str, named: &[NamedAdapter]) -> CliError {
    let names: Vec<_> = named.iter().map(|named| named.name.as_str()).collect();
    let hint = match names.is_empty() {
        true => format!("load it: `--lora {name}=PATH`"),
        false => format!("the adapters are: {}", names.join(", ")),
    };
    CliError::usage(format!("no adapter is named `{name}`"), hint)
}
