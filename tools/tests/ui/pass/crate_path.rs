//! `crate = path` finds the library behind another one.

mod facade {
    pub use glassbox_tools::{__private, tool};
}

/// Add two numbers.
#[facade::tool(crate = crate::facade)]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

struct Holder;

#[facade::tool(crate = crate::facade)]
impl Holder {
    /// A method.
    #[tool]
    fn method(&self) {}
}

fn main() {
    assert_eq!(add(1, 2), 3);
    assert_eq!(glassbox_tools::tools![add, Holder {}].len(), 2);
}
