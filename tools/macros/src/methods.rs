//! `#[tool] impl Type { … }`: a tool of each method that carries `#[tool]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Error, ImplItem, ImplItemFn, ItemImpl, Meta, Result, Type};

use crate::attributes::{ToolAttribute, is_tool};
use crate::expand::{ToolCode, cfg_attributes, description, tool_name};
use crate::function::parameters;
use crate::krate;

pub(crate) fn expand(attribute: ToolAttribute, mut block: ItemImpl) -> Result<TokenStream> {
    check(&attribute, &block)?;
    let krate = krate::path(attribute.krate.as_ref())?;
    let private = quote!(#krate::__private);
    let of = (*block.self_ty).clone();

    let mut code = Vec::new();
    let mut pushes = Vec::new();
    let mut errors: Option<Error> = None;
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let Some(index) = method.attrs.iter().position(is_tool) else { continue };
        let attribute = method.attrs.remove(index);
        match tool_of(&private, &of, pushes.len(), &attribute, method) {
            Ok(tool) => {
                code.push(tool.code);
                pushes.push(tool.push);
            }
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if pushes.is_empty() {
        return Err(Error::new_spanned(&block.self_ty, "no method here carries `#[tool]`, so this block has no tools"));
    }

    Ok(quote! {
        #block

        const _: () = {
            #(#code)*

            impl #private::Toolset for #of {
                #[allow(clippy::vec_init_then_push, unused_mut)]
                fn tools(self: ::std::sync::Arc<Self>) -> ::std::vec::Vec<#private::BoxTool> {
                    let mut tools: ::std::vec::Vec<#private::BoxTool> = ::std::vec::Vec::new();
                    #(#pushes)*
                    tools
                }
            }

            impl #private::IntoTools for #of {
                fn into_tools(self) -> ::std::vec::Vec<#private::BoxTool> {
                    #private::Toolset::tools(::std::sync::Arc::new(self))
                }
            }
        };
    })
}

struct MethodTool {
    /// The tool's type and its implementation.
    code: TokenStream,
    /// The statement that adds it to the list.
    push: TokenStream,
}

fn tool_of(
    private: &TokenStream,
    of: &Type,
    number: usize,
    attribute: &Attribute,
    method: &mut ImplItemFn,
) -> Result<MethodTool> {
    let attribute = match &attribute.meta {
        Meta::Path(_) => ToolAttribute::default(),
        _ => attribute.parse_args::<ToolAttribute>()?,
    };
    if let Some(path) = &attribute.krate {
        return Err(Error::new_spanned(path, "`crate` goes on the `impl` block"));
    }
    let parameters = parameters(&mut method.sig, true)?;
    let cfg = cfg_attributes(&method.attrs);
    let tool = format_ident!("__GlassboxTool{number}");
    let arguments = format_ident!("__GlassboxArguments{number}");
    let code = ToolCode {
        private,
        name: tool_name(&attribute, &method.sig.ident),
        description: description(&attribute, &method.attrs, &method.sig.ident)?,
        attribute: &attribute,
        signature: &method.sig,
        parameters: &parameters,
        arguments: &arguments,
    };
    let definition = code.arguments_struct();
    let implementation = code.implementation(&quote!(#tool), Some(of));
    Ok(MethodTool {
        code: quote! {
            #(#cfg)*
            struct #tool(::std::sync::Arc<#of>);
            // In a block of its own, so that one `cfg` reaches all of it.
            #(#cfg)*
            const _: () = {
                #definition
                #implementation
            };
        },
        push: quote! {
            #(#cfg)*
            tools.push(::std::sync::Arc::new(#tool(::std::sync::Arc::clone(&self))));
        },
    })
}

fn check(attribute: &ToolAttribute, block: &ItemImpl) -> Result<()> {
    let ToolAttribute { name, description, read_only, destructive, open_world, serial, timeout, krate: _ } = attribute;
    if name.is_some()
        || description.is_some()
        || *read_only
        || *destructive
        || *open_world
        || *serial
        || timeout.is_some()
    {
        return Err(Error::new_spanned(
            &block.self_ty,
            "only `crate` goes on the `impl` block; the other keys go on its methods",
        ));
    }
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new_spanned(path, "`#[tool]` goes on the type's own `impl` block, not on a trait's"));
    }
    if let Some(generic) = block.generics.params.first() {
        return Err(Error::new_spanned(generic, "tools cannot be generic: implement them for a concrete type"));
    }
    Ok(())
}
