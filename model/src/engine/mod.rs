//! The engine: one thread owns the llama.cpp context, everything else sends messages.
//!
//! [`Engine`] is a handle that can be cloned. It takes tokens and gives tokens: chat formats and text are the business
//! of [`Model`](crate::Model). Several generations run at once, each in its own sequence of the KV cache; every step
//! decodes one batch with the next token of each and a chunk of prompt. A cancelled generation stops the batch under
//! way, on the CPU; on a GPU it waits for its end.
//!
//! What a finished generation left in the KV cache stays until the space is needed. A new prompt takes over the
//! longest common prefix, its own earlier turn or the system prompt of another session, and only the rest is computed.
//!
//! LoRA adapters are loaded with the model, and each generation chooses one or none. A batch holds generations of one
//! choice; where several wait, they take turns of a fifth of a second.
//!
//! llama.cpp's log goes to [`tracing`] under the target `llama-cpp-2`.

pub mod gguf;

mod adapters;
mod ahead;
mod constraint;
mod ffi;
mod fingerprint;
mod gauges;
mod handle;
mod hesitation;
mod kv;
mod leaning;
mod load;
mod logprobs;
mod memory;
mod options;
mod pace;
mod persistence;
mod sampler;
mod saved;
mod scheduler;
mod session;
mod softmax;
mod tokens;
mod vocab;
mod watch;
mod worker;

pub use handle::{Engine, EngineEvent, EngineStream, GenerateRequest};
pub use options::{EngineOptions, KvCacheType, LoraAdapter, NamedAdapter, SplitMode};
pub use saved::SavedKv;
pub use vocab::LlamaVocab;
