#![allow(unused)]

use glassbox_tools::tool;

#[tool]
struct Weather;

/// Unsafe.
#[tool]
unsafe fn dangerous() {}

struct Holder<T>(T);

#[tool]
impl<T> Holder<T> {
    /// Generic.
    #[tool]
    fn get(&self) {}
}

struct Empty;

#[tool]
impl Empty {
    fn not_a_tool(&self) {}
}

#[tool(read_only)]
impl Empty {
    /// The keys belong here.
    #[tool]
    fn get(&self) {}
}

#[tool]
impl Drop for Empty {
    fn drop(&mut self) {}
}

fn main() {}
