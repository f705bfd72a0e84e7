//! Grammars: what may come next.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use toktrie::SimpleVob;

use super::{tokens, vocab::LlamaVocab};
use crate::{ModelError, dialect::Grammar};

/// Compiled grammars that are kept. An agent alternates between few: with tools, without, and a named one.
const KEPT: usize = 16;

/// Compiles grammars for one vocabulary.
pub(crate) struct Constraints {
    vocab: Arc<LlamaVocab>,
    /// Half a second of work for a large vocabulary, so it waits for the first grammar.
    factory: OnceLock<Result<ParserFactory, String>>,
    /// Least recently used first.
    compiled: Mutex<Vec<(Grammar, Matcher)>>,
}

impl Constraints {
    pub(crate) fn new(vocab: Arc<LlamaVocab>) -> Self {
        Self { vocab, factory: OnceLock::new(), compiled: Mutex::new(Vec::new()) }
    }

    /// The compiled `grammar`, where it is at hand.
    pub(crate) fn at_hand(&self, grammar: &Grammar) -> Option<Constraint> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let at = compiled.iter().position(|(known, _)| known == grammar)?;
        let entry = compiled.remove(at);
        // Deep: a shared lexer would grow with every generation until llguidance's limit on its states.
        let matcher = entry.1.deep_clone();
        compiled.push(entry);
        Some(Constraint::new(matcher))
    }

    /// Compiles `grammar`; takes milliseconds, the first time half a second.
    pub(crate) fn compile(&self, grammar: &Grammar) -> Result<Constraint, ModelError> {
        if let Some(constraint) = self.at_hand(grammar) {
            return Ok(constraint);
        }
        let factory = self.factory.get_or_init(|| {
            let mut factory =
                ParserFactory::new_simple(&tokens::environment(&self.vocab)).map_err(|error| error.to_string())?;
            factory.quiet();
            // Errors are read by people: without the parser's whole state.
            factory.limits_mut().verbose_errors = false;
            Ok(factory)
        });
        let factory = factory.as_ref().map_err(grammar_error)?;
        let matcher = Matcher::new(factory.create_parser(TopLevelGrammar::from_lark(grammar.lark.clone())));
        if let Some(problem) = matcher.get_error() {
            return Err(grammar_error(&problem));
        }
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= KEPT {
            compiled.remove(0);
        }
        compiled.push((grammar.clone(), matcher.deep_clone()));
        Ok(Constraint::new(matcher))
    }
}

/// Where one generation stands in its grammar.
pub(crate) struct Constraint {
    matcher: Matcher,
    /// What may come next, once that was asked.
    mask: Option<SimpleVob>,
}

impl Constraint {
    fn new(matcher: Matcher) -> Self {
        Self { matcher, mask: None }
    }

    /// True where `token`, which is not a stop token, may come next.
    pub(crate) fn allows(&mut self, token: u32) -> Result<bool, ModelError> {
        self.matcher.validate_tokens(&[token]).map(|valid| valid > 0).map_err(|error| grammar_error(&error))
    }

    /// True where the reply may stop here.
    pub(crate) fn accepting(&mut self) -> Result<bool, ModelError> {
        self.matcher.is_accepting().map_err(|error| grammar_error(&error))
    }

    /// True where nothing more can follow.
    pub(crate) fn stopped(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// Takes note that `token` was written.
    pub(crate) fn accept(&mut self, token: u32) -> Result<(), ModelError> {
        self.mask = None;
        self.matcher.consume_token(token).map_err(|error| grammar_error(&error))
    }

    /// Forgets that the last `tokens` were written.
    pub(crate) fn take_back(&mut self, tokens: usize) -> Result<(), ModelError> {
        self.mask = None;
        self.matcher.rollback(tokens).map_err(|error| grammar_error(&error))
    }

    /// The tokens that may come next, `stops` among them exactly where the reply may stop; `stops` are always the same. It is
    /// kept until a token is written.
    pub(crate) fn mask(&mut self, stops: &[u32]) -> Result<&SimpleVob, ModelError> {
        let mask = match self.mask.take() {
            Some(mask) => mask,
            None => self.compute_mask(stops)?,
        };
        Ok(self.mask.insert(mask))
    }

    fn compute_mask(&mut self, stops: &[u32]) -> Result<SimpleVob, ModelError> {
        let mut mask = self.matcher.compute_mask().map_err(|error| grammar_error(&error))?;
        let accepting = self.accepting()?;
        for &stop in stops {
            if (stop as usize) < mask.len() {
                mask.set(stop as usize, accepting);
            }
        }
        Ok(mask)
    }

    /// The tokens that must come next; empty where there is a choice, or none can be told.
    pub(crate) fn forced(&mut self) -> Result<Vec<u32>, ModelError> {
        let forced = self.matcher.compute_ff_tokens();
        match self.matcher.get_error() {
            Some(problem) => Err(grammar_error(&problem)),
            None => Ok(forced),
        }
    }
}

fn grammar_error(problem: &impl ToString) -> ModelError {
    let problem = problem.to_string();
    let problem = problem.trim().trim_end_matches("<non-verbose/>").trim_end();
    ModelError::Grammar { problem: problem.to_owned() }
}

#[cfg(all(test, feature = "fetch"))]
#[path = "constraint_tests.rs"]
mod tests;
