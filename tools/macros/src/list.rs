//! `tools![a, b]`: a path names a tool function, everything else is a value.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprRange, Path, RangeLimits, Result, Token};

struct List {
    krate: Path,
    entries: Punctuated<Expr, Token![,]>,
}

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let krate = input.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Self { krate, entries: Punctuated::parse_terminated(input)? })
    }
}

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let List { krate, entries } = syn::parse2(input)?;
    // A name of our own, which is not that of any variable in the entries.
    let list = Ident::new("tools", Span::mixed_site());
    let entries = entries.iter().map(|entry| {
        let span = Span::mixed_site().located_at(entry.span());
        match entry {
            Expr::Path(path) => quote_spanned!(span=> #list.extend(<#path as #krate::__private::Named>::named());),
            Expr::Range(ExprRange { start: None, limits: RangeLimits::HalfOpen(_), end: Some(value), .. }) => {
                quote_spanned!(span=> #list.extend(#krate::IntoTools::into_tools(#value));)
            }
            value => quote_spanned!(span=> #list.extend(#krate::IntoTools::into_tools(#value));),
        }
    });
    Ok(quote!({
        #[allow(unused_mut)]
        let mut #list: ::std::vec::Vec<#krate::BoxTool> = ::std::vec::Vec::new();
        #(#entries)*
        #list
    }))
}
