//! The body of `POST /v1/chat/completions`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request for one reply.
#[derive(Debug, Clone, Deserialize)]
pub struct ChatRequest {
    /// A name from `/v1/models`.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<RequestMessage>,
    /// The caller's tools.
    #[serde(default)]
    pub tools: Option<Vec<ToolEntry>>,
    /// Whether a tool may or must be called. Default `auto`.
    #[serde(default)]
    pub tool_choice: Option<ToolChoiceEntry>,
    /// Allows several calls in one reply. Default true.
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// Sends the reply as it is written. Default false.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What a stream holds besides.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// How tokens are chosen.
    #[serde(flatten)]
    pub sampling: SamplingFields,
    /// Texts that end the reply.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// The most tokens to write.
    #[serde(default)]
    pub max_completion_tokens: Option<u32>,
    /// The older name of it.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Replies to choose from; 1.
    #[serde(default)]
    pub n: Option<u32>,
    /// Says how likely each token of the text was. Default false.
    #[serde(default)]
    pub logprobs: Option<bool>,
    /// So many of the likeliest tokens beside each, at most 20. Needs `logprobs`. Default 0.
    #[serde(default)]
    pub top_logprobs: Option<u32>,
    /// The form of the reply: `{"type": "text"}`, `{"type": "json_object"}`, or `{"type": "json_schema", "json_schema":
    /// {"schema": …}}`.
    #[serde(default)]
    pub response_format: Option<Value>,
    /// Which LoRA adapter acts, as llama.cpp's server has it; at most one whose scale is not 0. An empty list is the model
    /// alone. Default: what the model's name says.
    #[serde(default)]
    pub lora: Option<Vec<LoraField>>,
}

/// A LoRA adapter and how strongly it acts.
#[derive(Debug, Clone, Deserialize)]
pub struct LoraField {
    /// Its place among the adapters of `/v1/models`, from 0.
    #[serde(default)]
    pub id: Option<usize>,
    /// Its name, in place of `id`.
    #[serde(default)]
    pub name: Option<String>,
    /// Default: the scale that it was loaded with.
    #[serde(default)]
    pub scale: Option<f32>,
}

/// How tokens are chosen; what is left out is the server's.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SamplingFields {
    /// From 0, the likeliest token.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// More than 0, at most 1.
    #[serde(default)]
    pub top_p: Option<f32>,
    /// As llama.cpp's server has it. 0 and less is off.
    #[serde(default)]
    pub top_k: Option<i64>,
    /// As llama.cpp's server has it. 0 is off.
    #[serde(default)]
    pub min_p: Option<f32>,
    /// As llama.cpp's server has it. 1 is off.
    #[serde(default, alias = "repetition_penalty")]
    pub repeat_penalty: Option<f32>,
    /// From -2 to 2. 0 is off.
    #[serde(default)]
    pub frequency_penalty: Option<f32>,
    /// From -2 to 2. 0 is off.
    #[serde(default)]
    pub presence_penalty: Option<f32>,
    /// What is added to the logits of tokens, from -100 to 100, by the number of the token.
    #[serde(default)]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// The same seed gives the same reply.
    #[serde(default)]
    pub seed: Option<i64>,
}

/// A message of the conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum RequestMessage {
    /// Instructions; the first message only.
    #[serde(alias = "developer")]
    System {
        /// The text.
        content: Content,
    },
    /// What the person said.
    User {
        /// The text.
        content: Content,
    },
    /// What the model wrote.
    Assistant {
        /// Prose; may be missing beside calls.
        #[serde(default)]
        content: Option<Content>,
        /// Calls.
        #[serde(default)]
        tool_calls: Option<Vec<ToolCallEntry>>,
    },
    /// What a tool answered.
    Tool {
        /// The text.
        content: Content,
        /// The call that is answered.
        tool_call_id: String,
    },
}

/// Text, whole or in parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Whole.
    Text(String),
    /// In parts, which are joined.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Clone, Deserialize)]
pub struct ContentPart {
    /// `text`; no other kind can be read.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, Deserialize)]
pub struct ToolEntry {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    #[serde(default)]
    pub function: Option<FunctionTool>,
}

/// A function that the model may call.
#[derive(Debug, Clone, Deserialize)]
pub struct FunctionTool {
    /// Its name.
    pub name: String,
    /// What it does and when to call it.
    #[serde(default)]
    pub description: Option<String>,
    /// JSON Schema of its arguments. Missing: none.
    #[serde(default)]
    pub parameters: Option<Value>,
}

/// Whether a tool may or must be called.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ToolChoiceEntry {
    /// `auto`, `none` or `required`.
    Word(String),
    /// `{"type": "function", "function": {"name": …}}`.
    Named(Value),
}

/// A call in an assistant message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallEntry {
    /// Its id, which the answer names.
    pub id: String,
    /// `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// The function and its arguments.
    pub function: FunctionCall,
}

/// A function and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// Its name.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

/// Texts that end the reply.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// What a stream holds besides the reply.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct StreamOptions {
    /// A last chunk with the usage. Default false.
    #[serde(default)]
    pub include_usage: bool,
}

fn function() -> String {
    "function".to_owned()
}
