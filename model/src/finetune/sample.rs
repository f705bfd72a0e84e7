//! What a model is fine-tuned with.

use serde_json::{Map, Value, json};

/// A value and the line of its file on which it begins, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// The line.
    pub line: usize,
    /// The value.
    pub value: T,
}

/// One sample of a fine-tune file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Sample {
    /// Messages with roles.
    Conversation(Conversation),
    /// Text and what follows it, without roles.
    Pair(Pair),
}

impl Sample {
    /// Its entries, or 1 for a pair.
    pub fn turns(&self) -> usize {
        match self {
            Self::Conversation(conversation) => conversation.entries.len(),
            Self::Pair(_) => 1,
        }
    }

    /// As it stands in a file.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Conversation(conversation) => conversation.to_json(),
            Self::Pair(Pair { prompt, response }) => json!({"prompt": prompt, "response": response}),
        }
    }
}

/// A prompt and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What is given.
    pub prompt: String,
    /// What is learnt.
    pub response: String,
}

/// A conversation, with the tools that the model is told of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// The tools, in any form: they are shown to the model as they are. None: no text on tools.
    pub tools: Vec<Value>,
    /// The messages, oldest first.
    pub entries: Vec<Entry>,
}

/// One entry of `conversations`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// Instructions; the first entry only. Never learnt.
    System {
        /// The text.
        content: String,
    },
    /// What the person says. Never learnt.
    User {
        /// The text.
        content: String,
    },
    /// What the model writes.
    Assistant {
        /// What stands in the line before the content: empty for prose, `interpreter` for a program. Glassbox's own: the
        /// published preprocessing leaves it out.
        metadata: String,
        /// The text.
        content: String,
        /// Whether it is learnt; `None` is yes.
        loss: Option<bool>,
    },
    /// A call and its answer (role `tool`).
    Tool {
        /// The tool.
        name: String,
        /// Its arguments.
        parameters: Map<String, Value>,
        /// What came of it: text as it is, anything else as JSON. `None` is written as `null`.
        observation: Option<Value>,
        /// Whether the call is learnt; `None` is yes.
        loss: Option<bool>,
    },
    /// What came of an assistant's entry with metadata. Never learnt. Glassbox's own, as metadata is.
    Observation {
        /// The text.
        content: String,
    },
}

impl Conversation {
    /// As it stands in a file: `tools` where there are any, and `conversations`.
    pub fn to_json(&self) -> Value {
        let mut sample = Map::new();
        if !self.tools.is_empty() {
            sample.insert("tools".to_owned(), Value::Array(self.tools.clone()));
        }
        sample.insert("conversations".to_owned(), self.entries.iter().map(Entry::to_json).collect());
        Value::Object(sample)
    }

    /// True where a token of it can be learnt.
    pub(super) fn has_targets(&self) -> bool {
        self.entries.iter().any(Entry::learnt)
    }
}

impl Entry {
    /// Whether what the model writes here is learnt.
    pub(super) fn learnt(&self) -> bool {
        match self {
            Self::System { .. } | Self::User { .. } | Self::Observation { .. } => false,
            Self::Assistant { loss, .. } | Self::Tool { loss, .. } => loss.unwrap_or(true),
        }
    }

    fn to_json(&self) -> Value {
        let (mut entry, loss) = match self {
            Self::System { content } => (json!({"role": "system", "content": content}), None),
            Self::User { content } => (json!({"role": "user", "content": content}), None),
            Self::Assistant { metadata, content, loss } if metadata.is_empty() => {
                (json!({"role": "assistant", "content": content}), *loss)
            }
            Self::Assistant { metadata, content, loss } => {
                (json!({"role": "assistant", "metadata": metadata, "content": content}), *loss)
            }
            Self::Tool { name, parameters, observation, loss } => {
                let mut entry = json!({"role": "tool", "name": name, "parameters": parameters});
                if let (Some(observation), Some(entry)) = (observation, entry.as_object_mut()) {
                    entry.insert("observation".to_owned(), observation.clone());
                }
                (entry, *loss)
            }
            Self::Observation { content } => (json!({"role": "observation", "content": content}), None),
        };
        if let (Some(loss), Some(entry)) = (loss, entry.as_object_mut()) {
            entry.insert("loss".to_owned(), Value::Bool(loss));
        }
        entry
    }
}
