//! Noticing a reply that says the same again and again.
//!
//! At temperature 0 a small model that has begun to repeat itself does not stop: each round makes the next one likelier,
//! until the context is full. What is looked for is exact: the end of the text is one passage, many times over.

use std::collections::VecDeque;

/// The longest passage, in characters: a few lines of a program.
const LONGEST_PASSAGE: usize = 512;
/// How often it must stand there.
const TIMES: usize = 10;
/// How much the repetitions must come to, in characters, so that a ruler, a row of zeros or a refrain is none.
const LEAST: usize = 2000;
/// The same of lines without a letter: a matrix of zeros, an empty board.
const LEAST_OF_NUMBERS: usize = 8000;
/// Characters that are kept: enough for both.
const KEPT: usize = LEAST_OF_NUMBERS;
/// Characters between two looks.
const EVERY: usize = 256;

/// Watches the text of one reply.
#[derive(Debug, Default)]
pub(crate) struct Runaway {
    tail: VecDeque<char>,
    unseen: usize,
}

impl Runaway {
    /// Takes more text; true where it is nothing but a repetition by now.
    pub(crate) fn push(&mut self, text: &str) -> bool {
        for c in text.chars() {
            if self.tail.len() >= KEPT {
                self.tail.pop_front();
            }
            self.tail.push_back(c);
            self.unseen = self.unseen.saturating_add(1);
        }
        if self.unseen < EVERY || self.tail.len() < LEAST {
            return false;
        }
        self.unseen = 0;
        repeats(self.tail.iter().rev().copied())
    }
}

/// True where a beginning of `text` is one passage often enough. Counts, for each beginning, the longest proper one
/// that it also ends with (the failure function of Knuth, Morris and Pratt): what is left is its shortest period.
fn repeats(text: impl Iterator<Item = char>) -> bool {
    let text: Vec<char> = text.collect();
    let mut borders: Vec<usize> = vec![0];
    let mut border = 0;
    for (at, c) in text.iter().enumerate().skip(1) {
        while border > 0 && text.get(border) != Some(c) {
            border = borders.get(border.saturating_sub(1)).copied().unwrap_or(0);
        }
        if text.get(border) == Some(c) {
            border += 1;
        }
        borders.push(border);
        let length = at + 1;
        let passage = length - border;
        if length >= LEAST && passage <= LONGEST_PASSAGE && passage * TIMES <= length {
            let passage = text.get(..passage).unwrap_or_default();
            let numbers = passage.contains(&'\n') && !passage.iter().any(|c| c.is_alphabetic());
            if !numbers || length >= LEAST_OF_NUMBERS {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noticed(text: &str) -> bool {
        let mut runaway = Runaway::default();
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(7).any(|piece| runaway.push(&piece.iter().collect::<String>()))
    }

    #[test]
    fn one_line_or_a_few_lines_again_and_again_are_noticed_wherever_they_begin() {
        assert!(noticed(&("import turtle\n".to_owned() + &"circle(100)\n".repeat(400))));
        assert!(noticed(&("圆".repeat(99) + &"再画一个圆。\n".repeat(400))));
        let passage: String = (0..9).map(|n| format!("    draw({n}, \"a part of it\", {})\n", n * n)).collect();
        assert!(noticed(&("def heart():\n".to_owned() + &passage.repeat(40))));
        assert!(noticed(&"0, ".repeat(700)), "one row without an end");
        assert!(noticed(&"[0, 0, 0]\n".repeat(900)), "rows without an end");
    }

    /// What people ask for: none of it is the model's mistake.
    #[test]
    fn data_and_programs_that_repeat_themselves_are_no_repetition() {
        let zeros = |n: usize| format!("[{}],\n", vec!["0"; n].join(", ")).repeat(n);
        assert!(!noticed(&format!("a = np.array([\n{}])\n", zeros(28))), "a picture of 28 by 28 zeros");
        assert!(!noticed(&format!("| a | b | c |\n|---|---|---|\n{}", "| 0 | 0 | 0 |\n".repeat(300))));
        let list: String = (1..500).map(|n| format!("- item {n}\n")).collect();
        assert!(!noticed(&list));
        let code: String = (0..200).map(|n| format!("    fig.add_subplot(20, 10, {n}).plot(x, y)\n")).collect();
        assert!(!noticed(&format!("def draw():\n{code}")));
        let tests: String =
            ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
                .map(|name| {
                    format!(
                        "def test_{name}():\n    assert parse('{name}') is not None\n    assert parse('') is None\n\n"
                    )
                })
                .concat()
                .repeat(4);
        assert!(!noticed(&tests), "a passage of over 512 characters");
        assert!(!noticed(&"print('-' * 40)\n".repeat(100)));
        assert!(!noticed(&"    pass\n".repeat(200)));
        assert!(!noticed(&"null,\n".repeat(250)));
    }

    #[test]
    fn counting_tables_and_refrains_are_no_repetition() {
        let counted: String = (0..2000).map(|n| format!("{n}\n")).collect();
        assert!(!noticed(&counted));
        let squares: String = (0..500).map(|n| format!("| {n} | {} | yes |\n", n * n)).collect();
        assert!(!noticed(&squares));
        assert!(!noticed(&("-".repeat(1900) + "\nthe end of the ruler\n" + &"0, ".repeat(600))));
        let song: String = (0..60).map(|n| format!("Verse {n} is another one.\n{}", "la la la\n".repeat(9))).collect();
        assert!(!noticed(&song));
    }
}
