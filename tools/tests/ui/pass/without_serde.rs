//! Primitive arguments need no direct dependency but ours, and no name in scope; one that is in scope does no harm.

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

#[allow(dead_code)]
type Result<T> = ::std::result::Result<T, String>;

#[allow(dead_code)]
struct Value;

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
