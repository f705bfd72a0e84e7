//! Chat models for Glassbox.
//!
//! [`ChatModel`] is the face: a [`Request`] goes in, [`Delta`]s come out. Behind it a [`dialect`] knows the chat format
//! of a model family, the engine runs GGUF files through llama.cpp, and the [`catalog`] knows where models come from.
//! [`finetune`] reads, renders and converts the files that models are fine-tuned with.

#[cfg(feature = "fetch")]
pub mod catalog;
pub mod dialect;
#[cfg(feature = "llama")]
pub mod engine;
pub mod finetune;
#[cfg(feature = "llama")]
pub mod local;

mod assembly;
mod characters;
mod chat_model;
mod delta;
mod error;
#[cfg(any(feature = "llama", feature = "fetch"))]
mod hex;
mod message;
#[cfg(feature = "llama")]
mod off_thread;
mod request;
pub mod scripted;
pub mod sentencepiece;
mod text_model;
mod trace;
mod vocab;

pub use chat_model::{ChatModel, DeltaStream, ModelInfo, ModelLoad};
pub use delta::{Delta, FinishReason, Likelihood, Timings, TokenLogprob, Usage};
pub use error::ModelError;
#[cfg(feature = "llama")]
pub use local::Model;
pub use message::{AssistantMessage, AssistantPart, Message, Observation, RawTokens};
pub use request::{AdapterChoice, InterpreterNotes, ReplyFormat, Request, Sampling, ToolChoice};
pub use scripted::ScriptedModel;
pub use sentencepiece::SentencePieceVocab;
pub use text_model::{CompletionRequest, Prompt, TextModel, detokenize};
pub use vocab::{Metadata, Vocab};
