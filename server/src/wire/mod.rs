//! What goes over the wire, in OpenAI's shapes.
//!
//! Members that are not known are left alone, as clients send ever new ones. Those that are known and would change the
//! answer are followed or refused, never dropped.

mod logprobs;
mod request;
mod response;
mod text;

pub use logprobs::{ChatLogprobs, Likely, LikelyToken};
pub use request::{
    ChatRequest, Content, ContentPart, FunctionCall, FunctionTool, LoraField, RequestMessage, SamplingFields, Stop,
    StreamOptions, ToolCallEntry, ToolChoiceEntry, ToolEntry,
};
pub use response::{
    Choice, Chunk, ChunkChoice, ChunkDelta, Completion, DeltaCall, DeltaFunction, PromptDetails, ReplyMessage, Usage,
};
pub use text::{DetokenizeRequest, Prompts, TextChoice, TextLogprobs, TextReply, TextRequest, TokenizeRequest};
