//! From a function to the code of its tool.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Error, Expr, Ident, Item, ItemFn, Lit, Result, Signature};

use crate::attributes::{ArgumentDefault, ToolAttribute, docs, says_something};
use crate::function::{Argument, Parameter, default_name, parameters, return_span};
use crate::{krate, methods};

/// The whole of `#[tool(attribute)] item`.
pub(crate) fn tool(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    match syn::parse2::<Item>(item)? {
        Item::Fn(function) => free_function(syn::parse2(attribute)?, function),
        Item::Impl(block) => methods::expand(syn::parse2(attribute)?, block),
        other => Err(Error::new_spanned(other, "`#[tool]` goes on a function, or on an `impl` block")),
    }
}

fn free_function(attribute: ToolAttribute, mut function: ItemFn) -> Result<TokenStream> {
    let parameters = parameters(&mut function.sig, false)?;
    let krate = krate::path(attribute.krate.as_ref())?;
    let private = quote!(#krate::__private);
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let cfg = cfg_attributes(&function.attrs);
    let arguments = format_ident!("__GlassboxArguments");
    let code = ToolCode {
        private: &private,
        name: tool_name(&attribute, ident),
        description: description(&attribute, &function.attrs, ident)?,
        attribute: &attribute,
        signature: &function.sig,
        parameters: &parameters,
        arguments: &arguments,
    };
    let definition = code.arguments_struct();
    let implementation = code.implementation(&quote!(#ident), None);
    let doc = format!("The tool that calls the function [`{ident}`](fn@{ident}).");
    Ok(quote! {
        #function

        #(#cfg)*
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::default::Default)]
        #visibility struct #ident {}

        #(#cfg)*
        const _: () = {
            #definition
            #implementation
        };
    })
}

pub(crate) fn cfg_attributes(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

pub(crate) fn tool_name(attribute: &ToolAttribute, ident: &Ident) -> String {
    attribute.name.as_ref().map_or_else(|| default_name(ident), syn::LitStr::value)
}

/// The expressions whose texts are the description's lines.
pub(crate) fn description(
    attribute: &ToolAttribute,
    attributes: &[Attribute],
    ident: &Ident,
) -> Result<Vec<TokenStream>> {
    if let Some(description) = &attribute.description {
        if description.value().trim().is_empty() {
            return Err(Error::new(description.span(), "the description is empty"));
        }
        return Ok(vec![quote!(#description)]);
    }
    let docs = docs(attributes);
    if !says_something(&docs) {
        return Err(Error::new(
            ident.span(),
            format!(
                "`{ident}` has no description: the model chooses tools by it. Say with `///` what the tool does and when to use it"
            ),
        ));
    }
    Ok(docs.into_iter().map(|doc| quote!(#doc)).collect())
}

/// Everything that goes into the code of one tool.
pub(crate) struct ToolCode<'a> {
    pub(crate) private: &'a TokenStream,
    pub(crate) name: String,
    pub(crate) description: Vec<TokenStream>,
    pub(crate) attribute: &'a ToolAttribute,
    pub(crate) signature: &'a Signature,
    pub(crate) parameters: &'a [Parameter],
    /// The generated struct that the arguments are read into.
    pub(crate) arguments: &'a Ident,
}

impl ToolCode<'_> {
    fn values(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Context => None,
        })
    }

    /// The struct of the arguments: serde reads the values through it, schemars the schema.
    pub(crate) fn arguments_struct(&self) -> TokenStream {
        let Self { private, arguments, .. } = self;
        let serde = quote!(#private::serde).to_string();
        let schemars = quote!(#private::schemars).to_string();
        let mut defaults = Vec::new();
        let fields = self.values().enumerate().map(|(index, argument)| {
            let Argument { ident, ty, attributes, default, .. } = argument;
            let default = match default {
                None => quote!(),
                Some(ArgumentDefault::OfType) => quote!(#[serde(default)]),
                Some(ArgumentDefault::Expression(expression)) => {
                    let function = format_ident!("__glassbox_default_{index}_of_{arguments}");
                    let value = default_value(expression);
                    defaults.push(quote! {
                        #[allow(non_snake_case)]
                        fn #function() -> #ty { #value }
                    });
                    let function = function.to_string();
                    quote!(#[serde(default = #function)])
                }
            };
            quote!(#(#attributes)* #default #ident: #ty)
        });
        let fields = fields.collect::<Vec<_>>();
        quote! {
            #(#defaults)*
            #[derive(#private::serde::Deserialize, #private::schemars::JsonSchema)]
            #[serde(crate = #serde, expecting = "an object of arguments")]
            #[schemars(crate = #schemars)]
            #[allow(non_camel_case_types)]
            struct #arguments { #(#fields,)* }
        }
    }

    /// `impl Tool for tool`. A method's tool holds its value in an `Arc` as field 0, and `of` is the value's type.
    pub(crate) fn implementation(&self, tool: &TokenStream, of: Option<&syn::Type>) -> TokenStream {
        let Self { private, name, description, attribute, arguments, signature, .. } = self;
        let ToolAttribute { read_only, destructive, open_world, serial, timeout, .. } = attribute;
        let timeout = match timeout {
            Some(seconds) => quote!(::core::option::Option::Some(::core::time::Duration::from_secs_f64(#seconds))),
            None => quote!(::core::option::Option::None),
        };
        let run = self.run(of);
        let output = quote!(::core::result::Result<#private::ToolOutput, #private::ToolError>);
        let body = if signature.asyncness.is_some() {
            quote!(#run)
        } else {
            // A function that blocks must neither stall the runtime nor, if it hangs, outlive its time in the turn.
            let clone = of.map(|_| quote!(let __this = ::std::sync::Arc::clone(__this);));
            let this = of.map(|_| quote!(let __this = &__this;));
            quote! {
                #clone
                let __context = ::core::clone::Clone::clone(__context);
                #private::run_blocking(move || -> #output {
                    #this
                    let __context = &__context;
                    #run
                })
                .await
            }
        };
        let this = of.map(|_| quote!(let __this = &self.0;));
        quote! {
            #[#private::async_trait::async_trait]
            impl #private::Tool for #tool {
                fn spec(&self) -> &#private::ToolSpec {
                    static SPEC: ::std::sync::LazyLock<#private::ToolSpec> = ::std::sync::LazyLock::new(|| {
                        #private::spec::<#arguments>(
                            #name,
                            &[#(#description),*],
                            #private::ToolHints { read_only: #read_only, destructive: #destructive, open_world: #open_world },
                            #serial,
                            #timeout,
                        )
                    });
                    &SPEC
                }

                #[allow(unused_variables, deprecated)]
                async fn call(&self, __arguments: #private::serde_json::Value, __context: &#private::ToolContext) -> #output {
                    let __arguments = #private::arguments::<#arguments>(#name, __arguments)?;
                    #this
                    #body
                }
            }
        }
    }

    /// Calls the function and turns what it returns into the tool's output.
    fn run(&self, of: Option<&syn::Type>) -> TokenStream {
        let Self { private, signature, .. } = self;
        let ident = &signature.ident;
        let values = self.parameters.iter().map(|parameter| match parameter {
            Parameter::Context => quote!(__context),
            Parameter::Argument(argument) => {
                let ident = &argument.ident;
                if argument.borrowed { quote!(&__arguments.#ident) } else { quote!(__arguments.#ident) }
            }
        });
        let call = match of {
            Some(of) => quote!(<#of>::#ident(&**__this, #(#values),*)),
            None => quote!(#ident(#(#values),*)),
        };
        let wait = signature.asyncness.map(|_| quote!(.await));
        let span = return_span(signature);
        // Two questions to the compiler, each answered by which trait applies: is this a `Result`, and is the value
        // text, an output, or something that serde turns into JSON? See `__private::probe`.
        let convert = quote_spanned! {span=>
            let __value = (&&&#private::probe::Probe::of(&__returned)).result_kind().into_result(__returned)?;
            (&&&#private::probe::Probe::of(&__value)).output_kind().into_output(__value)
        };
        quote! {
            #[allow(clippy::let_unit_value)]
            let __returned = #call #wait;
            #[allow(unused_imports)]
            use #private::probe::{AnyReturn as _, DirectOutput as _, FallibleReturn as _, JsonOutput as _, NoError as _, NoOutput as _};
            #[allow(clippy::let_unit_value)]
            #convert
        }
    }
}

/// The default as an expression of the argument's type: a string literal also does for `String`.
fn default_value(expression: &Expr) -> TokenStream {
    match expression {
        Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)) => quote!(::core::convert::Into::into(#expression)),
        _ => quote!(#expression),
    }
}
