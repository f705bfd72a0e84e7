//! Finds calls that are written as JSON, in a reply that comes in pieces.
//!
//! A call stands in `<tool_call>…</tool_call>`, in a fence (```` ```json ````), or bare at the start of the reply or of
//! a line; alone, several one after another, or in a list. Small faults are forgiven: Python's words and quotes,
//! trailing commas, closing braces that are missing at the end. JSON that is no call comes out as text, byte for byte,
//! with its fence. What was meant as a call and cannot be read becomes [`Delta::Malformed`](crate::Delta::Malformed).
//!
//! `<think>…</think>` at the start of a reply is reasoning.
//!
//! White space next to a call or to reasoning is dropped, but for one line break or space between two pieces of prose;
//! so are commas and semicolons right after a bare call.
//! Specials that are no such mark stand for nothing. All else comes out unchanged.
//!
//! Every character is looked at a bounded number of times, whatever the text is.

pub(crate) mod reading;

mod amounts;
mod argument;
mod arguments;
mod asked;
mod candidate;
mod english;
mod hint;
mod hints;
mod judge;
mod list;
mod mentioned;
mod owned;
mod parser;
mod prior;
mod rounds;
mod said_values;
mod scanner;
mod spans;
mod support;

pub(crate) use arguments::Options;
pub(crate) use asked::Asked;
pub(crate) use judge::{judge, judge_another};
pub(crate) use list::list as call_list;
pub(crate) use parser::{Parser, Settings};
pub(crate) use prior::prior;
pub(crate) use support::Spoken;
