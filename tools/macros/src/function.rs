//! The signature of a function or method, read as a tool's parameters.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, ItemFn, Pat, PatType, Receiver, Result, ReturnType, Signature, Type,
};

use crate::attributes::{ArgumentAttribute, ArgumentDefault, is_tool};

/// One thing that the function is called with, besides `&self`.
pub(crate) enum Parameter {
    /// The `&ToolContext`.
    Context,
    /// An argument that the model writes.
    Argument(Box<Argument>),
}

/// An argument that the model writes.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The type of the field: owned, also where the function takes `&str`.
    pub(crate) ty: Type,
    /// Passed by reference: the function takes `&str`.
    pub(crate) borrowed: bool,
    /// Docs, and what serde and schemars shall see.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) default: Option<ArgumentDefault>,
}

/// Reads the parameters and takes the attributes off that Rust does not allow on them.
///
/// The errors of all arguments come together.
pub(crate) fn parameters(signature: &mut Signature, method: bool) -> Result<Vec<Parameter>> {
    check(signature, method)?;
    let mut errors: Option<Error> = None;
    let mut parameters = Vec::new();
    for input in &mut signature.inputs {
        let FnArg::Typed(argument) = input else { continue };
        match parameter(argument, method) {
            Ok(parameter) => parameters.push(parameter),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    errors.map_or(Ok(parameters), Err)
}

fn check(signature: &Signature, method: bool) -> Result<()> {
    if let Some(generic) = signature.generics.params.first() {
        return Err(Error::new(
            generic.span(),
            "a tool cannot be generic: the schema that the model reads needs concrete types",
        ));
    }
    if let Some(token) = &signature.unsafety {
        return Err(Error::new(token.span, "a tool cannot be `unsafe`: the model decides when it is called"));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new(variadic.span(), "a tool cannot be variadic"));
    }
    let receiver = signature.receiver();
    match (receiver, method) {
        (Some(receiver), false) => Err(Error::new(
            receiver.span(),
            "this is a method: put `#[tool]` on the `impl` block too, and it becomes a tool of each value of the type",
        )),
        (None, true) => Err(Error::new(
            signature.ident.span(),
            "a tool in an `impl` block takes `&self`; write this one as a free function",
        )),
        (Some(Receiver { reference: Some(_), mutability: None, colon_token: None, .. }), true) | (None, false) => {
            Ok(())
        }
        (Some(receiver), true) => Err(Error::new(
            receiver.span(),
            "a tool takes `&self`: calls run beside each other, so state that changes belongs in a `Mutex` or an atomic",
        )),
    }
}

fn parameter(argument: &mut PatType, method: bool) -> Result<Parameter> {
    let ident = match &*argument.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            let mut ident = pattern.ident.clone();
            ident.set_span(pattern.ident.span());
            ident
        }
        pattern => {
            return Err(Error::new(
                pattern.span(),
                "a tool's argument needs a name, which the model writes; take it apart in the body",
            ));
        }
    };
    let attributes = std::mem::take(&mut argument.attrs);
    let (default, kept) = sort_attributes(attributes, &mut argument.attrs)?;
    if is_context(&argument.ty) {
        if let Some(attribute) = kept.first() {
            return Err(Error::new(attribute.span(), "the context is not shown to the model, so this has no effect"));
        }
        return Ok(Parameter::Context);
    }
    let (ty, borrowed) = owned(&argument.ty)?;
    if method && mentions_self(ty.to_token_stream()) {
        return Err(Error::new(
            argument.ty.span(),
            "write the type's name here: `Self` means another type in the generated code",
        ));
    }
    Ok(Parameter::Argument(Box::new(Argument { ident, ty, borrowed, attributes: kept, default })))
}

/// Splits an argument's attributes: `#[tool(default …)]`, those for the generated struct, and (into `stay`) lint levels.
fn sort_attributes(
    attributes: Vec<Attribute>,
    stay: &mut Vec<Attribute>,
) -> Result<(Option<ArgumentDefault>, Vec<Attribute>)> {
    let mut default = None;
    let mut kept = Vec::new();
    for attribute in attributes {
        if is_tool(&attribute) {
            if default.is_some() {
                return Err(Error::new(attribute.span(), "`#[tool]` is given twice on one argument"));
            }
            default = Some(attribute.parse_args::<ArgumentAttribute>()?.default);
        } else if ["doc", "serde", "schemars"].iter().any(|name| attribute.path().is_ident(name)) {
            kept.push(attribute);
        } else if ["allow", "expect", "warn"].iter().any(|name| attribute.path().is_ident(name)) {
            stay.push(attribute);
        } else {
            return Err(Error::new(
                attribute.span(),
                "this attribute has no meaning on a tool's argument; `///`, `#[tool(default …)]`, `#[schemars(…)]` and `#[serde(…)]` have",
            ));
        }
    }
    Ok((default, kept))
}

/// Whether this is `&ToolContext`, under whatever path.
fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "ToolContext")
}

/// The type that the generated struct holds, and whether the function borrows it.
fn owned(ty: &Type) -> Result<(Type, bool)> {
    match ty {
        Type::ImplTrait(_) => Err(Error::new(
            ty.span(),
            "`impl Trait` cannot be a tool's argument: the schema that the model reads needs a concrete type",
        )),
        Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "ToolContext") => {
            Err(Error::new(ty.span(), "take the context by reference: `&ToolContext`"))
        }
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => Ok((syn::parse_quote!(::std::string::String), true)),
            _ => Err(borrowed(ty)),
        },
        Type::Reference(_) | Type::Ptr(_) => Err(borrowed(ty)),
        _ => Ok((ty.clone(), false)),
    }
}

fn borrowed(ty: &Type) -> Error {
    Error::new(
        ty.span(),
        "a tool's argument owns its data, because it is read from JSON: take the type without `&` (only `&str` and `&ToolContext` may be borrowed)",
    )
}

fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}

/// The name that a function gives its tool.
pub(crate) fn default_name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Where to point for something wrong with the returned value. Names in such code are resolved as in the rest of it,
/// also where the return type was handed through a `macro_rules`.
pub(crate) fn return_span(signature: &Signature) -> Span {
    let location = match &signature.output {
        ReturnType::Default => signature.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    Span::call_site().located_at(location)
}

/// The item without any `#[tool]` and without what Rust does not allow on arguments; as it was, if it cannot be read.
pub(crate) fn without_tool_attributes(item: TokenStream) -> TokenStream {
    struct Strip;
    impl VisitMut for Strip {
        fn visit_impl_item_fn_mut(&mut self, method: &mut ImplItemFn) {
            method.attrs.retain(|attribute| !is_tool(attribute));
            self.visit_signature_mut(&mut method.sig);
        }
        fn visit_pat_type_mut(&mut self, argument: &mut PatType) {
            argument.attrs.clear();
        }
    }
    if let Ok(mut function) = syn::parse2::<ItemFn>(item.clone()) {
        Strip.visit_signature_mut(&mut function.sig);
        return function.into_token_stream();
    }
    if let Ok(mut block) = syn::parse2::<syn::ItemImpl>(item.clone()) {
        Strip.visit_item_impl_mut(&mut block);
        return block.into_token_stream();
    }
    item
}
