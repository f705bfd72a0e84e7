//! The catalog: names of models, and where their files come from.

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No model has this name.
    #[error("no model is named `{name}`")]
    UnknownName {
        /// The name.
        name: String,
    },
}

impl FetchError {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { .. } => Some("`glassbox models` lists the names; a path to a GGUF file works too".into()),
        }
    }
}
