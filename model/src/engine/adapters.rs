//! Which adapter acts on which generation.
//!
//! llama.cpp applies adapters to a context, not to a sequence: so a batch holds generations of one adapter alone, and what
//! one adapter left in the KV cache is of no use to another. One adapter acts at a time: llama-cpp-2 sets one.

use std::path::PathBuf;

use llama_cpp_2::{context::LlamaContext, model::LlamaLoraAdapter};

use super::options::EngineOptions;
use crate::{AdapterChoice, ModelError};

/// The weights that a generation is computed with: the model's, or with one of the adapters that were loaded, at a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weights(Option<(usize, u32)>);

impl Weights {
    /// The model alone.
    pub(crate) const BASE: Self = Self(None);

    /// With adapter `number`. At the scale 0 it is the model alone.
    fn with(number: usize, scale: f32) -> Self {
        if scale == 0.0 { Self::BASE } else { Self(Some((number, scale.to_bits()))) }
    }

    fn adapter(self) -> Option<(usize, f32)> {
        self.0.map(|(number, scale)| (number, f32::from_bits(scale)))
    }
}

/// An adapter that was loaded, as requests know it.
#[derive(Debug)]
struct Entry {
    /// `None` for the one that acts unasked.
    name: Option<String>,
    scale: f32,
    /// Same for the same file.
    fingerprint: String,
}

/// The adapters that were loaded.
#[derive(Debug, Default)]
pub(crate) struct Adapters {
    entries: Vec<Entry>,
    /// Of the model and the KV type: what saved KV must have been saved with.
    key: String,
}

impl Adapters {
    /// Those of `options`, the one that acts unasked first. `key`: of the model and the KV type; `fingerprint` gives a
    /// file's.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] where a name is none or is there twice, and what `fingerprint` gives.
    pub(crate) fn new(
        options: &EngineOptions,
        key: String,
        fingerprint: impl Fn(&PathBuf) -> Result<String, ModelError>,
    ) -> Result<Self, ModelError> {
        let mut adapters = Self { entries: Vec::new(), key };
        let unasked = options.lora.iter().map(|adapter| (None, adapter));
        let named = options.adapters.iter().map(|named| (Some(named.name.clone()), &named.adapter));
        for (name, adapter) in unasked.chain(named) {
            check_scale(adapter.scale)?;
            if let Some(name) = &name {
                let problem = if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
                    "a name is a word without blanks"
                } else if adapters.number(name).is_some() {
                    "two have this name"
                } else {
                    ""
                };
                if !problem.is_empty() {
                    return Err(ModelError::Adapter { name: name.clone(), problem: problem.to_owned() });
                }
            }
            let fingerprint = fingerprint(&adapter.path)?;
            adapters.entries.push(Entry { name, scale: adapter.scale, fingerprint });
        }
        Ok(adapters)
    }

    /// The names, in the order in which they were given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.name.as_deref())
    }

    /// What a request is computed with.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] where no adapter has the name, [`ModelError::Sampling`] where the scale is no number.
    pub(crate) fn chosen(&self, choice: &AdapterChoice) -> Result<Weights, ModelError> {
        match choice {
            AdapterChoice::AsLoaded => Ok(match self.entries.first() {
                Some(Entry { name: None, scale, .. }) => Weights::with(0, *scale),
                _ => Weights::BASE,
            }),
            AdapterChoice::Base => Ok(Weights::BASE),
            AdapterChoice::Named { name, scale } => {
                let found = self.number(name).and_then(|number| Some((number, self.entries.get(number)?)));
                let (number, entry) = found.ok_or_else(|| self.unknown(name))?;
                let scale = scale.unwrap_or(entry.scale);
                check_scale(scale)?;
                Ok(self.with(number, scale))
            }
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name.as_deref() == Some(name))
    }

    /// With adapter `number`, or the first that is the same file: what one left in the KV cache, the other can use.
    fn with(&self, number: usize, scale: f32) -> Weights {
        let print = self.entries.get(number).map(|entry| &entry.fingerprint);
        let first = self.entries.iter().position(|entry| Some(&entry.fingerprint) == print);
        Weights::with(first.unwrap_or(number), scale)
    }

    fn unknown(&self, name: &str) -> ModelError {
        let known: Vec<_> = self.names().map(|name| format!("`{name}`")).collect();
        let problem = match known.is_empty() {
            true => "none was loaded".to_owned(),
            false => format!("loaded are {}", known.join(", ")),
        };
        ModelError::Adapter { name: name.to_owned(), problem }
    }

    /// What KV of `weights` is saved under.
    pub(crate) fn kv_key(&self, weights: Weights) -> String {
        let found = weights.adapter().and_then(|(number, scale)| Some((self.entries.get(number)?, scale)));
        match found {
            Some((entry, scale)) => format!("{}-{}*{scale}", self.key, entry.fingerprint),
            None => self.key.clone(),
        }
    }

    /// The weights that KV was saved with under `key`; `None` where it is of another model, KV type or adapter.
    pub(crate) fn of_kv_key(&self, key: &str) -> Option<Weights> {
        let rest = key.strip_prefix(&self.key)?;
        if rest.is_empty() {
            return Some(Weights::BASE);
        }
        let (fingerprint, scale) = rest.strip_prefix('-')?.rsplit_once('*')?;
        let number = self.entries.iter().position(|entry| entry.fingerprint == fingerprint)?;
        Some(Weights::with(number, scale.parse().ok()?))
    }
}

