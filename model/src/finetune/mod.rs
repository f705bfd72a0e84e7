//! Files that ChatGLM3 is fine-tuned with: read, checked, rendered to tokens and targets, converted.
//!
//! A sample is a [`Conversation`] (`tools` and `conversations`, with the role `tool`) or a [`Pair`] (`prompt` and
//! `response`). [`read`] takes a file in any [`Format`] and gives the samples, and [`Finding`]s for all that is wrong with
//! the rest; [`write()`] gives the text of a file, and findings for what its format cannot hold. A [`Renderer`] gives the
//! tokens of a sample and which of them are learnt.
//!
//! Rendering follows the preprocessing that was published with ChatGLM3 (`finetune_demo/preprocess_utils.py`), on the
//! pieces of the dialect that renders prompts: role tokens by number, header and content apart, text never as specials.

mod count;
mod finding;
mod format;
mod json;
mod openai;
mod recorded;
mod render;
mod sample;
mod samples;
mod table;
mod toolalpaca;

pub use count::Counts;
pub use finding::{Finding, Severity};
pub use format::{Format, Reading, Written, read, write};
pub use recorded::recorded;
pub use render::{NO_TARGET, Rendered, Renderer};
pub use sample::{Conversation, Entry, Pair, Placed, Sample};
pub use samples::PairKeys;
pub use table::sanity_table;
