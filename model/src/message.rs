//! The messages of a conversation.

use glassbox_tools::{CallId, ToolCall};
use serde::{Deserialize, Serialize};

/// One message. The roles are those that every chat model knows; `observation` is what many call `tool`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// Instructions for the whole conversation; only ever first.
    System {
        /// The text.
        content: String,
    },
    /// What the person said.
    User {
        /// The text.
        content: String,
    },
    /// What the model wrote.
    Assistant(AssistantMessage),
    /// What a tool or the interpreter answered.
    Observation(Observation),
}

impl Message {
    /// A system message.
    pub fn system(content: impl Into<String>) -> Self {
        Self::System { content: content.into() }
    }

    /// A user message.
    pub fn user(content: impl Into<String>) -> Self {
        Self::User { content: content.into() }
    }

    /// An assistant message of plain text, as written by hand (no recorded tokens).
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::Assistant(AssistantMessage { parts: vec![AssistantPart::Text { text: content.into() }], raw: None })
    }

    /// The answer to `call`.
    pub fn observation(call: &ToolCall, content: impl Into<String>) -> Self {
        Self::Observation(Observation {
            call_id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            content: content.into(),
        })
    }
}

/// The answer to one call, as the model reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The call that is answered; `None` where the call could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// The tool's name, when known; `interpreter` for code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The text.
    pub content: String,
}

/// What the model wrote in one go: prose, calls and code, in its own order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// The parts, in the order written.
    pub parts: Vec<AssistantPart>,
    /// The very tokens, when a local model wrote them. Replaying them keeps the prompt append-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawTokens>,
}

impl AssistantMessage {
    /// The prose alone, parts joined as they were written.
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|p| if let AssistantPart::Text { text } = p { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The readable tool calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|p| if let AssistantPart::Call { call } = p { Some(call) } else { None })
    }

    /// True where something waits for an observation: a call, code, or a call that could not be read.
    pub fn needs_observation(&self) -> bool {
        self.parts.iter().any(|p| !matches!(p, AssistantPart::Text { .. } | AssistantPart::Reasoning { .. }))
    }
}

/// A piece of an assistant message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssistantPart {
    /// Prose for the person.
    Text {
        /// The text.
        text: String,
    },
    /// Thinking that the model marked as such.
    Reasoning {
        /// The text.
        text: String,
    },
    /// A tool call that could be read. The name may still be unknown and the arguments wrong: the gate decides.
    Call {
        /// The call.
        call: ToolCall,
    },
    /// A program for the code interpreter.
    Code {
        /// The call's name within its session.
        id: CallId,
        /// The program (Python).
        source: String,
    },
    /// Something that was meant as a call and could not be read. It is answered with what was wrong.
    Malformed {
        /// The call's name within its session.
        id: CallId,
        /// The tool's name, where that much could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What the model wrote.
        raw: String,
        /// What was wrong with it, said to the model.
        problem: String,
    },
}

/// Tokens as a model wrote them, stop token left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawTokens {
    /// [`ModelInfo::fingerprint`](crate::ModelInfo::fingerprint) of the writer. Another model re-renders the parts.
    pub fingerprint: String,
    /// The ids.
    pub ids: Vec<u32>,
}
