//! The path under which the generated code finds `glassbox-tools`.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, Path, Result};

/// A path that has `__private` in it: the one that the user gave, or that of `glassbox` or `glassbox-tools` under
/// the name that this crate's Cargo.toml gives it.
pub(crate) fn path(given: Option<&Path>) -> Result<TokenStream> {
    if let Some(path) = given {
        return Ok(quote!(#path));
    }
    for (package, own_name) in [("glassbox", "glassbox"), ("glassbox-tools", "glassbox_tools")] {
        let name = match crate_name(package) {
            // The package's examples and tests are crates of their own, which see it by its name; its library sees
            // itself by that name through `extern crate self as …`.
            Ok(FoundCrate::Itself) => own_name.to_owned(),
            Ok(FoundCrate::Name(name)) => name,
            Err(_) => continue,
        };
        let name = format_ident!("{name}");
        return Ok(quote!(::#name));
    }
    Err(Error::new(
        Span::call_site(),
        "Cargo.toml has neither `glassbox` nor `glassbox-tools` among its dependencies; add one, or say where it is with \
         `#[tool(crate = path)]`",
    ))
}