fn check_scale(scale: f32) -> Result<(), ModelError> {
    if scale.is_finite() {
        return Ok(());
    }
    Err(ModelError::Sampling { name: "the scale of an adapter", value: scale.to_string(), range: "a number" })
}

/// What acts on the context now.
pub(crate) struct Applied {
    /// In the order of [`Adapters`].
    loaded: Vec<LlamaLoraAdapter>,
    now: Weights,
}

impl Applied {
    /// None acts yet.
    pub(crate) fn new(loaded: Vec<LlamaLoraAdapter>) -> Self {
        Self { loaded, now: Weights::BASE }
    }

    pub(crate) fn now(&self) -> Weights {
        self.now
    }

    /// Makes the context compute with `weights`. Nothing is done where it does: else llama.cpp makes its graph anew.
    pub(crate) fn apply(&mut self, weights: Weights, context: &mut LlamaContext<'_>) -> Result<(), ModelError> {
        if weights == self.now {
            return Ok(());
        }
        let failed = |action: &str, problem: String| ModelError::Engine { action: action.to_owned(), problem };
        match weights.adapter() {
            Some((number, scale)) => {
                let adapter = self.loaded.get_mut(number);
                let adapter = adapter.ok_or_else(|| failed("apply an adapter", "it was not loaded".to_owned()))?;
                let set = context.lora_adapter_set(adapter, scale);
                set.map_err(|error| failed("apply a LoRA adapter", error.to_string()))?;
            }
            None => {
                // It takes away whichever acts, and asks for one that is known.
                if let Some(any) = self.loaded.first_mut() {
                    let removed = context.lora_adapter_remove(any);
                    removed.map_err(|error| failed("take a LoRA adapter away", error.to_string()))?;
                }
            }
        }
        self.now = weights;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::{LoraAdapter, NamedAdapter};

    /// Three that are not alike.
    pub(crate) fn some() -> [Weights; 3] {
        [Weights::BASE, Weights::with(0, 1.0), Weights::with(0, 0.5)]
    }

    fn adapters() -> Adapters {
        let adapter = |file: &str, scale| LoraAdapter { path: file.into(), scale };
        let named = |name: &str, scale| NamedAdapter { name: name.to_owned(), adapter: adapter(name, scale) };
        let options = EngineOptions {
            lora: Some(adapter("unasked", 0.5)),
            adapters: vec![named("a", 1.0), named("b", 2.0)],
            ..EngineOptions::default()
        };
        Adapters::new(&options, "model-f16".to_owned(), |path| Ok(format!("print of {}", path.display()))).unwrap()
    }

    fn named(name: &str, scale: Option<f32>) -> AdapterChoice {
        AdapterChoice::Named { name: name.to_owned(), scale }
    }

    #[test]
    fn a_choice_is_found_by_its_name_and_has_its_scale() {
        let adapters = adapters();
        let chosen = |choice| adapters.chosen(&choice).unwrap().adapter();
        assert_eq!(chosen(AdapterChoice::AsLoaded), Some((0, 0.5)));
        assert_eq!(chosen(AdapterChoice::Base), None);
        assert_eq!(chosen(named("b", None)), Some((2, 2.0)));
        assert_eq!(chosen(named("a", Some(0.25))), Some((1, 0.25)));
        assert_eq!((chosen(named("a", Some(0.0))), chosen(named("a", Some(-0.0)))), (None, None));
        let error = adapters.chosen(&named("c", None)).unwrap_err();
        assert_eq!(error.to_string(), "the adapter `c` cannot be used: loaded are `a`, `b`");
        assert!(matches!(adapters.chosen(&named("a", Some(f32::NAN))), Err(ModelError::Sampling { .. })));
        let none = Adapters::default();
        assert_eq!(none.chosen(&AdapterChoice::AsLoaded).unwrap(), Weights::BASE);
        assert!(none.chosen(&named("a", None)).unwrap_err().to_string().contains("none was loaded"));
    }

    #[test]
    fn saved_kv_knows_its_adapter() {
        let adapters = adapters();
        for choice in [AdapterChoice::AsLoaded, AdapterChoice::Base, named("a", None), named("b", Some(0.1))] {
            let weights = adapters.chosen(&choice).unwrap();
            assert_eq!(adapters.of_kv_key(&adapters.kv_key(weights)), Some(weights));
        }
        for key in
            ["", "other-f16", "model-f16-print of c*1", "model-f16-print of a", "model-f16*1", "model-f16-print of a*x"]
        {
            assert_eq!(adapters.of_kv_key(key), None, "{key}");
        }
    }

    #[test]
    fn names_are_words_and_there_once() {
        let adapter = || LoraAdapter { path: "f".into(), scale: 1.0 };
        for names in [&["a", "a"][..], &[""], &["a b"], &["a\n"]] {
            let adapters = names.iter().map(|name| NamedAdapter { name: (*name).to_owned(), adapter: adapter() });
            let options = EngineOptions { adapters: adapters.collect(), ..EngineOptions::default() };
            let made = Adapters::new(&options, String::new(), |_| Ok(String::new()));
            assert!(matches!(made, Err(ModelError::Adapter { .. })), "{names:?}");
        }
    }
}
