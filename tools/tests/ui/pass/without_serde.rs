//! Primitive arguments need no direct dependency but ours, and nothing in scope.

#![no_implicit_prelude]
#![deny(warnings, missing_docs)]

/// Add two numbers.
#[::glassbox_tools::tool]
pub async fn add(
    /// The first.
    a: i64,
    #[tool(default = 2)] b: i64,
    #[schemars(range(min = 1))] c: ::std::option::Option<u8>,
) -> ::std::string::String {
    ::std::format!("{a} {b} {c:?}")
}

struct Holder;

#[::glassbox_tools::tool]
impl Holder {
    /// A method.
    #[::glassbox_tools::tool(read_only)]
    fn method(&self, text: &str, context: &::glassbox_tools::ToolContext) -> ::std::result::Result<(), ::std::string::String> {
        context.emit(text);
        ::std::result::Result::Ok(())
    }
}

fn main() {
    let tools = ::glassbox_tools::tools![add, Holder {}];
    ::std::assert_eq!(tools.len(), 2);
}
