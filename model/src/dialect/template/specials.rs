//! The tokens that a template writes by their text: control tokens, and marks such as `<tool_call>`.

use std::collections::HashMap;

use crate::Vocab;

/// Control tokens and marks by text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Specials {
    /// By first character; within one, the longest first.
    by_first: HashMap<char, Vec<(String, u32)>>,
}

impl Specials {
    /// Those of `vocab`.
    pub(crate) fn of(vocab: &dyn Vocab) -> Self {
        let mut specials = Self::default();
        for id in 0..vocab.len() {
            if (vocab.is_special(id) || vocab.is_mark(id))
                && let Some(text) = vocab.special_text(id)
                // One character cannot be told from text by anything put inside it.
                && text.chars().nth(1).is_some()
                && let Some(first) = text.chars().next()
            {
                specials.by_first.entry(first).or_default().push((text, id));
            }
        }
        for list in specials.by_first.values_mut() {
            list.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.1.cmp(&b.1)));
        }
        specials
    }

    /// The longest special that `text` begins with.
    pub(crate) fn at_start(&self, text: &str) -> Option<(&str, u32)> {
        let list = self.by_first.get(&text.chars().next()?)?;
        list.iter().find(|(special, _)| text.starts_with(special.as_str())).map(|(special, id)| (special.as_str(), *id))
    }

    /// True where `c` stands in any special.
    pub(crate) fn contain(&self, c: char) -> bool {
        self.by_first.values().flatten().any(|(text, _)| text.contains(c))
    }
}
