//! How a tool is described to a model.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a tool does to the world. All false by default: the tool computes something and is run without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolHints {
    /// Changes nothing, so it never needs asking.
    #[serde(default)]
    pub read_only: bool,
    /// May destroy or overwrite something; asked for by default.
    #[serde(default)]
    pub destructive: bool,
    /// Reaches beyond this machine.
    #[serde(default)]
    pub open_world: bool,
}

/// A tool's name, purpose and parameters, as the model reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Free text without line breaks; not only identifiers (`text-to-speech`, `/image_resizer`).
    pub name: String,
    /// What the tool does and when to use it.
    pub description: String,
    /// JSON Schema of the arguments; its `type` is `object`.
    pub parameters: Value,
    /// What the tool does to the world.
    #[serde(default)]
    pub hints: ToolHints,
    /// Never run beside another call of the same turn.
    #[serde(default)]
    pub serial: bool,
    /// How long one call may run, where that differs from [`Limits::timeout`](crate::Limits::timeout). In seconds when
    /// serialised.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub timeout: Option<Duration>,
}

/// `Option<Duration>` as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(timeout: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match timeout {
            Some(timeout) => serializer.serialize_some(&timeout.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(deserializer)?
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom))
            .transpose()
    }
}

/// Why a tool's description cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// The name is empty, or has a line break or other control character.
    #[error("`{name}` cannot name a tool: a name is one line of text without control characters, at most 128 bytes")]
    BadName {
        /// The name.
        name: String,
    },
    /// The parameters are not the schema of an object.
    #[error("the parameters of tool `{name}` must be a JSON Schema with \"type\": \"object\"")]
    NotAnObject {
        /// The tool.
        name: String,
    },
    /// The parameters are not a valid JSON Schema.
    #[error("the parameters of tool `{name}` are not a valid JSON Schema: {problem}")]
    BadSchema {
        /// The tool.
        name: String,
        /// What the validator said.
        problem: String,
    },
    /// The description is not in a known form.
    #[error(
        "a tool must be an object with `name`, `description` and `parameters`, bare or under `function`: {problem}"
    )]
    BadForm {
        /// What is missing or mistyped.
        problem: String,
    },
    /// Two tools have one name.
    #[error("two tools are named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
}

impl SpecError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadName { .. } => "give the tool a name of one line, with #[tool(name = \"…\")] or in its ToolSpec",
            Self::NotAnObject { .. } => {
                "wrap the schema: {\"type\": \"object\", \"properties\": {…}, \"required\": […]}"
            }
            Self::BadSchema { .. } => "check the schema against https://json-schema.org/draft/2020-12",
            Self::BadForm { .. } => "use the form of OpenAI's `tools` parameter, or an entry of MCP's `tools/list`",
            Self::Duplicate { .. } => "give one of them another name with #[tool(name = \"…\")], or register it once",
        }
    }
}

impl ToolSpec {
    /// A tool without parameters. Checked when it is registered.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: json!({"type": "object", "properties": {}, "required": []}),
            hints: ToolHints::default(),
            serial: false,
            timeout: None,
        }
    }

    /// Sets the schema of the arguments.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Value) -> Self {
        self.parameters = parameters;
        self
    }

    /// Sets the hints.
    #[must_use]
    pub fn with_hints(mut self, hints: ToolHints) -> Self {
        self.hints = hints;
        self
    }

    /// Runs alone: never beside another call of the same turn.
    #[must_use]
    pub fn with_serial(mut self, serial: bool) -> Self {
        self.serial = serial;
        self
    }

    /// Sets how long one call may run.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the model is shown: `{"name", "description", "parameters"}`, in this order.
    pub fn for_model(&self) -> Value {
        json!({"name": self.name, "description": self.description, "parameters": self.parameters})
    }

    /// Reads `{"name","description","parameters"}`, or the same under OpenAI's `{"type":"function","function":…}`.
    ///
    /// # Errors
    /// [`SpecError`] where the form, the name or the schema is not usable.
    pub fn from_json(value: &Value) -> Result<Self, SpecError> {
        let inner = value.get("function").unwrap_or(value);
        let name = inner
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| SpecError::BadForm { problem: "`name` is not a string".into() })?;
        let description = match inner.get("description") {
            None | Some(Value::Null) => "",
            Some(Value::String(text)) => text,
            Some(_) => {
                return Err(SpecError::BadForm { problem: format!("`description` of `{name}` is not a string") });
            }
        };
        let mut spec = Self::new(name, description);
        if let Some(parameters) = inner.get("parameters").filter(|p| !p.is_null()) {
            spec.parameters = parameters.clone();
        }
        spec.check()?;
        Ok(spec)
    }

    /// Checks the name and that the parameters describe an object.
    ///
    /// # Errors
    /// [`SpecError::BadName`] or [`SpecError::NotAnObject`].
    pub fn check(&self) -> Result<(), SpecError> {
        if self.name.trim().is_empty() || self.name.len() > 128 || self.name.chars().any(char::is_control) {
            return Err(SpecError::BadName { name: self.name.clone() });
        }
        if self.parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SpecError::NotAnObject { name: self.name.clone() });
        }
        Ok(())
    }
}
