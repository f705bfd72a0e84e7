//! Text, line by line, and where in it a call or a program begins.
//!
//! A lexeme is at most one line, and what of a beginning stands on the lines before is a state of the parser, a
//! [`Place`]. One lexeme for the whole text would have to follow every form of a beginning from every line on, and
//! llguidance's lexer runs out of steps. Every place is a rule that begins with a place (`r2: r1 LINE | …`), so that the
//! parser keeps as many items for a hundred lines as for one.

use super::super::lark::{self, Lark, alternatives};
use super::ANY;

/// White space before the first word of a line.
const INDENT: &str = r"[ \t]*";

/// White space within a line, and before its end.
const GAP: &str = r"[ \t\r]*";

/// Opens a fence.
const FENCE: &str = r"```[A-Za-z0-9_+.-]{0,24}";

/// The line that opens a program, as `fence::opens` knows it.
const CODE: &str = r"[ \t]*```(?:[Pp]ython3?|py)[ \t\r]*\n";

/// A line of nothing.
const BLANK: &str = r"[ \t\r]*\n";

/// What an answer in words begins with: not a fence, a bracket or a tag, as calls do.
const WORD: &str = r"[^`{}<>\[\]\s]";

/// The key of a call.
const NAME: &str = r#"["']name["']"#;

/// What the text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Nothing.
    Prose,
    /// A fence, and nothing else but white space came since it was opened.
    Opened,
    /// A fence that holds no call.
    Shown,
}

impl Around {
    /// After something that is no beginning.
    fn settled(self) -> Self {
        if self == Self::Opened { Self::Shown } else { self }
    }
}

/// What of a call's beginning stands on the lines so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    around: Around,
    /// The bracket of a list, and nothing since.
    list: bool,
    /// The brace of an object, and nothing since.
    object: bool,
}

impl Place {
    const PROSE: Self = Self { around: Around::Prose, list: false, object: false };

    fn all() -> impl Iterator<Item = Self> {
        [Around::Prose, Around::Opened, Around::Shown].into_iter().flat_map(|around| {
            [(false, false), (true, false), (false, true), (true, true)].into_iter().map(move |(list, object)| Self {
                around,
                list,
                object,
            })
        })
    }

    /// After a line that is no beginning.
    fn settled(self) -> Self {
        Self { around: self.around.settled(), ..Self::PROSE }
    }

    /// Where a line leads that begins so.
    fn then(self, line: Start) -> Option<Self> {
        let Start { fence, list, object } = line;
        if fence {
            // In a fence, any line of backticks closes it.
            return (self.around == Around::Prose).then_some(Self { around: Around::Opened, list, object });
        }
        if list {
            let goes_on = !self.list && !self.object;
            return Some(Self { around: if goes_on { self.around } else { self.around.settled() }, list, object });
        }
        let goes_on = !self.object;
        Some(if goes_on { Self { object, ..self } } else { Self { object, ..self.settled() } })
    }
}

/// What a line begins with, one behind the other.
#[derive(Debug, Clone, Copy)]
struct Start {
    fence: bool,
    list: bool,
    object: bool,
}

impl Start {
    fn all() -> impl Iterator<Item = Self> {
        [(true, false, false), (true, true, false), (true, false, true), (true, true, true)]
            .into_iter()
            .chain([(false, true, false), (false, false, true), (false, true, true)])
            .map(|(fence, list, object)| Self { fence, list, object })
    }

    fn pattern(self, end: &str) -> String {
        let mut out = INDENT.to_owned();
        for (there, part) in [(self.fence, FENCE), (self.list, r"\["), (self.object, r"\{")] {
            if there {
                out.push_str(part);
                out.push_str(GAP);
            }
        }
        out + end
    }
}

/// What a call stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// A fence, which has to be closed behind it.
    pub(super) fence: bool,
    /// A list.
    pub(super) list: bool,
}

/// How a reply goes on where a call begins.
#[derive(Debug)]
pub(super) struct Calls {
    /// The rest of a call after `{"name":`, in each frame.
    pub(super) rest: Vec<(Frame, String)>,
    /// What stands there where it is no call, and the same with the end of its line; `None` where it has to be one.
    pub(super) other: Option<[String; 2]>,
    /// What follows `<tool_call>`.
    pub(super) tagged: String,
    /// The control token that is `<tool_call>`.
    pub(super) tag: Option<u32>,
}

/// What may stand in a text.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Calls. Without them, none begins in the text.
    pub(super) calls: Option<Calls>,
    /// A program behind its opening line.
    pub(super) program: Option<String>,
    /// The lines that open programs are no text.
    pub(super) interpreter: bool,
    /// A thought may come before the text, which then begins with none.
    pub(super) thought: Option<String>,
    /// The text begins with a word.
    pub(super) words: bool,
}

/// The rule of a text, with what may stand at its end.
pub(super) fn text(lark: &mut Lark, text: &Text) -> String {
    Lines::new(lark, text).write()
}

/// A rule in the making.
#[derive(Debug)]
struct Rule<K> {
    key: K,
    name: String,
    options: Vec<String>,
}

