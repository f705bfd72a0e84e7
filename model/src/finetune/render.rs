//! Samples to tokens and targets.

use super::sample::{Conversation, Entry, Pair, Sample};
use crate::Vocab;
use crate::dialect::chatglm3::{TOOLS_INTRO, ids, run};
use crate::dialect::literal::{Quotes, write_call};
use crate::dialect::{ChatGlm3, DialectError, Piece, pyjson, tokenize};

/// The target of a token that is not learnt.
pub const NO_TARGET: i64 = -100;

/// A sample as a model is trained on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The tokens.
    pub ids: Vec<u32>,
    /// For each token, its own id where it is learnt, else [`NO_TARGET`]. Not shifted: a model that is trained shifts them
    /// itself.
    pub targets: Vec<i64>,
}

impl Rendered {
    /// The number of tokens that are learnt.
    pub fn learnt(&self) -> usize {
        self.targets.iter().filter(|target| **target != NO_TARGET).count()
    }

    /// Keeps the first `most` tokens, as the published preprocessing does.
    pub fn cut(&mut self, most: usize) {
        self.ids.truncate(most);
        self.targets.truncate(most);
    }

    fn push(&mut self, tokens: &[u32], learnt: bool) {
        self.ids.extend_from_slice(tokens);
        self.targets.extend(tokens.iter().map(|id| if learnt { i64::from(*id) } else { NO_TARGET }));
    }
}

/// Renders samples with ChatGLM3's vocabulary.
pub struct Renderer<'v> {
    vocab: &'v dyn Vocab,
    joined: bool,
}

impl std::fmt::Debug for Renderer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").field("joined", &self.joined).finish_non_exhaustive()
    }
}

impl<'v> Renderer<'v> {
    /// Renders as the published preprocessing does.
    ///
    /// # Errors
    /// [`DialectError::MissingToken`] where the vocabulary is not ChatGLM3's.
    pub fn new(vocab: &'v dyn Vocab) -> Result<Self, DialectError> {
        ChatGlm3::new(vocab)?;
        Ok(Self { vocab, joined: false })
    }

    /// A system entry behind tools: one message with the text on the tools, as Glassbox prompts the model, in place of a
    /// second system message, as the published preprocessing has it. Default false.
    #[must_use]
    pub fn joined_system(mut self, joined: bool) -> Self {
        self.joined = joined;
        self
    }

    /// The tokens of a sample, and which are learnt.
    pub fn render(&self, sample: &Sample) -> Rendered {
        match sample {
            Sample::Conversation(conversation) => self.conversation(conversation),
            Sample::Pair(pair) => self.pair(pair),
        }
    }

    /// `[gMASK]` `sop`, each message, the end. A message's role token and what follows it have one flag; the flag of a token
    /// says whether the token *after* it is learnt. So the role token after a reply is learnt, where the model must stop,
    /// and the one that opens the reply, which the prompt ends with, is not.
    fn conversation(&self, conversation: &Conversation) -> Rendered {
        let mut tokens = vec![(ids::GMASK, false), (ids::SOP, false)];
        let mut message = |role: u32, metadata: &str, content: &str, flag: bool| {
            let ids = tokenize(&run(role, metadata, content), self.vocab);
            tokens.extend(ids.into_iter().map(|id| (id, flag)));
        };
        let mut entries = conversation.entries.as_slice();
        if !conversation.tools.is_empty() {
            let tools = serde_json::Value::Array(conversation.tools.clone());
            let mut text = format!("{TOOLS_INTRO}\n{}", pyjson::dumps(&tools, Some(4)));
            if self.joined
                && let Some((Entry::System { content }, rest)) = entries.split_first()
            {
                if !content.is_empty() {
                    text = format!("{text}\n\n{content}");
                }
                entries = rest;
            }
            message(ids::SYSTEM, "", &text, false);
        }
        for entry in entries {
            let flag = entry.learnt();
            match entry {
                Entry::System { content } => message(ids::SYSTEM, "", content, flag),
                Entry::User { content } => message(ids::USER, "", content, flag),
                Entry::Assistant { metadata, content, .. } => message(ids::ASSISTANT, metadata, content, flag),
                Entry::Tool { name, parameters, observation, .. } => {
                    let call = write_call("tool_call", parameters, Quotes::Single);
                    message(ids::ASSISTANT, name, &format!("```python\n{call}\n```"), flag);
                    let text = match observation {
                        Some(serde_json::Value::String(text)) => text.clone(),
                        Some(value) => pyjson::dumps(value, None),
                        None => "null".to_owned(),
                    };
                    message(ids::OBSERVATION, "", &text, false);
                }
                Entry::Observation { content } => message(ids::OBSERVATION, "", content, flag),
            }
        }
        tokens.push((ids::EOS, false));
        let mut rendered = Rendered::default();
        let mut learnt = false;
        for (id, flag) in tokens {
            rendered.push(&[id], std::mem::replace(&mut learnt, flag));
        }
        rendered
    }

    /// `[gMASK]` `sop`, the prompt, the response, the end, without any role; the response and the end are learnt.
    fn pair(&self, pair: &Pair) -> Rendered {
        let text = |text: &str| tokenize(&[Piece::Text(text.to_owned())], self.vocab);
        let mut rendered = Rendered::default();
        rendered.push(&[ids::GMASK, ids::SOP], false);
        rendered.push(&text(&pair.prompt), false);
        rendered.push(&text(&pair.response), true);
        rendered.push(&[ids::EOS], true);
        rendered
    }
}
