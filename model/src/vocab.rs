//! A model's vocabulary, as dialects and the engine see it.

/// Token ids of one model. Text and specials never mix: [`Vocab::tokenize`] never yields a special from text.
pub trait Vocab: Send + Sync {
    /// Number of ids.
    fn len(&self) -> u32;

    /// True for a vocabulary without ids.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokenises `text` with specials off: no BOS, and `<|user|>` in the text stays text.
    fn tokenize(&self, text: &str) -> Vec<u32>;

    /// The bytes that `id` stands for; empty for specials and for ids out of range. May be part of a character.
    fn piece(&self, id: u32) -> Vec<u8>;

    /// True for control tokens, which stand for no text.
    fn is_special(&self, id: u32) -> bool;

    /// True for added tokens that stand for the text of a mark, such as `<tool_call>`. A template writes them as one
    /// token; [`Vocab::tokenize`] never makes one of text.
    fn is_mark(&self, _id: u32) -> bool {
        false
    }

    /// The text by which a special or a mark is known, such as `<|im_end|>`.
    fn special_text(&self, id: u32) -> Option<String>;

    /// The id of the special, mark or other added token known by exactly `text`.
    fn special(&self, text: &str) -> Option<u32>;

    /// Ids that the model file declares as ends of generation.
    fn end_of_generation(&self) -> Vec<u32>;

    /// The begin-of-sequence id, where prompts of this model start with one.
    fn bos(&self) -> Option<u32>;
}

/// What a model file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// `tokenizer.chat_template`: Jinja, untrusted.
    pub chat_template: Option<String>,
    /// `{architecture}.context_length`: the most tokens it was trained for.
    pub context_length: u32,
}
