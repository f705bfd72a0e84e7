//! The `#[tool]` attribute of Glassbox. Use it through `glassbox` or `glassbox-tools`, which document it.
//!
//! `#[tool]` leaves the function as it was written and puts a type of the same name beside it. Functions live in
//! Rust's value namespace and a struct with braces lives in the type namespace only, so both can have one name, and one
//! `use` imports both.

mod attributes;
mod expand;
mod function;
mod krate;
mod list;
mod methods;

use proc_macro::TokenStream;

#[allow(missing_docs, reason = "documented where it is re-exported; rustdoc puts both texts together")]
#[proc_macro_attribute]
pub fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    expand::tool(attribute.into(), item.clone())
        // The item stays, so that the one error is not buried under those of everything that uses it.
        .unwrap_or_else(|error| {
            let error = error.into_compile_error();
            let item = function::without_tool_attributes(item);
            quote::quote!(#error #item)
        })
        .into()
}

/// The list of tools behind `tools!`, whose first token is the path of `glassbox-tools`.
#[doc(hidden)]
#[proc_macro]
pub fn tool_list(input: TokenStream) -> TokenStream {
    list::expand(input.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
