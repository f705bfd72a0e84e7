//! A model that follows a script: for testing agents without weights.
//!
//! ```
//! use glassbox_model::scripted::{Reply, ScriptedModel};
//! use serde_json::json;
//!
//! let model = ScriptedModel::new([
//!     Reply::call("track", json!({"symbol": "10111"})),
//!     Reply::text("It costs 12412."),
//! ]);
//! // A clone shares script and records: give one to the agent, keep the other and look at `requests()` afterwards.
//! assert!(model.clone().requests().is_empty());
//! ```

mod play;
mod reply;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

pub use reply::Reply;

use crate::dialect::Dialect;
use crate::trace;
use crate::{
    AdapterChoice, AssistantPart, ChatModel, DeltaStream, Message, ModelError, ModelInfo, Request, ToolChoice, Vocab,
};

/// A model whose replies are written beforehand. It streams them in small pieces, honours cancellation, `max_tokens`
/// and the context's size, and keeps every request that it got.
///
/// Clones share the script and the records.
#[derive(Clone)]
pub struct ScriptedModel {
    info: ModelInfo,
    count: Arc<Count>,
    spoken: Option<Spoken>,
    state: Arc<Mutex<State>>,
}

type Count = dyn Fn(&Request) -> u32 + Send + Sync;
type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

/// What reads [`Reply::raw`].
#[derive(Clone)]
struct Spoken {
    dialect: Arc<dyn Dialect>,
    vocab: Arc<dyn Vocab>,
}

struct State {
    script: Script,
    requests: Vec<Request>,
}

enum Script {
    Replies { left: VecDeque<Reply>, given: usize },
    Function(Arc<Answer>),
}

impl std::fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedModel").field("info", &self.info).finish_non_exhaustive()
    }
}

impl ScriptedModel {
    /// A model that gives `replies` one after another, and [`ModelError::ScriptOver`] when there are none left. Its
    /// context holds 8192 tokens.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::of(Script::Replies { left: replies.into_iter().collect(), given: 0 })
    }

    /// A model that answers each request with what `answer` gives: for several sessions at once, whose requests come
    /// in no fixed order.
    pub fn from_fn(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(Script::Function(Arc::new(answer)))
    }

    fn of(script: Script) -> Self {
        Self {
            info: ModelInfo {
                name: "scripted".to_owned(),
                fingerprint: "scripted".to_owned(),
                dialect: "scripted".to_owned(),
                architecture: String::new(),
                context_tokens: 8192,
                adapters: Vec::new(),
                notes: Vec::new(),
            },
            count: Arc::new(count),
            spoken: None,
            state: Arc::new(Mutex::new(State { script, requests: Vec::new() })),
        }
    }

    /// Reads [`Reply::raw`] with the parser of `dialect`. `vocab` tells which parts of the text are specials.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Arc<dyn Dialect>, vocab: Arc<dyn Vocab>) -> Self {
        dialect.name().clone_into(&mut self.info.dialect);
        self.spoken = Some(Spoken { dialect, vocab });
        self
    }

    /// Sets how many tokens the context holds, prompt and reply together.
    #[must_use]
    pub fn with_context_tokens(mut self, tokens: u32) -> Self {
        self.info.context_tokens = tokens;
        self
    }

    /// Sets the LoRA adapters that requests may name. They change nothing of the script; another name is an error, as with a
    /// real model.
    #[must_use]
    pub fn with_adapters<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.info.adapters = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how the tokens of a prompt are counted. The default counts one token for every four bytes that a text has
    /// begun and four for each message, the tools (as JSON) being one more message.
    #[must_use]
    pub fn with_token_count(mut self, count: impl Fn(&Request) -> u32 + Send + Sync + 'static) -> Self {
        self.count = Arc::new(count);
        self
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below leaves it half done, so a poisoned lock still guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, request: &Request) -> Result<Reply, ModelError> {
        let answer = {
            let mut state = self.lock();
            state.requests.push(request.clone());
            match &mut state.script {
                Script::Replies { left, given } => {
                    let reply = left.pop_front().ok_or(ModelError::ScriptOver { replies: *given })?;
                    *given += 1;
                    return Ok(reply);
                }
                Script::Function(answer) => Arc::clone(answer),
            }
        };
        Ok(answer(request))
    }
}

#[async_trait]
impl ChatModel for ScriptedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let prompt = (self.count)(&request);
        let reply = self.next(&request).and_then(|reply| {
            if prompt >= self.info.context_tokens {
                let needed = prompt.saturating_add(1);
                return Err(ModelError::ContextOverflow { needed, limit: self.info.context_tokens });
            }
            match &request.adapter {
                AdapterChoice::Named { name, .. } if !self.info.adapters.contains(name) => {
                    let problem = format!("loaded are {:?}", self.info.adapters);
                    Err(ModelError::Adapter { name: name.clone(), problem })
                }
                _ => Ok(reply),
            }
        });
        let span = trace::span(trace::Operation::Chat, &self.info, &request.sampling, request.max_tokens);
        let deltas = play::play(reply, request, prompt, self.info.context_tokens, self.spoken.as_ref());
        trace::traced(span, deltas)
    }

    async fn count_tokens(&self, request: &Request) -> Result<u32, ModelError> {
        Ok((self.count)(request))
    }
}

/// One token for every four bytes begun.
fn tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)
}

fn count(request: &Request) -> u32 {
    let part = |part: &AssistantPart| match part {
        AssistantPart::Text { text } | AssistantPart::Reasoning { text } => tokens(text),
        AssistantPart::Call { call } => tokens(&call.name).saturating_add(tokens(&call.arguments.to_string())),
        AssistantPart::Code { source, .. } => tokens(source),
        AssistantPart::Malformed { raw, .. } => tokens(raw),
    };
    let message = |message: &Message| match message {
        Message::System { content } | Message::User { content } => tokens(content),
        Message::Assistant(reply) => reply.parts.iter().map(part).fold(0, u32::saturating_add),
        Message::Observation(observation) => tokens(&observation.content),
    };
    let tools = match request.tool_choice {
        ToolChoice::None => 0,
        _ if request.tools.is_empty() => 0,
        _ => request.tools.iter().map(|tool| tokens(&tool.for_model().to_string())).fold(4, u32::saturating_add),
    };
    request.messages.iter().map(|m| message(m).saturating_add(4)).fold(tools, u32::saturating_add)
}

#[cfg(test)]
#[path = "scripted/tests.rs"]
mod tests;
