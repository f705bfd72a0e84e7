#![allow(unused)]

use glassbox_tools::tool;

struct Counter;

impl Counter {
    /// A method in a block without the attribute.
    #[tool]
    fn count(&self) {}
}

struct Other;

#[tool]
impl Other {
    /// Changes itself.
    #[tool]
    fn change(&mut self) {}

    /// Consumes itself.
    #[tool]
    fn consume(self) {}

    /// Has no self.
    #[tool]
    fn alone() {}
}

fn main() {}