impl<K: PartialEq> Rule<K> {
    fn new(lark: &mut Lark, key: K) -> Self {
        Self { key, name: lark.reserve(), options: Vec::new() }
    }

    fn add(rules: &mut [Self], key: &K, option: String) {
        rules.iter_mut().filter(|rule| rule.key == *key).for_each(|rule| rule.options.push(option.clone()));
    }
}

struct Lines<'a> {
    lark: &'a mut Lark,
    text: &'a Text,
    /// Text that ends at the beginning of a line.
    places: Vec<Rule<Place>>,
    /// Text that ends with `{"name":`, by what that stands in, and in a list.
    begun: Vec<Rule<(Around, bool)>>,
    /// Text that ends within a line that begins no call, by what it stands in.
    within: Vec<Rule<Around>>,
    /// Text that may be all.
    whole: Vec<String>,
    /// Text with a call or a program at its end.
    ends: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(lark: &'a mut Lark, text: &'a Text) -> Self {
        let arounds = [Around::Prose, Around::Opened, Around::Shown];
        let frames = arounds.into_iter().flat_map(|around| [(around, false), (around, true)]);
        Self {
            places: Place::all().map(|place| Rule::new(lark, place)).collect(),
            begun: frames.map(|frame| Rule::new(lark, frame)).collect(),
            within: [Around::Prose, Around::Shown].map(|around| Rule::new(lark, around)).into(),
            whole: Vec::new(),
            ends: Vec::new(),
            lark,
            text,
        }
    }

    fn write(mut self) -> String {
        self.beginning();
        let places: Vec<_> = self.places.iter().map(|rule| (rule.key, rule.name.clone())).collect();
        for (place, from) in &places {
            self.lines(*place, from);
            self.openings(*place, from);
        }
        for object in [false, true] {
            let of = places.iter().filter(|(place, _)| place.object == object).map(|(_, name)| name);
            let from = self.lark.rule(alternatives(of));
            self.end_of_line(&from, object, "");
        }
        if let Some(calls) = &self.text.calls {
            self.calls(calls);
        }
        let whole = self.lark.rule(alternatives(&self.whole));
        if let Some(Calls { tag: Some(id), tagged, .. }) = &self.text.calls {
            self.ends.push(format!("{whole} <[{id}]> {tagged}"));
        }
        self.ends.push(whole);
        for (name, options) in (self.places.iter().map(|rule| (&rule.name, &rule.options)))
            .chain(self.begun.iter().map(|rule| (&rule.name, &rule.options)))
            .chain(self.within.iter().map(|rule| (&rule.name, &rule.options)))
        {
            if !options.is_empty() {
                self.lark.fill(name, &alternatives(options));
            }
        }
        self.lark.rule(alternatives(&self.ends))
    }

    /// The first line, where it is not like all others.
    fn beginning(&mut self) {
        let prose = Place::PROSE;
        if self.text.words {
            let line = self.lark.lazy(&format!("{}{}", lark::regex(&format!(r"{WORD}[^\n]*\n")), no_tag()));
            let last = self.lark.terminal(format!("{}{}", lark::regex(&format!(r"{WORD}[^\n]*")), no_tag()));
            Rule::add(&mut self.places, &prose, line);
            self.whole.push(last);
            return;
        }
        let Some(thought) = &self.text.thought else {
            Rule::add(&mut self.places, &prose, "\"\"".to_owned());
            return;
        };
        Rule::add(&mut self.places, &prose, thought.clone());
        let blank = self.lark.lazy(&lark::regex(BLANK));
        let first = self.lark.rule(format!("({blank})*"));
        self.openings(prose, &first);
        let no_thought = format!(" & ~({})", lark::regex(&format!("{INDENT}<think>{ANY}")));
        self.end_of_line(&first, false, &no_thought);
        let line = self.plain_line(false, &no_thought);
        Rule::add(&mut self.places, &prose, format!("{first} {line}"));
    }

    /// From `from`, which ends at `place`, over lines that begin nothing.
    fn lines(&mut self, place: Place, from: &str) {
        let blank = self.lark.lazy(&lark::regex(BLANK));
        Rule::add(&mut self.places, &place, format!("{from} {blank}"));
        let plain = self.plain_line(place.object, "");
        Rule::add(&mut self.places, &place.settled(), format!("{from} {plain}"));
    }

    /// The same over lines that may begin something.
    fn openings(&mut self, place: Place, from: &str) {
        self.fences(place, from);
        for start in Start::all() {
            let Some(to) = place.then(start) else { continue };
            let no_code = if start.fence { self.no_code() } else { String::new() };
            let line = self.lark.lazy(&format!("{}{no_code}", lark::regex(&start.pattern(r"\n"))));
            Rule::add(&mut self.places, &to, format!("{from} {line}"));
            if start.object && self.text.calls.is_some() {
                let named = self.lark.lazy(&lark::regex(&start.pattern(&format!("{NAME}{GAP}:"))));
                Rule::add(&mut self.begun, &(to.around, to.list), format!("{from} {named}"));
            }
        }
        if place.object && self.text.calls.is_some() {
            let key = self.lark.lazy(&lark::regex(&format!("{INDENT}{NAME}{GAP}:")));
            Rule::add(&mut self.begun, &(place.around, place.list), format!("{from} {key}"));
        }
    }

    /// Lines that begin with backticks and open nothing that may be a call.
    fn fences(&mut self, place: Place, from: &str) {
        let line = lark::regex(&format!(r"{INDENT}```[^\n]*\n"));
        if place.around != Around::Prose {
            let close = self.lark.lazy(&format!("{line}{}", no_tag()));
            Rule::add(&mut self.places, &Place::PROSE, format!("{from} {close}"));
            return;
        }
        let opening = format!(r"{INDENT}{FENCE}{GAP}(?:\[{GAP})?(?:\{{{GAP})?\n");
        let named = format!(r"{INDENT}{FENCE}{GAP}(?:\[{GAP})?\{{{GAP}{NAME}{GAP}[:\n]{ANY}");
        let not = [opening, named].map(|not| format!(" & ~({})", lark::regex(&not))).concat();
        let shown = self.lark.lazy(&format!("{line}{not}{}{}", self.no_code(), no_tag()));
        Rule::add(&mut self.places, &Place { around: Around::Shown, ..Place::PROSE }, format!("{from} {shown}"));
        if let Some(program) = &self.text.program {
            let code = self.lark.lazy(&lark::regex(CODE));
            self.ends.push(format!("{from} {code} {program}"));
        }
    }

    /// What `from` may end with, before the line does: nothing, text, the tag of a call.
    fn end_of_line(&mut self, from: &str, object: bool, not: &str) {
        let fenced = format!(r"{INDENT}{FENCE}{GAP}(?:\[{GAP})?\{{{GAP}{NAME}{GAP}:{ANY}");
        let named = named(object);
        let last = format!("{} & ~({}) & ~({named}){}{not}", lark::regex(r"[^\n]+"), lark::regex(&fenced), no_tag());
        let last = self.lark.terminal(last);
        self.whole.push(format!("{from} ({last})?"));
        if let Some(calls) = &self.text.calls {
            let tag = self.lark.lazy(&format!("{} & ~({named}){not}", lark::regex(r"[^\n]*<tool_call>")));
            self.ends.push(format!("{from} {tag} {}", calls.tagged));
        }
    }

    /// A line that begins nothing.
    fn plain_line(&mut self, object: bool, not: &str) -> String {
        let opening = lark::regex(&format!(r"{INDENT}(?:\[{GAP})?(?:\{{{GAP})?\r*\n"));
        let fence = lark::regex(&format!("{INDENT}```{ANY}"));
        let line = lark::regex(r"[^\n]*\n");
        let named = named(object);
        self.lark.lazy(&format!("{line} & ~({opening}) & ~({fence}) & ~({named}){}{not}", no_tag()))
    }

    /// After `{"name":`, a call or something else.
    fn calls(&mut self, calls: &Calls) {
        let Calls { rest, other, tagged, .. } = calls;
        for Rule { key: (around, list), name, .. } in &self.begun {
            let frame = Frame { fence: *around == Around::Opened, list: *list };
            for (_, rest) in rest.iter().filter(|(of, _)| *of == frame) {
                self.ends.push(format!("{name} {rest}"));
            }
            let Some([other, other_line]) = other else { continue };
            let around = around.settled();
            Rule::add(&mut self.within, &around, format!("{name} {other}"));
            Rule::add(&mut self.places, &Place { around, ..Place::PROSE }, format!("{name} {other_line}"));
        }
        if other.is_none() {
            return;
        }
        let line = self.lark.lazy(&format!("{}{}", lark::regex(r"[^\n]*\n"), no_tag()));
        for Rule { key, name, .. } in &self.within {
            Rule::add(&mut self.places, &Place { around: *key, ..Place::PROSE }, format!("{name} {line}"));
        }
        let within = self.lark.rule(alternatives(self.within.iter().map(|rule| &rule.name)));
        let last = self.lark.terminal(format!("{}{}", lark::regex(r"[^\n]+"), no_tag()));
        let tag = self.lark.lazy(&lark::regex(r"[^\n]*<tool_call>"));
        self.whole.push(format!("{within} ({last})?"));
        self.ends.push(format!("{within} {tag} {tagged}"));
    }

    /// Added to a lexeme: it opens no program.
    fn no_code(&self) -> String {
        if self.text.interpreter { format!(" & ~({})", lark::regex(CODE)) } else { String::new() }
    }
}

/// Added to a lexeme: no tag of a call stands in it.
fn no_tag() -> String {
    format!(" & ~({})", lark::regex(&format!("{ANY}<tool_call>{ANY}")))
}

/// A line that begins with the key of a call; `object`: its brace stands on a line before. A line that ends between the
/// key and its colon is refused, too: nobody writes so, and that spares a place.
fn named(object: bool) -> String {
    let brace = if object { r"(?:(?:\[GAP)?\{GAP)?" } else { r"(?:\[GAP)?\{GAP" }.replace("GAP", GAP);
    lark::regex(&format!(r"{INDENT}{brace}{NAME}{GAP}[:\n]{ANY}"))
}
