//! The table that shows what of a sample is learnt.

use serde_json::Value;

use super::render::Rendered;
use crate::Vocab;
use crate::dialect::chatglm3::ids;
use crate::dialect::literal::{self, Quotes};

/// One line a token: its text as Python's `repr` has it, its id, and its target, as the published preprocessing prints
/// them (`"%20s: %6d -> %6d"`). Each token is decoded alone, so a leading blank is not shown and a part of a character is
/// `�`; the end, which the published print leaves empty, is `'</s>'`.
pub fn sanity_table(rendered: &Rendered, vocab: &dyn Vocab) -> Vec<String> {
    let row = |(id, target): (&u32, &i64)| format!("{:>20}: {id:>6} -> {target:>6}", shown(*id, vocab));
    rendered.ids.iter().zip(&rendered.targets).map(row).collect()
}

fn shown(id: u32, vocab: &dyn Vocab) -> String {
    let text = if id == ids::EOS {
        "</s>".to_owned()
    } else if let Some(name) = vocab.special_text(id) {
        name
    } else {
        let piece = vocab.piece(id);
        let text = String::from_utf8_lossy(&piece);
        text.strip_prefix(' ').unwrap_or(&text).to_owned()
    };
    literal::write(&Value::String(text), Quotes::Single)
}
