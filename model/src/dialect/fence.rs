//! Programs in the formats that have no place of their own for code: a ```` ```python ```` block in the reply.
//!
//! Such a block is code to be run wherever the interpreter is offered, whether the model meant to run it or to show it:
//! models that were not trained on an interpreter write both in the same way. Blocks in other languages, and blocks
//! without a language, are prose.

use crate::{InterpreterNotes, Message, ReplyFormat, Request, ToolChoice};

/// Three backticks.
pub(crate) const FENCE: &str = "```";

/// The words after the backticks that mean Python.
pub(crate) const LANGUAGES: [&str; 5] = ["python", "Python", "py", "python3", "Python3"];

/// True where the reply has to be a program, though nobody asked for one: files came with the message, and a small model that
/// may choose tells what is in them without a look (`docs/evals.md`).
pub(crate) fn looks_first(request: &Request) -> bool {
    let asked = matches!(request.messages.last(), Some(Message::User { .. }));
    let free = request.tool_choice == ToolChoice::Auto && request.format == ReplyFormat::Text;
    asked && free && request.interpreter && request.interpreter_notes.uploads
}

/// The part of the system prompt that tells how programs are written; `None` where none can be run.
pub(crate) fn instructions(request: &Request) -> Option<String> {
    if !request.interpreter || request.tool_choice == ToolChoice::None {
        return None;
    }
    let InterpreterNotes { environment, functions, .. } = &request.interpreter_notes;
    let mut text =
        "You are connected to a computer that runs Python. For every question that needs numbers, data, files \
                    or a drawing, do not guess: write a program in a block that begins with ```python and ends with \
                    ```, and print the result. It runs at once and you read its output in the next message; then \
                    answer the user in plain words. Variables are kept."
            .to_owned();
    if !environment.is_empty() {
        text.push(' ');
        text.push_str(environment.trim());
    }
    if !functions.is_empty() {
        // As a module to import from: a model that reads that they are defined writes them itself before it calls them
        // (docs/examples.md has what was tried).
        text.push_str(&format!(
            "\n\nThe module `tools` has these functions. Begin a program that needs one with `from tools import {}`:\n\
             {FENCE}python\n",
            first_name(functions).unwrap_or("*")
        ));
        text.push_str(functions.trim());
        text.push('\n');
        text.push_str(FENCE);
    }
    Some(text)
}

/// The first function that Python stubs declare.
fn first_name(stubs: &str) -> Option<&str> {
    stubs.lines().find_map(|line| line.strip_prefix("def ")?.split('(').next())
}

/// `system` with `more` behind it.
pub(crate) fn after_system(system: Option<String>, more: Option<String>) -> Option<String> {
    match (system, more) {
        (Some(system), Some(more)) if !system.is_empty() => Some(format!("{system}\n\n{more}")),
        (system, more) => more.or(system),
    }
}

/// A program as a reply has it.
pub(crate) fn block(source: &str) -> String {
    format!("{FENCE}python\n{source}\n{FENCE}")
}

/// True for a line that opens a block of Python.
pub(crate) fn opens(line: &str) -> bool {
    let word = line.trim().strip_prefix(FENCE).map(str::trim);
    word.is_some_and(|word| LANGUAGES.contains(&word))
}

/// Reads the inside of a block, character by character: the program, up to a line of backticks alone.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    /// White space before the opening fence, which its lines have too.
    indent: String,
    /// The line so far, while it may be the closing fence or its indentation.
    line: String,
    /// The line is part of the program.
    code: bool,
    source: String,
}

/// What a character did to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The block goes on.
    Inside,
    /// This character ended the line of the closing fence.
    Closed,
}

impl Inside {
    pub(crate) fn new(indent: &str) -> Self {
        Self { indent: indent.to_owned(), ..Self::default() }
    }

    /// Takes `c`; what of the program is sure now goes to `out`.
    pub(crate) fn push(&mut self, c: char, out: &mut String) -> Step {
        if self.code {
            self.write(c, out);
            self.code = c != '\n';
            return Step::Inside;
        }
        if c == '\n' {
            if is_fence(&self.line) {
                return Step::Closed;
            }
            self.line_is_code(out);
            self.write(c, out);
            self.code = false;
            return Step::Inside;
        }
        self.line.push(c);
        let trimmed = self.line.trim_start_matches([' ', '\t']);
        let may_close = trimmed.trim_start_matches('`').trim().is_empty();
        if !may_close {
            self.line_is_code(out);
        }
        Step::Inside
    }

    /// The reply is over. Gives the program, and whether its block was closed.
    pub(crate) fn finish(mut self, out: &mut String) -> (String, bool) {
        let closed = is_fence(&self.line);
        if !closed {
            self.line_is_code(out);
        }
        (self.source(), closed)
    }

    /// The program so far, without blank lines at its end.
    pub(crate) fn source(&mut self) -> String {
        let mut source = std::mem::take(&mut self.source);
        source.truncate(source.trim_end().len());
        source
    }

    fn line_is_code(&mut self, out: &mut String) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_prefix(self.indent.as_str()).unwrap_or(&line);
        self.source.push_str(line);
        out.push_str(line);
        self.code = true;
    }

    fn write(&mut self, c: char, out: &mut String) {
        self.source.push(c);
        out.push(c);
    }
}

fn is_fence(line: &str) -> bool {
    let ticks = line.trim();
    ticks.len() >= FENCE.len() && ticks.chars().all(|c| c == '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(indent: &str, text: &str) -> (String, String, bool) {
        let (mut inside, mut shown) = (Inside::new(indent), String::new());
        for c in text.chars() {
            if inside.push(c, &mut shown) == Step::Closed {
                return (inside.source(), shown, true);
            }
        }
        let (source, closed) = inside.finish(&mut shown);
        (source, shown, closed)
    }

    #[test]
    fn a_block_ends_at_a_line_of_backticks_alone() {
        let program = "for i in range(2):\n\n    print(f'`{i}`')  # ```";
        assert_eq!(read("", &format!("{program}\n```")).0, program);
        assert_eq!(read("", "print('''\n```bash\nls''')\n```\n").0, "print('''\n```bash\nls''')");
        let (source, shown, closed) = read("", "a = 1\n``");
        assert_eq!((source.as_str(), shown.as_str(), closed), ("a = 1\n``", "a = 1\n``", false));
    }

    #[test]
    fn a_block_in_a_list_loses_the_indentation_of_its_fence() {
        assert_eq!(read("   ", "   if x:\n       y()\n   ```\n").0, "if x:\n    y()");
    }

    #[test]
    fn only_python_is_code() {
        assert!(opens("```python") && opens("  ```py ") && opens("```Python3"));
        assert!(!opens("```") && !opens("```json") && !opens("```pythonic") && !opens("python"));
    }
}
