//! Whether a model means the call that it writes. Where no tool fits small models call one all the same, but make its values up,
//! and find them unlikely themselves.

use std::sync::Arc;

use super::{
    arguments::Arguments,
    asked::Asked,
    reading,
    said_values::are_said,
    scanner::{Event, Scanner},
    support::Spoken,
};
use crate::{characters::Characters, dialect::Judge};

/// How likely the values of a call must be, by how much speaks for its tool: the mean over its values of the mean over their
/// tokens, both geometric. First where the values that have to be there are what the user said, then where one of them is not:
/// of 98 right calls 29 have such a one, of 174 that no tool fitted 119 (`docs/evals.md`).
const UNSPOKEN: [f64; 2] = [0.80, 0.92];
const LIKELY: [f64; 2] = [0.75, 0.87];
const SPOKEN: [f64; 2] = [0.65, 0.78];

/// How likely those must be of a call that the model had not made by itself: of 17 replies that are right with such calls none
/// has one below this, and of 8 with one too many five have (`docs/evals.md`).
const ANOTHER: f64 = 0.915;

/// So many tokens of one value say enough of it.
const ENOUGH: usize = 48;

/// Of the first call of a reply.
pub(crate) fn judge(asked: &Arc<Asked>) -> Box<dyn Judge> {
    Box::new(FirstCall::new(Least::Spoken(Arc::clone(asked))))
}

/// Of a call that a list is prolonged with.
pub(crate) fn judge_another() -> Box<dyn Judge> {
    Box::new(FirstCall::new(Least::Always(ANOTHER)))
}

/// How likely the values must be.
enum Least {
    Always(f64),
    /// It depends on the tool.
    Spoken(Arc<Asked>),
}

impl Least {
    /// For a call of `tool`, of which `text` is written.
    fn of(&self, tool: Option<&str>, text: &str) -> f64 {
        let asked = match self {
            Self::Always(least) => return *least,
            Self::Spoken(asked) => asked,
        };
        let Some(tool) = tool else { return LIKELY[0] };
        let [said, made_up] = match asked.support.spoken(tool) {
            Spoken::Nothing => UNSPOKEN,
            Spoken::Little => LIKELY,
            Spoken::Much => SPOKEN,
        };
        // In another language than that of the descriptions values may be translated.
        let is_made_up =
            asked.support.is_readable() && reading::arguments(text).is_some_and(|own| !are_said(tool, &own, asked));
        if is_made_up { made_up } else { said }
    }
}

/// Judges by the values of the first call that it hears.
struct FirstCall {
    least: Least,
    scanner: Option<Scanner>,
    /// The call as far as it is written.
    text: String,
    arguments: Option<Arguments>,
    characters: Characters,
    /// How likely the token was that the next character begins.
    token: Option<f32>,
    verdict: Option<bool>,
}

impl FirstCall {
    fn new(least: Least) -> Self {
        let characters = Characters::default();
        Self { least, scanner: None, text: String::new(), arguments: None, characters, token: None, verdict: None }
    }

    fn push(&mut self, c: char) {
        let token = self.token.take();
        let Some(scanner) = &mut self.scanner else {
            if c == '{' {
                self.text.push(c);
                let scanner = self.scanner.insert(Scanner::new());
                scanner.push(c);
            }
            return;
        };
        self.text.push(c);
        match scanner.push(c) {
            Event::ArgumentsBegin | Event::Arguments => {
                let arguments = self.arguments.get_or_insert_with(Arguments::all);
                arguments.push(c, token);
                if arguments.likely().1 >= ENOUGH {
                    self.judge();
                }
            }
            // What is no JSON is judged by whoever reads it.
            Event::End | Event::Broken => self.judge(),
            Event::Key | Event::Nothing => {}
        }
    }

    fn judge(&mut self) {
        let likely = self.arguments.as_ref().map_or(1.0, |arguments| arguments.likely().0);
        let tool = self.scanner.as_ref().and_then(|scanner| scanner.name.as_deref());
        let least = self.least.of(tool, &self.text);
        tracing::debug!(sure = likely, least, "how sure the model is of its call");
        self.verdict = Some(likely >= least);
    }
}

impl Judge for FirstCall {
    fn hear(&mut self, text: &[u8], likely: f32) {
        if self.verdict.is_some() {
            return;
        }
        self.token = Some(likely);
        for c in self.characters.push(text).chars() {
            self.push(c);
        }
    }

    fn is_sure(&self, over: bool) -> Option<bool> {
        // A call that ends before it is whole is no worse than words.
        self.verdict.or(over.then_some(true))
    }
}
