//! Where a reply does not go as the model alone would have it: whether it calls, how often, what, and with which values.

use super::{Grammar, Maker};

/// What of a reply the model's own choice does not settle.
#[derive(Debug, Clone, Default)]
pub struct Steering {
    /// How likely the beginning of a call must be for the reply to begin with one; `None` where the model's choice stands.
    pub hesitation: Option<Hesitation>,
    /// How readily a list of calls goes on; `None` where the model's choice stands. Only under a grammar.
    pub persistence: Option<Persistence>,
    /// Which calls and values are likelier than others; `None` where the model's choice stands. Only under a grammar.
    pub prior: Option<Maker<dyn Prior>>,
}

/// How sure a model must be that it wants to call. A small model opens a call for almost anything once it has tools; how
/// likely it finds that is the better judge.
#[derive(Debug, Clone)]
pub struct Hesitation {
    /// What a call begins with. A reply begins with a token whose text begins so where all such tokens together are at least
    /// `least` likely; else it begins with something else.
    pub openers: Vec<String>,
    /// A probability, from 0 to 1, by the model alone: before penalties, temperature and grammar.
    pub least: f32,
    /// Makes who judges the call itself. Until it has judged nothing of the reply is told, and where it finds the model unsure
    /// the reply begins anew with something else. `None` holds nothing back.
    pub judge: Option<Maker<dyn Judge>>,
    /// What a reply must follow that begins with something else, in place of the dialect's grammar: calls that a model makes
    /// after all, it makes too often.
    pub instead: Option<Grammar>,
}

/// Tells from a call that is being written whether the model means it.
pub trait Judge: Send {
    /// Takes the next token's text, which may be a part of a character, and how likely it was, from 0 to 1: 1 where the
    /// grammar left no choice. The first token is that which begins the call.
    fn hear(&mut self, text: &[u8], likely: f32);

    /// Whether the model is sure; `None` where that is not known yet. `over`: no more comes.
    fn is_sure(&self, over: bool) -> Option<bool>;
}

/// How readily a list of calls goes on. A small model ends it after the first call, though it finds more of them likely where
/// the request asks for several things, and hardly ever where it asks for one; where it goes on by itself, it may do so to try
/// out every tool.
#[derive(Debug, Clone)]
pub struct Persistence {
    /// Where a call has been written, another follows if that is at least so likely, from 0 to 1: among what the grammar allows
    /// behind a call, by the model alone.
    pub least: f32,
    /// Makes who follows the list. Until it knows the grounds of a call that is not the first nothing of the call is told; where
    /// they do not suffice it is taken back, and the list ends.
    pub list: Maker<dyn CallList>,
    /// Makes who judges each call that is there only because of `least`, or for which only the model speaks. Where it finds the
    /// model unsure the call is taken back, too.
    pub judge: Maker<dyn Judge>,
}

/// What follows a call in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Another call.
    Call,
    /// The end of the list.
    End,
    /// That is not said yet.
    Open,
}

/// What speaks for a call beside those before it, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grounds {
    /// Nothing: it is one of them again, or of a tool that is no better an answer to what the user said than theirs.
    None,
    /// Only that the model wants it.
    Model,
    /// What the user said.
    User,
}

/// Follows a reply that may be a list of calls.
pub trait CallList: Send {
    /// Takes the next token's text, which may be a part of a character.
    fn hear(&mut self, text: &[u8]);

    /// What `text`, were it next, would say of what follows a call; `None` where it is not about that.
    fn after(&self, text: &[u8]) -> Option<Follows>;

    /// How many calls have begun.
    fn calls(&self) -> usize;

    /// What speaks for the call with this number, counted from 0, beside those before it; `None` where that is not known yet.
    fn grounds(&self, number: usize) -> Option<Grounds>;
}

/// Makes one call likelier than another, whatever the model finds.
pub trait Prior: Send {
    /// Takes the next token's text, which may be a part of a character.
    fn hear(&mut self, text: &[u8]);

    /// True where it has a say in what the next token is.
    fn minds(&self) -> bool;

    /// The natural logarithm of the factor by which it is less likely that `text` is next; at most 0.
    fn lean(&self, text: &[u8]) -> f32;
}
